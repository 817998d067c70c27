package main

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"calloutsim/sim"
)

// flagNames lists the long flags of a verb.
func flagNames(c *cobra.Command) []string {
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

// fixHelp is about --fix.
const fixHelp = "pin choices: SITE=ALTERNATIVE, or a pattern such as 'doc/*=0' (ksim sites lists them); " +
	"repeatable"

// fixed reads --fix.
func fixed(verb string, list []string) (pins []sim.Pin, err error) {
	for _, s := range list {
		site, alt, _ := strings.Cut(s, "=")
		if site == "" || alt == "" {
			return nil, usagef("%s: --fix %q: it is SITE=ALTERNATIVE", verb, s)
		}
		pins = append(pins, sim.Pin{Site: site, Alternative: alt})
	}
	return pins, nil
}

// jsonFlag adds --json to a verb that prints a list.
func jsonFlag(c *cobra.Command) *bool {
	return c.Flags().Bool("json", false, "print JSON instead of a table")
}

// printJSON prints one value, readable and the same every time.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
