package ddigen

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// Names reads the packages below root and gives a table of everything else that has a name of Windows:
// constants with their values as they are written, structures and their members.
func Names(root string) ([]byte, error) {
	var out bytes.Buffer
	for _, pkg := range append(Packages[:len(Packages):len(Packages)], "wsk/ws2def") {
		dir := filepath.Join(root, filepath.FromSlash(pkg))
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		fset := token.NewFileSet()
		for _, e := range entries {
			if !source(e) {
				continue
			}
			f, err := parser.ParseFile(fset, filepath.Join(dir, e.Name()), nil,
				parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			for _, d := range f.Decls {
				for _, i := range named(fset, d) {
					fmt.Fprintf(&out, "%s\t%s\t%s\t%s\t%s\n", i.Name, pkg, i.Kind, i.Decl,
						strings.ReplaceAll(i.Doc, "\n", `\n`))
				}
			}
		}
	}
	return out.Bytes(), nil
}

// named gives the names that a declaration makes.
func named(fset *token.FileSet, d ast.Decl) (items []Item) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil || !d.Name.IsExported() || len(d.Recv.List) != 1 {
			return nil
		}
		of := strings.TrimPrefix(printed(fset, d.Recv.List[0].Type), "*")
		if ast.IsExported(of) && d.Type.Results != nil { // C has a field there
			items = append(items, Item{Name: of + "." + d.Name.Name, Kind: "member",
				Decl: signature(fset, d.Name.Name, d.Type), Doc: text(d.Doc)})
		}
	case *ast.GenDecl:
		var last ast.Expr
		for n, s := range d.Specs {
			switch s := s.(type) {
			case *ast.ValueSpec:
				if d.Tok == token.CONST || strings.Contains(s.Names[0].Name, "_") { // GUIDs are variables
					items = append(items, constants(fset, d, s, n, &last)...)
				}
			case *ast.TypeSpec:
				items = append(items, structure(fset, d, s)...)
			}
		}
	}
	return items
}

// constants gives those of one line, number n of its declaration; last is the expression that is repeated.
func constants(fset *token.FileSet, d *ast.GenDecl, s *ast.ValueSpec, n int, last *ast.Expr) (items []Item) {
	for i, name := range s.Names {
		if i < len(s.Values) {
			*last = s.Values[i]
		}
		if !name.IsExported() {
			continue
		}
		value := ""
		if *last != nil {
			value = strings.ReplaceAll(printed(fset, *last), "iota", fmt.Sprint(n))
		}
		doc := text(s.Doc)
		if doc == "" {
			doc = text(s.Comment)
		}
		if doc == "" {
			doc = text(d.Doc)
		}
		items = append(items, Item{Name: name.Name, Kind: "constant", Decl: value, Doc: doc})
	}
	return items
}

// structure gives a type and its members.
func structure(fset *token.FileSet, d *ast.GenDecl, t *ast.TypeSpec) (items []Item) {
	doc := text(t.Doc)
	if doc == "" {
		doc = text(d.Doc)
	}
	st, ok := t.Type.(*ast.StructType)
	if !ok || !t.Name.IsExported() {
		return nil
	}
	items = append(items, Item{Name: t.Name.Name, Kind: "structure", Doc: doc})
	for _, f := range st.Fields.List {
		about := text(f.Doc)
		if about == "" {
			about = text(f.Comment)
		}
		for _, n := range f.Names {
			if n.IsExported() {
				items = append(items, Item{Name: t.Name.Name + "." + n.Name, Kind: "member",
					Decl: n.Name + " " + printed(fset, f.Type), Doc: about})
			}
		}
	}
	return items
}

// printed is an expression on one line.
func printed(fset *token.FileSet, e ast.Expr) string {
	var b bytes.Buffer
	if printer.Fprint(&b, fset, e) != nil {
		return ""
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
