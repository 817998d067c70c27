package lint

import (
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// module is the import path of the module under test.
const module = "calloutsim"

// source is one text file of the tree.
type source struct {
	Path string // from the root, with slashes
	Text string
	AST  *ast.File // nil unless the file is Go
	Err  error     // why it does not parse; AST is then what could be read
}

// dir gives the directory, which for Go files is the import path without the module.
func (s *source) dir() string { return path.Dir(s.Path) }

func (s *source) isTest() bool { return strings.HasSuffix(s.Path, "_test.go") }

// generated reports whether a program wrote the file.
func (s *source) generated() bool { return s.AST != nil && ast.IsGenerated(s.AST) }

// generator reports whether the file is kept out of its package: a program for go generate.
func (s *source) generator() bool { return s.AST != nil && s.buildLine() == "//go:build ignore" }

// buildLine gives the //go:build comment, or "".
func (s *source) buildLine() string {
	for _, group := range s.AST.Comments {
		for _, c := range group.List {
			if c.Pos() < s.AST.Package && constraint.IsGoBuild(c.Text) {
				return c.Text
			}
		}
	}
	return ""
}

// otherBuilds are the tags that a plain build on linux/amd64 does not set.
var otherBuilds = []string{"ignore", "race", "windows", "darwin", "js", "wasm", "rulepages"}

// built reports whether a plain build compiles the file.
func (s *source) built() bool {
	expr, err := constraint.Parse(s.buildLine())
	return err != nil || expr.Eval(func(tag string) bool { return !slices.Contains(otherBuilds, tag) })
}

// tree is a set of files to check: this module, or an example made of strings.
type tree struct {
	fset  *token.FileSet
	files []*source
	top   []string // names in the root directory

	types map[string]*typed
}

// newTree parses files given as path and text.
func newTree(files map[string]string) *tree {
	tr := &tree{fset: token.NewFileSet(), types: map[string]*typed{}}
	for name, text := range files {
		s := &source{Path: name, Text: text}
		if strings.HasSuffix(name, ".go") {
			s.AST, s.Err = parser.ParseFile(tr.fset, name, text,
				parser.ParseComments|parser.SkipObjectResolution)
		}
		tr.files = append(tr.files, s)
		first, _, _ := strings.Cut(name, "/")
		if !slices.Contains(tr.top, first) {
			tr.top = append(tr.top, first)
		}
	}
	slices.SortFunc(tr.files, func(a, b *source) int { return strings.Compare(a.Path, b.Path) })
	return tr
}

// texts are the ends of the names of files the checks look at, testTexts those below testdata; the rest is
// data.
var (
	texts     = []string{".go", ".md", ".sh", ".ci/run", "go.mod"}
	testTexts = []string{".md", ".txt", ".txtar", ".golden"}
)

// readTree reads the module.
var readTree = sync.OnceValues(func() (*tree, error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == ".git" {
				return fs.SkipDir
			}
			return nil
		}
		ends := texts
		if strings.Contains(filepath.ToSlash(rel), "testdata/") {
			ends = testTexts
		}
		if !slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(name, end) }) {
			return nil
		}
		text, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			return nil // removed since the directory was read
		}
		files[filepath.ToSlash(rel)] = string(text)
		return err
	})
	if err != nil {
		return nil, err
	}
	tr := newTree(files)
	entries, err := os.ReadDir(root)
	tr.top = nil
	for _, e := range entries {
		tr.top = append(tr.top, e.Name())
	}
	return tr, err
})

// thisModule gives the tree of the module.
func thisModule(t *testing.T) *tree {
	t.Helper()
	tr, err := readTree()
	if err != nil {
		t.Fatalf("the tree cannot be read: %v", err)
	}
	return tr
}

// golang yields the Go files for which keep holds.
func (tr *tree) golang(keep func(*source) bool) func(yield func(*source) bool) {
	return func(yield func(*source) bool) {
		for _, s := range tr.files {
			if s.AST != nil && keep(s) && !yield(s) {
				return
			}
		}
	}
}

// inPackage keeps what is compiled into packages: neither tests nor generators.
func inPackage(s *source) bool { return !s.isTest() && !s.generator() }

// anyFile keeps every file.
func anyFile(*source) bool { return true }

// belowSim reports whether a directory belongs to the layers below sim, where everything is deterministic.
func belowSim(dir string) bool {
	first, rest, _ := strings.Cut(dir, "/")
	switch first {
	case "ntstatus", "irql", "irp", "wsk", "fwps":
		return true
	case "internal":
		return rest != "lint"
	}
	return false
}

// driver reports whether a directory holds an example driver.
func driver(dir string) bool {
	rest, ok := strings.CutPrefix(dir, "docs/examples/")
	return ok && !strings.Contains(rest, "/")
}

// ddiPackages are the packages whose names come from the WDK.
var ddiPackages = []string{"ntstatus", "irql", "irp", "wsk", "wsk/ws2def", "fwps", "fwps/fwpm", "fwps/ndis"}

func isDDIPackage(dir string) bool { return slices.Contains(ddiPackages, dir) }

// problem is one place where the code breaks a rule of the house.
type problem struct {
	where string // file:line, or the thing that is wrong as a whole
	what  string
}

// at makes a problem at a place in a Go file.
func (tr *tree) at(pos token.Pos, format string, args ...any) problem {
	p := tr.fset.Position(pos)
	return problem{fmt.Sprintf("%s:%d", p.Filename, p.Line), fmt.Sprintf(format, args...)}
}

// expectNone fails the test with the rule and every problem. The rule says what to do instead, and why.
func expectNone(t *testing.T, rule string, problems []problem) {
	t.Helper()
	if len(problems) == 0 {
		return
	}
	slices.SortStableFunc(problems, func(a, b problem) int {
		return strings.Compare(placeKey(a.where), placeKey(b.where))
	})
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintf(&b, "\t%s: %s\n", p.where, p.what)
	}
	t.Errorf("%s\n\n%d to repair:\n%s", wrap(rule), len(problems), &b)
}

// wrap breaks a text into lines for a terminal.
func wrap(text string) string {
	var b strings.Builder
	width := 0
	for _, word := range strings.Fields(text) {
		switch {
		case width == 0:
		case width+len(word) < 100:
			b.WriteByte(' ')
			width++
		default:
			b.WriteByte('\n')
			width = 0
		}
		b.WriteString(word)
		width += len(word)
	}
	return b.String()
}

// placeKey pads the line number, so that places sort as people count.
func placeKey(where string) string {
	file, line, ok := strings.Cut(where, ":")
	if !ok {
		return where
	}
	return fmt.Sprintf("%s:%8s", file, line)
}

// expectSome is for the bad examples: it demands exactly these problems, each recognised by a part of its
// text.
func expectSome(t *testing.T, got []problem, want ...string) {
	t.Helper()
	left := slices.Clone(got)
	for _, w := range want {
		i := slices.IndexFunc(left, func(p problem) bool { return strings.Contains(p.where+": "+p.what, w) })
		if i < 0 {
			t.Errorf("the bad example does not give a problem with %q; problems are %v", w, got)
			continue
		}
		left = slices.Delete(left, i, i+1)
	}
	if len(left) > 0 {
		t.Errorf("the example gives problems that were not expected: %v", left)
	}
}

// allowed is an allow-list: what is excused, and why.
type allowed map[string]string

// excuse removes the problems whose key is in the list, and adds one for every entry that excused nothing.
func (a allowed) excuse(problems []problem, key func(problem) string) []problem {
	used := map[string]bool{}
	kept := slices.DeleteFunc(slices.Clone(problems), func(p problem) bool {
		k := key(p)
		_, ok := a[k]
		if ok {
			used[k] = true
		}
		return ok
	})
	for k, reason := range a {
		if !used[k] {
			kept = append(kept, problem{k, "stands in the allow-list (" + reason +
				") and needs no excuse any more"})
		}
	}
	return kept
}

// fileOf is the key of lists that excuse whole files.
func fileOf(p problem) string {
	file, _, _ := strings.Cut(p.where, ":")
	return file
}

func TestAllowList_StaleEntryIsAProblem(t *testing.T) {
	list := allowed{"a.go": "because", "b.go": "because"}
	expectSome(t, list.excuse([]problem{{"a.go:3", "long"}, {"c.go:1", "long"}}, fileOf), "c.go", "b.go")
}
