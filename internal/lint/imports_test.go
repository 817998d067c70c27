package lint

import (
	"slices"
	"strings"
	"testing"
)

// graph is the import graph: each directory with those just below it. A package may import what is below it,
// and everything below that. A name that ends in /* stands for every package in that directory.
var graph = map[string][]string{
	"ntstatus":       {},
	"internal/list":  {},
	"internal/ddi":   {},
	"wsk/ws2def":     {"ntstatus"},
	"internal/trace": {"ntstatus", "internal/list"},
	"internal/verify": {
		"internal/trace"},
	"internal/ke":         {"internal/verify", "internal/ddi"},
	"irql":                {"internal/ke"},
	"internal/explore":    {"internal/ke"},
	"internal/pool":       {"internal/ke"},
	"internal/packet":     {"internal/trace"},
	"internal/tcp":        {"internal/packet"},
	"internal/tcpip":      {"internal/ke", "internal/tcp", "wsk/ws2def"},
	"internal/wfp":        {"ntstatus", "internal/list"},
	"irp":                 {"irql", "internal/pool"},
	"wsk":                 {"irp", "internal/tcpip", "wsk/ws2def"},
	"fwps/ndis":           {"irp"},
	"fwps":                {"fwps/ndis", "internal/tcpip", "internal/wfp", "wsk/ws2def"},
	"fwps/fwpm":           {"fwps"},
	"sim/trace":           {"internal/trace"},
	"sim/results":         {},
	"sim/report":          {"sim/trace", "internal/verify", "internal/ddi"},
	"sim/coverage":        {"internal/ke"},
	"sim/internal/show":   {},
	"internal/subsystems": {"wsk", "fwps/fwpm"},
	"sim": {"internal/subsystems", "internal/tcpip", "internal/explore", "sim/results", "sim/trace",
		"sim/report", "sim/coverage", "sim/internal/show"},

	"internal/explore/corpus":     {"irp"},
	"internal/trial":              {"internal/ke"},
	"sim/internal/conform/irpvec": {"irp"},
	"sim/internal/conform/kevec":  {"irp"},
	"sim/internal/conform/wskvec": {"internal/subsystems", "wsk"},
	"sim/trace/pcapng":            {"sim/trace"},
	"sim/report/sarif":            {"sim/report"},
	"sim/ddivet":                  {"internal/ddi"},
	"sim/simtest":                 {"sim"},
	"sim/rulepage":                {"sim"},
	"docs/rules":                  {},
	"sim/cmd/*": {"sim", "sim/simtest", "sim/ddivet", "sim/trace/pcapng", "sim/report/sarif",
		"sim/internal/conform/irpvec", "sim/internal/conform/kevec", "sim/internal/conform/wskvec",
		"docs/examples/*/scenario", "docs/rules",
		"sim/rulepage", "sim/cmd/ksim/*"},

	"sim/cmd/ksim/*": {"internal/ddi", "internal/verify"},

	"sim/cmd/ksim/template/*": {"ntstatus", "irql", "irp", "wsk", "wsk/ws2def", "fwps", "fwps/fwpm",
		"fwps/ndis"},
	"docs/examples/*": {"ntstatus", "irql", "irp", "wsk", "wsk/ws2def", "fwps", "fwps/fwpm",
		"fwps/ndis"},
	"docs/examples/*/scenario": {"sim", "docs/examples/*"},
	"internal/lint":            {"internal/ddi"},
}

// onlyDirect are packages that may import what the graph lists and nothing below that: an example driver, and
// what ksim new makes drivers of, see what a driver sees.
var onlyDirect = []string{"docs/examples/*", "sim/cmd/ksim/template/*"}

// libraries are the packages outside the standard library and who may import them, tests aside.
var libraries = map[string][]string{
	"github.com/spf13/cobra":                     {"sim/cmd/*"},
	"github.com/spf13/pflag":                     {"sim/cmd/*"},
	"github.com/schollz/progressbar/v3":          {"sim/cmd/*"},
	"golang.org/x/tools/go":                      {"sim/ddivet", "sim/cmd/*"},
	"golang.org/x/term":                          {"sim/cmd/*"},
	"github.com/gopacket/gopacket":               {"sim/trace/pcapng"},
	"github.com/owenrumney/go-sarif/v3":          {"sim/report/sarif"},
	"github.com/rogpeppe/go-internal/txtar":      {"sim/simtest"},
	"github.com/cockroachdb/datadriven":          {"sim/simtest"},
	"golang.org/x/tools/txtar":                   {"sim/simtest"},
	"github.com/rogpeppe/go-internal/testscript": {},
}

// testLibraries are what tests may import besides (ux.md 8).
var testLibraries = []string{"github.com/stretchr/testify", "github.com/google/go-cmp", "pgregory.net/rapid",
	"github.com/owenrumney/go-sarif", "github.com/xeipuuv/gojsonschema", "go.yaml.in/yaml",
	"github.com/cockroachdb/datadriven", "github.com/rogpeppe/go-internal", "golang.org/x/tools",
	"go.uber.org/goleak", "github.com/anishathalye/porcupine"}

// driverStandard is the part of the standard library that computes and does nothing else.
var driverStandard = []string{"bytes", "cmp", "encoding/binary", "encoding/hex", "errors", "fmt",
	"hash/crc32",
	"iter", "maps", "math", "math/bits", "net/netip", "slices", "sort", "strconv", "strings", "unicode",
	"unicode/utf16", "unicode/utf8"}

// node gives the name under which a directory stands in the graph.
func node(dir string) (string, bool) {
	if _, ok := graph[dir]; ok {
		return dir, true
	}
	for name := range graph {
		if matches(name, dir) {
			return name, true
		}
	}
	return "", false
}

// matches compares a name of the graph with a directory, part by part.
func matches(name, dir string) bool {
	a, b := strings.Split(name, "/"), strings.Split(dir, "/")
	return len(a) == len(b) && slices.EqualFunc(a, b, func(x, y string) bool { return x == "*" || x == y })
}

// below gives every name of the graph that a package of this name may import.
func below(name string) map[string]bool {
	all := map[string]bool{}
	var add func(string)
	add = func(n string) {
		for _, lower := range graph[n] {
			if !all[lower] {
				all[lower] = true
				if !slices.Contains(onlyDirect, name) {
					add(lower)
				}
			}
		}
	}
	add(name)
	if !slices.Contains(onlyDirect, name) && name != "internal/ddi" {
		all["internal/ddi"] = true // the table is everybody's
	}
	return all
}

// checkImports compares the imports of packages with the graph and the lists.
func checkImports(tr *tree) []problem {
	var problems []problem
	unknown := map[string]bool{}
	for s := range tr.golang(inPackage) {
		name, ok := node(s.dir())
		if !ok {
			if !unknown[s.dir()] {
				unknown[s.dir()] = true
				problems = append(problems, problem{s.dir(), "is not in the graph; give it a place there"})
			}
			continue
		}
		for imported, pos := range importsOf(s) {
			if why := badImport(name, s.dir(), imported); why != "" {
				problems = append(problems, tr.at(pos, "%s imports %s: %s", s.dir(), imported, why))
			}
		}
	}
	return problems
}

// badImport says why a package, known in the graph as name, may not import a path; "" when it may.
func badImport(name, dir, imported string) string {
	if lower, ok := ours(imported); ok {
		target, known := node(lower)
		switch {
		case !known:
			return "which is not in the graph"
		case !below(name)[target]:
			return "the graph has no path downwards to it"
		case name == "docs/examples/*/scenario" && target == "docs/examples/*" && lower+"/scenario" != dir:
			return "a scenario belongs to one driver"
		}
		return ""
	}
	first, _, _ := strings.Cut(imported, "/")
	if !strings.Contains(first, ".") {
		if slices.Contains(onlyDirect, name) && !slices.Contains(driverStandard, imported) {
			return "a driver has only the packages that compute and do nothing else"
		}
		return ""
	}
	for library, users := range libraries {
		if within(imported, library) && slices.Contains(users, name) {
			return ""
		}
	}
	return "only the standard library here"
}

// within reports whether an import path is a package or lies in its directory.
func within(imported, library string) bool {
	return imported == library || strings.HasPrefix(imported, library+"/")
}

// checkTestImports judges the imports of tests, which may go in any direction but not to any library. That
// wsk and fwps do not meet holds for tests too.
func checkTestImports(tr *tree) []problem {
	var problems []problem
	for s := range tr.golang((*source).isTest) {
		for imported, pos := range importsOf(s) {
			lower, isOurs := ours(imported)
			first, _, _ := strings.Cut(imported, "/")
			name, _ := node(s.dir())
			switch {
			case isOurs && apart(s.dir(), lower):
				problems = append(problems, tr.at(pos, "a test of %s imports %s; test the two together in "+
					"sim",
					s.dir(), lower))
			case isOurs || !strings.Contains(first, "."):
			case slices.ContainsFunc(testLibraries, func(l string) bool { return within(imported, l) }):
			case badImport(name, s.dir(), imported) != "":
				problems = append(problems, tr.at(pos, "%s is not on the list of libraries for tests",
					imported))
			}
		}
	}
	return problems
}

// apart reports whether one of two packages is wsk's and the other fwps's. Addresses (wsk/ws2def) are common.
func apart(a, b string) bool {
	side := func(dir string) int {
		switch {
		case dir == "wsk":
			return 1
		case dir == "fwps" || strings.HasPrefix(dir, "fwps/"):
			return 2
		}
		return 0
	}
	return side(a)+side(b) == 3 && side(a) != 0 && side(b) != 0
}

// checkDots finds imports that drop the package's name.
func checkDots(tr *tree) []problem {
	var problems []problem
	for s := range tr.golang(anyFile) {
		for _, i := range s.AST.Imports {
			if i.Name != nil && i.Name.Name == "." {
				problems = append(problems, tr.at(i.Pos(), "dot import"))
			}
		}
	}
	return problems
}

// checkStandardOnly follows the imports of the core to the end.
func checkStandardOnly(all map[string]*listed) []problem {
	var problems []problem
	for name, p := range all {
		dir, isOurs := ours(name)
		graphName, _ := node(dir)
		if !isOurs || slices.ContainsFunc(outer, func(o string) bool { return o == graphName }) {
			continue
		}
		for _, dep := range p.Deps {
			_, oursToo := ours(dep)
			if d := all[dep]; !oursToo && d != nil && !d.Standard {
				problems = append(problems, problem{name, "depends on " + dep})
			}
		}
	}
	return problems
}

// outer are the packages of the graph that may link a library.
var outer = []string{"sim/cmd/*", "sim/cmd/ksim/*", "sim/simtest", "sim/ddivet", "sim/trace/pcapng",
	"sim/report/sarif"}

const graphRule = "Imports go downwards (style.md 2; the graph is in imports_test.go). Mechanism, " +
	"vocabulary and harness stay apart: nothing below irp knows an IRP, wsk and fwps meet only in " +
	"internal/tcpip, nothing below sim knows sim, a driver imports the DDI packages only. Move the code " +
	"down, or let the lower package offer a hook."

func TestImports(t *testing.T) {
	expectNone(t, graphRule, checkImports(thisModule(t)))
}

func TestImportsOfTests(t *testing.T) {
	expectNone(t, "Tests import in any direction but wsk <-> fwps, and of libraries only the short list "+
		"of ux.md 8.",
		checkTestImports(thisModule(t)))
}

func TestNoDotImports(t *testing.T) {
	expectNone(t, "Imports are qualified: the package says which header a name comes from.",
		checkDots(thisModule(t)))
}

func TestCoreIsStandardLibraryOnly(t *testing.T) {
	expectNone(t, "The core links the standard library and nothing else, indirectly too; libraries belong "+
		"to the commands and to the leaf packages that need one each.", checkStandardOnly(allPackages(t)))
}

func TestImports_BadExamples(t *testing.T) {
	tr := newTree(map[string]string{
		"irql/a.go":                             `package irql; import ("fmt"; "calloutsim/internal/ke"; "calloutsim/irp")`,
		"wsk/a.go":                              `package wsk; import ("calloutsim/irp"; "calloutsim/fwps")`,
		"fwps/a.go":                             `package fwps; import ("calloutsim/wsk/ws2def"; "github.com/spf13/cobra")`,
		"sim/cmd/ksim/a.go":                     `package main; import ("github.com/spf13/cobra"; "calloutsim/docs/examples/x/scenario")`,
		"docs/examples/x/a.go":                  `package x; import ("calloutsim/irp"; "calloutsim/sim"; "calloutsim/internal/ke"; "time")`,
		"docs/examples/x/scenario/a.go":         `package scenario; import ("calloutsim/sim"; "calloutsim/docs/examples/y")`,
		"sim/internal/conform/irpvec/a.go":      `package irpvec; import "calloutsim/wsk"`,
		"internal/novel/a.go":                   `package novel`,
		"irp/gen.go":                            "//go:build ignore\n\npackage main\nimport \"calloutsim/sim\"",
		"irp/a_test.go":                         `package irp; import ("calloutsim/sim"; "example.com/mock")`,
		"wsk/a_test.go":                         `package wsk; import . "calloutsim/fwps/fwpm"`,
		"sim/internal/conform/irpvec/a_test.go": `package irpvec; import "github.com/stretchr/testify/assert"`,
	})
	expectSome(t, checkImports(tr), "irql imports calloutsim/irp", "wsk imports calloutsim/fwps",
		"fwps imports github.com/spf13/cobra", "imports calloutsim/sim", "imports calloutsim/internal/ke",
		"imports time", "imports calloutsim/docs/examples/y: a scenario", "irpvec imports calloutsim/wsk",
		"internal/novel: is not in the graph")
	expectSome(t, checkTestImports(tr), "irp/a_test.go:1: example.com/mock", "wsk/a_test.go:1: a test of wsk")
	expectSome(t, checkDots(tr), "wsk/a_test.go:1: dot import")
	expectSome(t, checkStandardOnly(map[string]*listed{
		"calloutsim/irp":       {Deps: []string{"fmt", "calloutsim/irql", "example.com/lib"}},
		"calloutsim/irql":      {Deps: []string{"fmt"}},
		"calloutsim/sim/cmd/k": {Deps: []string{"example.com/lib"}},
		"fmt":                  {Standard: true},
		"example.com/lib":      {},
	}), "calloutsim/irp: depends on example.com/lib")
}

func TestGraph_HasNoCycleAndNoLooseEnd(t *testing.T) {
	for name, lowers := range graph {
		if below(name)[name] {
			t.Errorf("%s is below itself", name)
		}
		for _, lower := range lowers {
			if _, ok := graph[lower]; !ok {
				t.Errorf("%s stands on %s, which is not in the graph", name, lower)
			}
		}
	}
}
