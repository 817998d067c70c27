package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptCommands are those that scripts have besides testscript's own and ksim.
var scriptCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"module": newModule,
}

// newModule makes the current directory a module of its own that uses the simulator, as a user's is:
//
//	module [NAME]
func newModule(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 {
		ts.Fatalf("usage: module [NAME]")
	}
	name := "example.com/drivers"
	if len(args) == 1 {
		name = args[0]
	}
	root := filepath.Join(ts.Getenv("KSIM"), "..", "..", "..")
	ts.Check(os.WriteFile(ts.MkAbs("go.mod"), fmt.Appendf(nil, "module %s\n\ngo 1.26.0\n\n"+
		"require calloutsim v0.0.0\n\nreplace calloutsim => %s\n", name, root), 0o666))
	ts.Setenv("GOFLAGS", "-mod=mod")
}
