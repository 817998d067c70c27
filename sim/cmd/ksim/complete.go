package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"calloutsim/internal/explore"
	"calloutsim/internal/subsystems"
	"calloutsim/internal/verify"
	"calloutsim/sim/cmd/ksim/ddigen"
)

// addCompletion lets the shell complete what commands take: scenarios, rules, driver interfaces, strategies
// and the names of tests.
func addCompletion(root *cobra.Command) {
	for _, c := range root.Commands() {
		switch c.Name() {
		case "run":
			c.ValidArgsFunction = completes(scenarioNames)
		case "explore":
			c.ValidArgsFunction = func(c *cobra.Command, args []string,
				begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
				names, _ := completes(scenarioNames)(c, args, begin)
				return names, cobra.ShellCompDirectiveDefault // folders as well
			}
			mustComplete(c, "run", func(_ *cobra.Command, args []string, begin string) []string {
				return testNames(args, begin)
			})
			mustComplete(c, "strategy", func(*cobra.Command, []string, string) []string {
				return explore.Names()
			})
		case "explain", "ddi":
			c.ValidArgsFunction = completes(askableNames)
		case "help":
			c.ValidArgsFunction = completes(func() []string { return commandNames(root) })
		}
	}
}

// completes completes from a list.
func completes(list func() []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var found []cobra.Completion
		for _, n := range list() {
			if strings.HasPrefix(strings.ToLower(n), strings.ToLower(begin)) {
				found = append(found, n)
			}
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// mustComplete completes the values of a flag.
func mustComplete(c *cobra.Command, flag string, list func(*cobra.Command, []string, string) []string) {
	err := c.RegisterFlagCompletionFunc(flag, func(c *cobra.Command, args []string,
		begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return completes(func() []string { return list(c, args, begin) })(c, args, begin)
	})
	if err != nil {
		panic("internal error: " + err.Error())
	}
}

func scenarioNames() (names []string) {
	for _, s := range scenarios() {
		names = append(names, s.Name)
	}
	return names
}

// askableNames are rules and driver interfaces.
func askableNames() (names []string) {
	for _, id := range verify.Rules() {
		names = append(names, id.String())
	}
	for _, r := range subsystems.Rules() {
		names = append(names, r.FullName())
	}
	for _, i := range ddigen.Parse(ddisTSV) {
		names = append(names, i.Name)
	}
	return names
}

var testFunc = regexp.MustCompile(`(?m)^func (Test\w+)\(`)

// testNames are those of the packages that are written as folders; of this one where none is.
func testNames(args []string, _ string) (names []string) {
	if len(args) == 0 {
		args = []string{"."}
	}
	for _, dir := range args {
		dir = strings.TrimSuffix(dir, "/...")
		files, _ := filepath.Glob(filepath.Join(dir, "*_test.go")) // the pattern is right
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				continue
			}
			for _, m := range testFunc.FindAllSubmatch(text, -1) {
				names = append(names, string(m[1]))
			}
		}
	}
	slices.Sort(names)
	return names
}
