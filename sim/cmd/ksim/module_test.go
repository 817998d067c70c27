package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"calloutsim/sim/cmd/ksim/template"
)

// scriptCommands are those that scripts have besides testscript's own and ksim.
var scriptCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"module": newModule,
	"break":  breakDriver,
}

// breakDriver makes the mistake that the README of a driver of ksim new tells of:
//
//	break FLAVOUR DIR
func breakDriver(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: break FLAVOUR DIR")
	}
	for _, f := range template.Flavours {
		if f.Name != args[0] {
			continue
		}
		name := filepath.Join(ts.MkAbs(args[1]), f.Break.File)
		text := ts.ReadFile(name)
		if strings.Count(text, f.Break.Old) != 1 {
			ts.Fatalf("%s has not one place with %q", name, f.Break.Old)
		}
		ts.Check(os.WriteFile(name, []byte(strings.Replace(text, f.Break.Old, f.Break.New, 1)), 0o666))
		return
	}
	ts.Fatalf("there is no flavour %s", args[0])
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
