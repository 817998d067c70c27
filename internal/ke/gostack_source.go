package ke

import (
	"go/ast"
	"go/parser"
	"go/token"
	"runtime"
)

// makesOnce reports whether the statement that pc lies in is executed at most once in a call of its function:
// no loop is around it there. The source says so; where it cannot be read, there may be one.
func (m *Machine) makesOnce(pc uintptr) bool {
	for _, s := range m.makers {
		if s.pc == pc {
			return s.once
		}
	}
	f, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	once := false
	if file, set := parsed(f.File); file != nil {
		once = !inLoop(file, set, f.Line)
	}
	m.makers = append(m.makers, madeAt{pc, once})
	return once
}

func parsed(name string) (*ast.File, *token.FileSet) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, nil
	}
	return file, set
}

// inLoop reports whether a line may be executed twice by one call of the function it lies in. A function that
// lies in the line from end to end does not count: what of it is meant is not known.
func inLoop(file *ast.File, set *token.FileSet, line int) bool {
	spans := func(n ast.Node) (from, to int) {
		return set.Position(n.Pos()).Line, set.Position(n.End()).Line
	}
	loop, found := false, false
	ast.Inspect(file, func(n ast.Node) bool {
		if n == nil {
			return false
		}
		from, to := spans(n)
		if line < from || line > to {
			return false
		}
		switch n := n.(type) {
		case *ast.FuncDecl, *ast.FuncLit:
			if from < to {
				loop, found = jumps(n), true
			}
		case *ast.ForStmt, *ast.RangeStmt:
			loop = true
		}
		return true
	})
	return loop || !found
}

// jumps reports whether a function has a goto anywhere.
func jumps(fn ast.Node) bool {
	found := false
	ast.Inspect(fn, func(n ast.Node) bool {
		if b, ok := n.(*ast.BranchStmt); ok && b.Tok == token.GOTO {
			found = true
		}
		return true
	})
	return found
}
