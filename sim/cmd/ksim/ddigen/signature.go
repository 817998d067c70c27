package ddigen

import (
	"bytes"
	"go/ast"
	"go/printer"
	"go/token"
	"strings"
)

// signature prints a Go signature on one line.
func signature(fset *token.FileSet, name string, ft *ast.FuncType) string {
	var b bytes.Buffer
	if err := printer.Fprint(&b, fset, ft); err != nil {
		return name // a tree that was parsed can be printed
	}
	s := strings.Join(strings.Fields(b.String()), " ")
	s = strings.NewReplacer("( ", "(", ", )", ")", " )", ")").Replace(s)
	return name + strings.TrimPrefix(s, "func")
}
