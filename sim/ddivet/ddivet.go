// Package ddivet looks at drivers without running them: go/analysis analyzers for what makes a run of the
// simulator impossible to repeat, and for those rules of Driver Verifier and CodeQL that a look at one
// function decides. `ksim vet` runs them, and so does `go vet -vettool` with ksim as the tool.
//
// Modelled: what follows inside one function, and through the helpers of its package where they are called by
// name. An analyzer reports what happens on every path to the place, so what it says is so; what depends on
// values it leaves to the run. Not modelled: aliases, and anything that is reached through a variable of
// function type.
//
// A driver is what imports the routines of irql, irp, wsk or fwps and not the harness. In other packages, and
// in tests, the functions that take a K are looked at, and nothing else. A comment
//
//	//ddivet:ignore NAME: WHY
//
// behind a line, or on the line above it, keeps what the analyzer NAME says of that line back.
package ddivet

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/types/typeutil"
)

// Analyzers gives all of them, in the order of their names.
func Analyzers() []*analysis.Analyzer {
	return []*analysis.Analyzer{afterComplete, inlineReauth, irpPending, irqlMax, kEscape, lentEscape,
		ntSuccess, pendBlock, pureDriver, redirHandle, skipCompletion}
}

// unit is one package in the eyes of the analyzers.
type unit struct {
	*analysis.Pass
	root    string      // import path of the simulator's module
	drivers []*ast.File // files that are a driver's as a whole
	funcs   []*function // those that take a K, and all of the driver files
	named   map[*types.Func]*function
}

// function is one function of a driver: a declaration or a literal.
type function struct {
	node ast.Node // *ast.FuncDecl or *ast.FuncLit
	sig  *types.Signature
	body *ast.BlockStmt
}

// look finds the driver in a package; nil if there is none, or if the package is one of the simulator's own.
func look(pass *analysis.Pass) *unit {
	u := &unit{Pass: excused(pass), named: map[*types.Func]*function{}}
	harness := false
	for _, f := range pass.Files {
		for _, path := range imports(f) {
			root, isInternal := strings.CutSuffix(path, "/internal/ke")
			switch {
			case isInternal && within(pass.Pkg.Path(), root):
				return nil
			case strings.HasSuffix(path, "/sim") && !u.isTest(f):
				harness = true
			}
		}
	}
	u.root = rootOf(pass.Pkg)
	if u.root == "" {
		return nil
	}
	for _, f := range pass.Files {
		if !harness && !u.isTest(f) && !ast.IsGenerated(f) {
			u.drivers = append(u.drivers, f)
		}
		u.collect(f, !harness && !u.isTest(f))
	}
	return u
}

// ignore begins the comment that keeps a finding back.
const ignore = "//ddivet:ignore "

// excused is a pass that does not report what a comment keeps back.
func excused(pass *analysis.Pass) *analysis.Pass {
	type line struct {
		file string
		n    int
	}
	kept := map[line]bool{}
	for _, f := range pass.Files {
		for _, g := range f.Comments {
			for _, c := range g.List {
				what, isIgnore := strings.CutPrefix(c.Text, ignore)
				name, why, _ := strings.Cut(what, ":")
				if isIgnore && name == pass.Analyzer.Name && strings.TrimSpace(why) != "" {
					at := pass.Fset.Position(c.Pos())
					kept[line{at.Filename, at.Line}], kept[line{at.Filename, at.Line + 1}] = true, true
				}
			}
		}
	}
	p := *pass
	p.Report = func(d analysis.Diagnostic) {
		if at := pass.Fset.Position(d.Pos); !kept[line{at.Filename, at.Line}] {
			pass.Report(d)
		}
	}
	return &p
}

// rootOf gives the module of the simulator that a package uses, "" if it uses none.
func rootOf(p *types.Package) string {
	for _, i := range p.Imports() {
		for _, name := range []string{"/irql", "/irp", "/wsk", "/fwps", "/fwps/fwpm"} {
			root, ok := strings.CutSuffix(i.Path(), name)
			if ok && (i.Scope().Lookup("K") != nil || usesKe(i, root)) {
				return root
			}
		}
	}
	return ""
}

func usesKe(p *types.Package, root string) bool {
	for _, i := range p.Imports() {
		if i.Path() == root+"/irql" || i.Path() == root+"/internal/ke" {
			return true
		}
	}
	return len(p.Imports()) == 0 // from export data, which need not list them
}

func within(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

func imports(f *ast.File) []string {
	var all []string
	for _, i := range f.Imports {
		all = append(all, strings.Trim(i.Path.Value, `"`))
	}
	return all
}

func (u *unit) isTest(f *ast.File) bool {
	return strings.HasSuffix(u.Fset.Position(f.Package).Filename, "_test.go")
}

// collect lists the functions of a file: all of a driver's, elsewhere those that take a K.
func (u *unit) collect(f *ast.File, all bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		var fn *function
		switch n := n.(type) {
		case *ast.FuncDecl:
			obj, _ := u.TypesInfo.Defs[n.Name].(*types.Func)
			if obj == nil || n.Body == nil {
				return true
			}
			fn = &function{n, obj.Signature(), n.Body}
			u.named[obj] = fn
		case *ast.FuncLit:
			sig, _ := u.TypesInfo.TypeOf(n).(*types.Signature)
			if sig == nil {
				return true
			}
			fn = &function{n, sig, n.Body}
		default:
			return true
		}
		if all || takesK(fn.sig) {
			u.funcs = append(u.funcs, fn)
		}
		return true
	})
}

// isK reports whether a type is *irql.K.
func isK(t types.Type) bool { return isPointerTo(t, "/internal/ke", "K") }

// isIRP reports whether a type is *irp.IRP.
func isIRP(t types.Type) bool { return isPointerTo(t, "/irp", "IRP") }

// isPointerTo reports whether a type is a pointer to a named type of one of the simulator's packages.
func isPointerTo(t types.Type, pkg, name string) bool {
	if t == nil {
		return false
	}
	p, ok := types.Unalias(t).(*types.Pointer)
	return ok && isNamed(p.Elem(), pkg, name)
}

func isNamed(t types.Type, pkg, name string) bool {
	n, ok := types.Unalias(t).(*types.Named)
	return ok && n.Obj().Name() == name && n.Obj().Pkg() != nil &&
		strings.HasSuffix(n.Obj().Pkg().Path(), pkg)
}

// takesK reports whether a function has a parameter of type *irql.K.
func takesK(sig *types.Signature) bool { return parameter(sig, isK) != nil }

// parameter gives the first parameter of a kind.
func parameter(sig *types.Signature, kind func(types.Type) bool) *types.Var {
	for v := range sig.Params().Variables() {
		if kind(v.Type()) {
			return v
		}
	}
	return nil
}

// routine gives the name of the routine of Windows that a call goes to, "" if it goes elsewhere.
func (u *unit) routine(call *ast.CallExpr) string {
	fn := typeutil.StaticCallee(u.TypesInfo, call)
	if fn == nil || fn.Pkg() == nil || fn.Signature().Recv() != nil || !u.isDDI(fn.Pkg().Path()) {
		return ""
	}
	return fn.Name()
}

// isDDI reports whether an import path is one of the packages with routines of Windows.
func (u *unit) isDDI(path string) bool {
	switch strings.TrimPrefix(path, u.root) {
	case "/irql", "/irp", "/wsk", "/fwps", "/fwps/fwpm", "/ntstatus":
		return within(path, u.root)
	}
	return false
}

// helper gives the function of this package that a call goes to by name, nil if it goes elsewhere.
func (u *unit) helper(call *ast.CallExpr) *function {
	return u.named[typeutil.StaticCallee(u.TypesInfo, call)]
}

// variable gives the variable an expression is, nil if it is more than a name.
func (u *unit) variable(e ast.Expr) *types.Var {
	id, ok := ast.Unparen(e).(*ast.Ident)
	if !ok {
		return nil
	}
	v, _ := u.TypesInfo.ObjectOf(id).(*types.Var)
	return v
}

// irpOf gives the IRP a call is given, if it is a plain variable.
func (u *unit) irpOf(call *ast.CallExpr) *types.Var {
	for _, a := range call.Args {
		if v := u.variable(a); v != nil && isIRP(v.Type()) {
			return v
		}
	}
	return nil
}

// constantOf gives the value of a constant expression.
func (u *unit) constantOf(e ast.Expr) (uint64, bool) {
	v := u.TypesInfo.Types[e].Value
	if v == nil {
		return 0, false
	}
	return constant.Uint64Val(constant.ToInt(v))
}

// status gives the value of a constant NTSTATUS.
func (u *unit) status(e ast.Expr) (uint64, bool) {
	if !isNamed(u.TypesInfo.TypeOf(e), "/ntstatus", "NTSTATUS") {
		return 0, false
	}
	return u.constantOf(e)
}

const statusPending = 0x103

// mentions reports whether a name that counts, of a package of the simulator, is used below a node.
func (u *unit) mentions(n ast.Node, name string) bool {
	found := false
	ast.Inspect(n, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && id.Name == name {
			obj := u.TypesInfo.ObjectOf(id)
			found = found || obj != nil && obj.Pkg() != nil && within(obj.Pkg().Path(), u.root)
		}
		return !found
	})
	return found
}

// line is where something is, for the text of a finding about something else.
func (u *unit) line(pos token.Pos) int { return u.Fset.Position(pos).Line }
