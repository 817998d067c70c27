package lint

import (
	"go/ast"
	"regexp"
	"testing"
)

// seesHidden is a comment that sends its reader to a function of a package which no documentation shows.
var seesHidden = regexp.MustCompile(`\b[Ss]ee ([a-z]+[A-Z]\w*)\b`)

// checkReferences finds comments of exported things that leave what they have to say to something that is not
// exported.
func checkReferences(tr *tree) []problem {
	var problems []problem
	for s := range tr.golang(ddiFiles) {
		ast.Inspect(s.AST, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.TypeSpec:
				if m := seesHidden.FindStringSubmatch(n.Doc.Text()); m != nil && n.Name.IsExported() {
					problems = append(problems, tr.at(n.Pos(), "%s sends to %s", n.Name.Name, m[1]))
				}
			case *ast.FuncDecl:
				if m := seesHidden.FindStringSubmatch(n.Doc.Text()); m != nil && n.Name.IsExported() {
					problems = append(problems, tr.at(n.Pos(), "%s sends to %s", n.Name.Name, m[1]))
				}
			}
			return true
		})
	}
	return problems
}

func TestComments_SayItThemselves(t *testing.T) {
	expectNone(t, "The comment of a routine is all that its users see: it says everything itself, and sends "+
		"nobody to a function that is not exported.", checkReferences(thisModule(t)))
}

func TestComments_BadReferences(t *testing.T) {
	tr := newTree(map[string]string{"wsk/a.go": `package wsk

type (
	// PFN_WSK_SEND sends. See wskSend.
	PFN_WSK_SEND func()

	// hidden is hidden. See wskSend.
	hidden func()
)

// WskRegister registers, see registerClient.
func WskRegister() {}
`})
	expectSome(t, checkReferences(tr), "PFN_WSK_SEND sends to wskSend", "WskRegister sends to registerClient")
}

// returnsStatus reports whether a function has an NTSTATUS as its result.
func returnsStatus(fn *ast.FuncType) bool {
	if fn == nil || fn.Results == nil || len(fn.Results.List) != 1 {
		return false
	}
	sel, ok := fn.Results.List[0].Type.(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "NTSTATUS"
}

// checkReturns finds routines whose comment does not say which statuses they return.
func checkReturns(tr *tree) []problem {
	var problems []problem
	for s := range tr.golang(ddiFiles) {
		for _, e := range exportedNames(s) {
			if e.decl != nil && returnsStatus(e.fn) && !says.MatchString(e.doc) {
				problems = append(problems, tr.at(e.pos, "%s", e.name))
			}
		}
	}
	return problems
}

var says = regexp.MustCompile(`Returns: |STATUS_[A-Z]|[Aa]s (Ke|Io|Ex|Ps|Mm|Ob|Zw|Rtl|Fwp)\w+`)

func TestComments_SayWhatIsReturned(t *testing.T) {
	expectNone(t, "The comment of a routine with an NTSTATUS says which values it returns and when, in a "+
		"line Returns: behind Ownership:.", checkReturns(thisModule(t)))
}

func TestComments_BadReturns(t *testing.T) {
	tr := newTree(map[string]string{"irp/a.go": `package irp

// IoFirst does something.
func IoFirst() ntstatus.NTSTATUS { return 0 }

// IoSecond does something. Returns: STATUS_SUCCESS.
func IoSecond() ntstatus.NTSTATUS { return 0 }
`})
	expectSome(t, checkReturns(tr), "IoFirst")
}
