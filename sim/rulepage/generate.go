package rulepage

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Folder is where the pages are, below the root of the module.
const Folder = "docs/rules"

// Generate reads and runs the tests of the module at root and makes the pages, by file name.
func Generate(root string) (map[string][]byte, error) {
	b := &book{suites: map[string]*suite{}, found: map[string][]Found{}}
	reports, err := os.MkdirTemp("", "rulepage")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(reports)
	var names []string
	args := []string{"test", "-count=1", "-tags=rulepages"}
	for _, pkg := range Packages {
		s, err := readSuite(root, pkg)
		if err != nil {
			return nil, err
		}
		b.suites[pkg] = s
		names = append(names, s.tests()...)
		args = append(args, "./"+pkg)
	}
	cmd := exec.Command("go", append(args, "-run=^("+strings.Join(names, "|")+")$")...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), recordTo+"="+reports, "SIM_THOROUGH=")
	// A test may fail here and still say what is needed: recorded call stacks tell apart what it counts
	// together. That it passes otherwise is the business of an ordinary go test.
	out, failure := cmd.CombinedOutput()
	for _, pkg := range Packages {
		if b.found[pkg], err = readFound(filepath.Join(reports, pkg)); err != nil {
			return nil, fmt.Errorf("%w (go test: %v)\n%s", err, failure, out)
		}
	}
	pages, err := b.pages()
	if err != nil && failure != nil {
		return nil, fmt.Errorf("%w (go test: %v)\n%s", err, failure, out)
	}
	return pages, err
}

// Stale compares pages with the files in the folder of a module and lists the files that are not as they
// should be.
func Stale(root string, pages map[string][]byte) ([]string, error) {
	folder := filepath.Join(root, Folder)
	have, err := filepath.Glob(filepath.Join(folder, "*.md"))
	if err != nil {
		return nil, err
	}
	var stale []string
	seen := map[string]bool{}
	for _, name := range have {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		base := filepath.Base(name)
		seen[base] = true
		if page, ok := pages[base]; !ok || !bytes.Equal(page, data) {
			stale = append(stale, base)
		}
	}
	for name := range pages {
		if !seen[name] {
			stale = append(stale, name)
		}
	}
	slices.Sort(stale)
	return stale, nil
}

// Write brings the folder of a module up to date.
func Write(root string, pages map[string][]byte) error {
	stale, err := Stale(root, pages)
	if err != nil {
		return err
	}
	for _, name := range stale {
		file := filepath.Join(root, Folder, name)
		if page, ok := pages[name]; ok {
			err = os.WriteFile(file, page, 0o644)
		} else {
			err = os.Remove(file)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
