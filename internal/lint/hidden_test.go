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
