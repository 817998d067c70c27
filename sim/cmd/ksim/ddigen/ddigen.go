// Package ddigen reads the source of the DDI packages and lists what they model: every exported routine and
// callback type whose name the table of driver interfaces has, and routines the table lacks that go by a
// prefix of Windows and take a K, each with its comment. The list that ksim carries
// is made by it, and a test makes it again and compares, so that the list is true by construction.
//
// Modelled: functions, function types, and members of dispatch tables (struct fields of a function type).
// Not modelled: structures and constants.
package ddigen

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"calloutsim/internal/ddi"
)

// Packages are the packages with driver interfaces, as folders below the root of the module.
var Packages = []string{"ntstatus", "irql", "irp", "wsk", "fwps", "fwps/fwpm", "fwps/ndis"}

// Item is one modelled interface.
type Item struct {
	Name    string // as Windows spells it
	Package string // folder
	Kind    string // routine or callback
	Decl    string // Go signature
	Doc     string // the comment
}

// Generate reads the packages below root and gives the list as a table, ordered by package and name.
func Generate(root string) ([]byte, error) {
	var all []Item
	for _, pkg := range Packages {
		items, err := read(root, pkg)
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
	}
	slices.SortStableFunc(all, func(a, b Item) int {
		pa, pb := slices.Index(Packages, a.Package), slices.Index(Packages, b.Package)
		return cmp.Or(cmp.Compare(pa, pb), cmp.Compare(a.Name, b.Name))
	})
	var out bytes.Buffer
	for _, i := range all {
		doc := strings.ReplaceAll(i.Doc, "\n", `\n`)
		fmt.Fprintf(&out, "%s\t%s\t%s\t%s\t%s\n", i.Name, i.Package, i.Kind, i.Decl, doc)
	}
	return out.Bytes(), nil
}

// Parse reads what Generate wrote.
func Parse(table string) []Item {
	var all []Item
	for line := range strings.Lines(table) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) == 5 {
			all = append(all, Item{f[0], f[1], f[2], f[3], strings.ReplaceAll(f[4], `\n`, "\n")})
		}
	}
	return all
}

func read(root, pkg string) ([]Item, error) {
	dir := filepath.Join(root, filepath.FromSlash(pkg))
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, e := range entries {
		if !source(e) {
			continue
		}
		name := filepath.Join(dir, e.Name())
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	names := known()
	var items []Item
	for _, f := range files {
		for _, d := range f.Decls {
			items = append(items, declared(fset, d, names)...)
		}
	}
	for i := range items {
		items[i].Package = pkg
	}
	return items, nil
}

func source(e fs.DirEntry) bool {
	n := e.Name()
	return strings.HasSuffix(n, ".go") && !strings.HasSuffix(n, "_test.go") && n != "gen.go"
}

// known is the set of names in the table of driver interfaces.
func known() map[string]bool {
	names := map[string]bool{}
	for _, e := range ddi.All() {
		names[e.Name] = true
	}
	return names
}

// declared gives the interfaces a declaration makes.
func declared(fset *token.FileSet, d ast.Decl, names map[string]bool) []Item {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv != nil || !d.Name.IsExported() || !names[d.Name.Name] && !untabled(d) {
			return nil
		}
		name := d.Name.Name
		return []Item{{Name: name, Kind: "routine", Decl: signature(fset, name, d.Type), Doc: text(d.Doc)}}
	case *ast.GenDecl:
		var items []Item
		for _, s := range d.Specs {
			t, ok := s.(*ast.TypeSpec)
			if !ok || !t.Name.IsExported() {
				continue
			}
			switch ft := t.Type.(type) {
			case *ast.FuncType:
				if name := windowsName(t.Name.Name, names); name != "" {
					doc := text(t.Doc)
					if doc == "" { // one comment for a group of types
						doc = text(d.Doc)
					}
					decl := signature(fset, t.Name.Name, ft)
					items = append(items, Item{Name: name, Kind: "callback", Decl: decl, Doc: doc})
				}
			case *ast.StructType:
				items = append(items, members(fset, ft, names)...)
			}
		}
		return items
	}
	return nil
}

// prefixes of routines that the table of driver interfaces does not have, because their pages are elsewhere.
var prefixes = []string{"Fwpm", "Fwps", "Interlocked"}

// untabled reports whether a function is a routine of Windows by its name and its first parameter.
func untabled(d *ast.FuncDecl) bool {
	named := slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(d.Name.Name, p) })
	params := d.Type.Params.List
	return named && len(params) > 0 && len(params[0].Names) == 1 && params[0].Names[0].Name == "k"
}

// members gives the function-typed fields of a dispatch table whose names, or whose types' names, are in
// the table.
func members(fset *token.FileSet, st *ast.StructType, names map[string]bool) []Item {
	var items []Item
	for _, f := range st.Fields.List {
		ft, ok := f.Type.(*ast.FuncType)
		if !ok {
			continue
		}
		for _, n := range f.Names {
			if n.IsExported() && names[n.Name] {
				decl := signature(fset, n.Name, ft)
				items = append(items, Item{Name: n.Name, Kind: "routine", Decl: decl, Doc: text(f.Doc)})
			}
		}
	}
	return items
}

// windowsName finds the spelling of the table: that of the Go name, or the same in lower case as callback
// types of the filter engine have it.
func windowsName(name string, names map[string]bool) string {
	for _, n := range []string{name, strings.ToLower(name[:1]) + name[1:]} {
		if names[n] {
			return n
		}
	}
	return ""
}

func text(c *ast.CommentGroup) string { return strings.TrimSpace(c.Text()) }
