package lint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// listed is what go list says about one package, ours or not.
type listed struct {
	ImportPath string
	Standard   bool
	Export     string // file with the compiled interface
	Deps       []string
	Module     *struct{ Path string }
	Error      *struct{ Err string }
	DepsErrors []struct{ Err string }
}

// goTool runs the go command in the module's root.
func goTool(args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = "../.."
	var out, diagnostics bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, &diagnostics)
	}
	return out.Bytes(), nil
}

// readList compiles everything once and gives every package it took, by import path. A package that does not
// compile has an Error.
var readList = sync.OnceValues(func() (map[string]*listed, error) {
	out, err := goTool("list", "-e", "-export", "-deps",
		"-json=ImportPath,Standard,Export,Deps,Module,Error,DepsErrors", "./...")
	if err != nil {
		return nil, err
	}
	all := map[string]*listed{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(listed)
		if err := d.Decode(p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all[p.ImportPath] = p
	}
})

// allPackages gives readList's map.
func allPackages(t *testing.T) map[string]*listed {
	t.Helper()
	all, err := readList()
	if err != nil {
		t.Fatalf("the packages cannot be listed: %v", err)
	}
	return all
}

// ours gives the directory of a package of this module.
func ours(importPath string) (dir string, ok bool) {
	return strings.CutPrefix(importPath, module+"/")
}

// TestPackagesCompile says in one place which packages do not compile. The other checks work with what they
// can read of such a package.
func TestPackagesCompile(t *testing.T) {
	var problems []problem
	for name, p := range allPackages(t) {
		if _, is := ours(name); is && p.Error != nil {
			problems = append(problems, problem{name, "\n\t\t" +
				strings.ReplaceAll(strings.TrimSpace(p.Error.Err), "\n", "\n\t\t")})
		}
	}
	for s := range thisModule(t).golang(anyFile) {
		if s.Err != nil {
			problems = append(problems, problem{s.Path, s.Err.Error()})
		}
	}
	expectNone(t, "Every package compiles. While one does not, the checks that need types judge it only "+
		"in part.",
		problems)
}

// typed is one package with types. What does not compile has holes in Info.
type typed struct {
	dir   string
	pkg   *types.Package
	info  *types.Info
	files []*source
	errs  []error
}

// typedPackages checks the types of every package of the tree, in the order of the imports.
func (tr *tree) typedPackages() []*typed {
	var all []*typed
	seen := map[string]bool{}
	for s := range tr.golang(inPackage) {
		if !seen[s.dir()] {
			seen[s.dir()] = true
			all = append(all, tr.typesOf(s.dir()))
		}
	}
	return all
}

// typesOf checks one package and, first, what it imports of the tree.
func (tr *tree) typesOf(dir string) *typed {
	if p := tr.types[dir]; p != nil {
		return p
	}
	p := &typed{dir: dir, pkg: types.NewPackage(module+"/"+dir, "broken"), info: &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{},
		Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}}}
	tr.types[dir] = p // before the imports: a cycle then ends here
	var files []*ast.File
	for s := range tr.golang(inPackage) {
		if s.dir() == dir && s.built() {
			p.files = append(p.files, s)
			files = append(files, s.AST)
		}
	}
	config := types.Config{Importer: moduleImporter{tr}, FakeImportC: true,
		Error: func(err error) { p.errs = append(p.errs, err) }}
	if pkg, _ := config.Check(module+"/"+dir, tr.fset, files, p.info); pkg != nil {
		p.pkg = pkg
	}
	return p
}

// moduleImporter finds packages of the tree in the tree and all others in what the compiler wrote.
type moduleImporter struct{ tr *tree }

func (m moduleImporter) Import(importPath string) (*types.Package, error) {
	if dir, ok := ours(importPath); ok {
		return m.tr.typesOf(dir).pkg, nil
	}
	return compiled().Import(importPath)
}

// compiled imports compiled packages. One importer serves all trees, so that a standard type is the same
// everywhere.
var compiled = sync.OnceValue(func() types.Importer {
	return importer.ForCompiler(token.NewFileSet(), "gc", func(importPath string) (io.ReadCloser, error) {
		all, err := readList()
		if err != nil {
			return nil, err
		}
		if p := all[importPath]; p != nil && p.Export != "" {
			return os.Open(p.Export)
		}
		return nil, fmt.Errorf("%s is not compiled", importPath)
	})
})

// importsOf gives the import paths of a file with the place of each.
func importsOf(s *source) map[string]token.Pos {
	paths := map[string]token.Pos{}
	for _, i := range s.AST.Imports {
		if p, err := strconv.Unquote(i.Path.Value); err == nil {
			paths[p] = i.Pos()
		}
	}
	return paths
}
