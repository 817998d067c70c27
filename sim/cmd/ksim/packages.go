package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
)

// listed is one package as go list -test has it: itself, or its test binary.
type listed struct {
	ImportPath                         string
	Deps                               []string
	GoFiles, TestGoFiles, XTestGoFiles []string
	Error                              *struct{ Err string }
	DepsErrors                         []*struct{ Err string }
}

// listPackages asks the go command for the packages that patterns name, and for their test binaries.
func listPackages(patterns []string) ([]listed, error) {
	cmd := exec.Command("go", append([]string{"list", "-e", "-test", "-json=ImportPath,Deps,TestGoFiles," +
		"XTestGoFiles,GoFiles,Error,DepsErrors"}, patterns...)...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		if complaint.Len() == 0 {
			return nil, usagef("the go command is needed to run tests: %v", err)
		}
		return nil, usagef("explore: %s cannot be tested:\n%s", strings.Join(patterns, " "),
			strings.TrimSpace(complaint.String()))
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return all, nothingThere(all, patterns)
		case err != nil:
			return nil, usagef("explore: go list: %v", err)
		}
		all = append(all, p)
	}
}

// nothingThere is the error of patterns that name nothing that is there.
func nothingThere(all []listed, patterns []string) error {
	for _, p := range all {
		if p.Error != nil && len(p.GoFiles)+len(p.TestGoFiles)+len(p.XTestGoFiles) == 0 {
			return usagef("explore: %s cannot be tested:\n%s", strings.Join(patterns, " "), p.Error.Err)
		}
	}
	return nil
}

// withSimulator picks the packages whose tests use the simulator, and those of which the go command cannot
// say; without is how many others there are.
func withSimulator(all []listed) (pkgs []string, without int) {
	uses := map[string]bool{}
	for _, p := range all {
		if pkg, ok := strings.CutSuffix(p.ImportPath, ".test"); ok {
			uses[pkg] = slices.Contains(p.Deps, module+"/sim")
		}
	}
	for _, p := range all {
		switch {
		case strings.HasSuffix(p.ImportPath, ".test") || strings.Contains(p.ImportPath, " ["):
		case uses[p.ImportPath], p.Error != nil,
			len(p.DepsErrors) > 0 && len(p.TestGoFiles)+len(p.XTestGoFiles) > 0:
			pkgs = append(pkgs, p.ImportPath)
		default:
			without++
		}
	}
	return pkgs, without
}
