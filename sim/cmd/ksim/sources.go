package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// sources finds the files that reports name by their base names. The nil sources knows none.
type sources struct {
	files map[string][]source
	deps  map[string]map[string]bool // what the tests of a package are made of
}

// source is a file of a package.
type source struct{ pkg, path string }

// sourcesOf lists the files of packages and of what they import of their module. Paths are relative to the
// workspace of the workflow, or else to the current directory.
func sourcesOf(pkgs []string) *sources {
	out, err := exec.Command("go", append([]string{"list", "-e", "-deps", "-test",
		"-json=ImportPath,Dir,GoFiles,TestGoFiles,XTestGoFiles,Module,Deps"}, pkgs...)...).Output()
	root := os.Getenv("GITHUB_WORKSPACE")
	if root == "" && err == nil {
		root, err = os.Getwd()
	}
	if err != nil {
		return nil // annotations without a line are better than none
	}
	s := &sources{files: map[string][]source{}, deps: map[string]map[string]bool{}}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath, Dir                          string
			GoFiles, TestGoFiles, XTestGoFiles, Deps []string
			Module                                   *struct{ Main bool }
		}
		if d.Decode(&p) != nil {
			return s
		}
		pkg, _, variant := strings.Cut(p.ImportPath, " [")
		if tested, ok := strings.CutSuffix(pkg, ".test"); ok {
			s.deps[tested] = map[string]bool{}
			for _, d := range p.Deps {
				d, _, _ = strings.Cut(d, " [")
				s.deps[tested][d] = true
			}
		}
		if p.Module == nil || !p.Module.Main || variant {
			continue
		}
		for _, name := range slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles) {
			if rel, err := filepath.Rel(root, filepath.Join(p.Dir, name)); err == nil {
				s.files[name] = append(s.files[name], source{pkg, filepath.ToSlash(rel)})
			}
		}
	}
}

// path gives the file of a base name that a report about tests of a package means: one of the package, else
// one of what its tests import; "" where that is none or several.
func (s *sources) path(pkg, file string) string {
	if s == nil {
		return ""
	}
	one := func(want func(source) bool) (path string, n int) {
		for _, f := range s.files[file] {
			if want(f) {
				path = f.path
				n++
			}
		}
		return path, n
	}
	for _, want := range []func(source) bool{
		func(f source) bool { return f.pkg == pkg },
		func(f source) bool { return s.deps[pkg][f.pkg] },
		func(source) bool { return true },
	} {
		switch path, n := one(want); n {
		case 0:
		case 1:
			return path
		default:
			return ""
		}
	}
	return ""
}
