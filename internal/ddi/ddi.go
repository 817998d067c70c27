// Package ddi is the table of driver interfaces: one number per routine and callback type, with its IRQL
// limits and its C parameter count in arrays for the hot path, and everything else on request.
//
// Modelled: the rows of ddi_irql.tsv and ddi_more.tsv that are functions (nf) or callback types (nc).
// Not modelled: structures, enumerations and control codes, which the table lists, too; they have no number
// here. Where the table has a name twice (ntddk.h repeats wdm.h), the first row counts. IoCallDriver and
// IofCallDriver are rows of their own.
package ddi

//go:generate go run gen.go

import (
	_ "embed" // for the table
	"strings"
)

// ID numbers a routine or callback type. The zero value is None; IDs compare with == and are not stable
// between versions of the table, so files hold names instead.
type ID uint16

// None is no routine.
const None ID = 0

// NoLimit is what MaxIRQL gives for a routine that may be called at any level or whose limit nobody states.
const NoLimit uint8 = 255

//go:embed ddi_irql.tsv
var documented string

// undocumented are routines that the headers declare and drivers use, and that have no page: their column
// path names the header, and their limits are those of its annotations.
//
//go:embed ddi_more.tsv
var undocumented string

// Entry is everything the table says about one routine.
type Entry struct {
	ID         ID // None for rows that are neither functions nor callback types
	Name       string
	Kind       string // nf, nc, ns, ne or ni, as in the file names of the documentation
	Header     string
	RawIRQL    string // as the documentation words it
	MaxIRQL    string // the level's name, ANY, unknown or ""
	MinIRQL    string
	Condition  string // when another limit than MaxIRQL applies
	MinClient  string
	Compliance []string // names of the DDI compliance rules
	Params     []Param
	// ParamsListed tells "no parameters known" from an empty list that means none; the table never states the
	// latter, so it is false exactly when Params is empty.
	ParamsListed bool
	Path         string // of the documentation page
	Flags        string
}

// Page is the address of the documentation page, or Path where there is none: a few routines are declared in
// a header only.
func (e *Entry) Page() string {
	page, ok := strings.CutPrefix(e.Path, "wdk-ddi-src/content/")
	if !ok {
		return e.Path
	}
	return "https://learn.microsoft.com/windows-hardware/drivers/ddi/" + strings.TrimSuffix(page, ".md")
}

// Param is one C parameter.
type Param struct {
	Name      string
	Direction string // in, out, inout or "" when the page does not say
	Optional  bool
}

// String gives the C name; for the few whose first letter is low or an underscore that is not our
// constant's name.
func (id ID) String() string {
	if int(id) < len(names) {
		return names[id]
	}
	return "ddi.ID(out of range)"
}

// MaxIRQL gives the highest level at which the routine may be called, or NoLimit.
func MaxIRQL(id ID) uint8 { return maxIRQL[id] }

// MinIRQL gives the lowest level at which the routine may be called.
func MinIRQL(id ID) uint8 { return minIRQL[id] }

// CParams gives the number of parameters in C, or -1 when the table lists none.
func CParams(id ID) int { return int(cParams[id]) }

// All parses the table and gives every row in its order, repeated names included.
func All() []Entry {
	entries := make([]Entry, 0, strings.Count(documented, "\n"))
	seen := ID(0)
	for line := range body() {
		e := parse(line)
		// Numbers were given in the order of the rows, so one look ahead finds the row's own.
		if next := seen + 1; int(next) < len(names) && e.numbered() && names[next] == e.Name {
			seen = next
			e.ID = next
		} else if e.numbered() {
			e.ID, _ = ByName(e.Name)
		}
		entries = append(entries, e)
	}
	return entries
}

// Lookup finds the first row with the given C name by scanning the table.
func Lookup(name string) (Entry, bool) {
	for line := range body() {
		if n, _, _ := strings.Cut(line, "\t"); n != name {
			continue
		}
		e := parse(line)
		if e.numbered() {
			e.ID, _ = ByName(name)
		}
		return e, true
	}
	return Entry{}, false
}

// ByName finds the number of a routine by its C name. It searches from front to back: for tools, not for
// DDIs.
func ByName(name string) (ID, bool) {
	if name == "" {
		return None, false
	}
	for i, n := range names {
		if n == name && i > 0 {
			return ID(i), true
		}
	}
	return None, false
}

// numbered reports whether rows of this kind have an ID.
func (e *Entry) numbered() bool { return e.Kind == "nf" || e.Kind == "nc" }

// body yields the lines of both tables below their headings.
func body() func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, table := range [...]string{documented, undocumented} {
			_, rest, _ := strings.Cut(table, "\n")
			for line := range strings.Lines(rest) {
				if !yield(strings.TrimSuffix(line, "\n")) {
					return
				}
			}
		}
	}
}

// parse reads one row. The generator has checked the columns, so there is nothing to report.
func parse(line string) Entry {
	var f [13]string
	for i := range f {
		f[i], line, _ = strings.Cut(line, "\t")
	}
	e := Entry{Name: f[0], Kind: f[1], Header: f[2], RawIRQL: f[3], MaxIRQL: f[4], MinIRQL: f[5],
		MinClient: f[6], Path: f[9], Flags: f[10], Condition: f[11]}
	if f[7] != "" {
		e.Compliance = strings.Split(f[7], ", ")
	}
	if f[8] != "" {
		e.ParamsListed = true
		for p := range strings.SplitSeq(f[8], ";") {
			e.Params = append(e.Params, parseParam(p))
		}
	}
	return e
}

// parseParam reads "name:direction,optional"; a few rows have a doubled colon or no direction.
func parseParam(s string) Param {
	name, how, _ := strings.Cut(s, ":")
	p := Param{Name: name}
	for w := range strings.SplitSeq(strings.TrimPrefix(how, ":"), ",") {
		if w == "optional" {
			p.Optional = true
		} else {
			p.Direction = w
		}
	}
	return p
}
