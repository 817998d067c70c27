package main

import (
	"os/exec"
	"strings"
)

// module is the path of the simulator's module.
const module = "calloutsim"

// goSays runs the go command in a folder and gives what it prints.
func goSays(dir string, args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	var diagnostics strings.Builder
	cmd.Stderr = &diagnostics
	out, err := cmd.Output()
	if err != nil {
		return strings.TrimSpace(diagnostics.String()), err
	}
	return strings.TrimSpace(string(out)), nil
}
