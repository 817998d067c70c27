package main

import (
	_ "embed" // for the list
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"

	"calloutsim/internal/ddi"
	"calloutsim/sim/cmd/ksim/ddigen"
)

//go:generate go run gen.go
//go:generate go run genrules.go

//go:embed ddis.tsv
var ddisTSV string

// ddiRow is one driver interface, as JSON has it.
type ddiRow struct {
	Name      string `json:"name"`
	Modelled  bool   `json:"modelled"`
	Kind      string `json:"kind,omitempty"`
	Package   string `json:"package,omitempty"`
	Go        string `json:"go,omitempty"`
	IRQL      string `json:"irql,omitempty"`
	Header    string `json:"header,omitempty"`
	Doc       string `json:"doc,omitempty"`
	Reference string `json:"reference,omitempty"`
}

func newDDI() *cobra.Command {
	c := &cobra.Command{
		Use:   "ddi [WHAT]",
		Short: "Which driver interfaces are modelled, and how",
		Long: "ddi lists what is modelled. With WHAT it answers as ksim explain does: for a routine or\n" +
			"callback type how it is modelled, or that it is not.",
		Example: "  ksim ddi\n  ksim ddi IoCallDriver",
	}
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		w := c.OutOrStdout()
		if len(args) == 0 {
			return listDDIs(w, *asJSON)
		}
		return answerTo("ddi", w, strings.Join(args, " "), *asJSON, findRule, findDDI)
	}
	return c
}

// listDDIs prints everything that is modelled, package by package.
func listDDIs(w io.Writer, asJSON bool) error {
	items := ddigen.Parse(ddisTSV)
	if asJSON {
		rows := []ddiRow{}
		for _, i := range items {
			rows = append(rows, newDDIRow(i))
		}
		return printJSON(w, rows)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	pkg := ""
	routines := 0
	for _, i := range items {
		if i.Package != pkg {
			if pkg != "" {
				fmt.Fprintln(tw)
			}
			pkg = i.Package
			fmt.Fprintf(tw, "%s\n", pkg)
		}
		if i.Kind == "routine" {
			routines++
		}
		e, _ := ddi.Lookup(i.Name)
		first, _, _ := strings.Cut(strings.ReplaceAll(i.Doc, "\n", " "), ". ")
		fmt.Fprintf(tw, "  %s\t%s\t%s\n", i.Name, level(e), clip(strings.TrimSuffix(first, "."), 70))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%d routines and %d callback types are modelled\n", routines,
		len(items)-routines)
	return err
}

// level is the IRQL limit in a few words.
func level(e ddi.Entry) string {
	switch {
	case e.MaxIRQL == "", e.MaxIRQL == "unknown":
		return "-"
	case e.MaxIRQL == "ANY":
		return "any"
	case e.MinIRQL != "" && e.MinIRQL == e.MaxIRQL:
		return "= " + e.MaxIRQL
	}
	return "<= " + e.MaxIRQL
}

func newDDIRow(i ddigen.Item) ddiRow {
	e, _ := ddi.Lookup(i.Name)
	return ddiRow{Name: i.Name, Modelled: true, Kind: i.Kind, Package: i.Package, Go: i.Decl, IRQL: e.RawIRQL,
		Header: e.Header, Doc: i.Doc, Reference: e.Page()}
}

// pointerType gives the name under which the tables have a member of a WSK dispatch table: WskCloseSocket
// is PFN_WSK_CLOSE_SOCKET there.
func pointerType(member string) string {
	var b strings.Builder
	b.WriteString("PFN")
	for _, r := range member {
		if unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}

// findDDI finds an interface among those that are modelled, else in the table.
func findDDI(name string) []ddiRow {
	if rows := exactDDI(name); len(rows) > 0 {
		return rows
	}
	return exactDDI(pointerType(name))
}

func exactDDI(name string) []ddiRow {
	var rows []ddiRow
	for _, i := range ddigen.Parse(ddisTSV) {
		if strings.EqualFold(i.Name, name) {
			rows = append(rows, newDDIRow(i))
		}
	}
	if len(rows) > 0 {
		return rows
	}
	for _, e := range ddi.All() {
		if strings.EqualFold(e.Name, name) {
			return []ddiRow{{Name: e.Name, IRQL: e.RawIRQL, Header: e.Header, Reference: e.Page()}}
		}
	}
	return nil
}

func (r *ddiRow) print(w io.Writer) {
	if !r.Modelled {
		fmt.Fprintf(w, "%s is not modelled\n\n", r.Name)
	} else {
		fmt.Fprintf(w, "%s: %s of package %s\n\n  %s\n\n%s\n\n", r.Name, r.Kind, r.Package, r.Go, r.Doc)
	}
	if r.Header != "" {
		fmt.Fprintf(w, "%-16s%s\n", "HEADER:", r.Header)
	}
	if r.IRQL != "" {
		fmt.Fprintf(w, "%-16s%s\n", "IRQL:", r.IRQL)
	}
	if r.Reference != "" {
		fmt.Fprintf(w, "%-16s%s\n", "REFERENCE:", r.Reference)
	}
}
