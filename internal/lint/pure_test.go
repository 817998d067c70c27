package lint

import (
	"go/ast"
	"path"
	"testing"
)

// pureFiles hold deciding code (network.md P5, 8): inputs in, decision out. A pattern may stand for the files
// of a package.
var pureFiles = []string{
	"internal/packet/*.go",
	"internal/tcp/*.go",
	"internal/wfp/*.go",
	"internal/tcpip/state.go",
	"internal/tcpip/ports.go",
	"internal/tcpip/errno.go",
}

// impure are the types through which code knows who calls, schedules or chooses.
var impure = map[string]map[string]bool{
	"internal/ke": {"K": true, "Machine": true, "Channel": true, "Thread": true, "Site": true},
	"irql":        {"K": true},
}

// checkPure finds what pure files know and should not, and patterns that stand for nothing.
func checkPure(tr *tree, pure []string) []problem {
	var problems []problem
	for _, pattern := range pure {
		found := false
		for s := range tr.golang(inPackage) {
			if ok, _ := path.Match(pattern, s.Path); ok {
				found = true
				problems = append(problems, impurities(tr, s)...)
			}
		}
		if !found {
			problems = append(problems, problem{pattern, "stands for no file"})
		}
	}
	return problems
}

// impurities finds where a file names an impure type.
func impurities(tr *tree, s *source) (problems []problem) {
	ast.Inspect(s.AST, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := sel.X.(*ast.Ident)
		if !ok {
			return true
		}
		for dir, types := range impure {
			if types[sel.Sel.Name] && x.Name == path.Base(dir) && imports(s, dir) {
				problems = append(problems, tr.at(n.Pos(), "knows %s.%s", x.Name, sel.Sel.Name))
			}
		}
		return true
	})
	return problems
}

// imports reports whether a file imports one of our packages.
func imports(s *source, dir string) bool {
	for imported := range importsOf(s) {
		if d, ok := ours(imported); ok && d == dir {
			return true
		}
	}
	return false
}

func TestPureFiles(t *testing.T) {
	expectNone(t, "Code that decides knows nobody who calls, schedules or chooses (network.md P5): hand it "+
		"what it needs, and let what it decides be carried out elsewhere.",
		checkPure(thisModule(t), pureFiles))
}

func TestPureFiles_BadExamples(t *testing.T) {
	tr := newTree(map[string]string{
		"internal/tcpip/a.go": `package tcpip; import "calloutsim/internal/ke"; func f(k *ke.K) {}`,
		"internal/tcpip/b.go": `package tcpip; import "calloutsim/internal/ke"; var d = ke.Second`,
		"internal/tcpip/c.go": `package tcpip; type ke struct{ K int }; func f(x ke) int { return x.K }`,
		"internal/tcp/d.go":   `package tcp; import "calloutsim/internal/ke"; type t struct{ m *ke.Machine }`,
	})
	pure := []string{"internal/tcpip/[a-c].go", "internal/tcp/*.go", "internal/none/*.go"}
	expectSome(t, checkPure(tr, pure), "internal/tcpip/a.go:1: knows ke.K",
		"internal/tcp/d.go:1: knows ke.Machine", "internal/none/*.go: stands for no file")
}
