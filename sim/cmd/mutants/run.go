package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// work is one run of the command, or what is left of it.
type work struct {
	dir   string
	last  []string // packages whose tests come last
	skip  []string // packages whose tests are not run
	tests []*testCase
}

// testCase is one test function: how long it takes, and the points it comes past.
type testCase struct {
	Pkg, Name string
	Time      time.Duration
	Reached   []int
}

func (w *work) run(n int, seed uint64, dirs []string) error {
	all, err := findPoints(dirs)
	if err != nil {
		return err
	}
	points := choose(all, n+n/4, seed)
	fmt.Printf("%d places in all, seed %d\n", len(all), seed)
	if points, err = w.compile(points); err != nil {
		return err
	}
	points = points[:min(n, len(points))]
	if err := w.learn(); err != nil {
		return err
	}
	return w.tryAll(points)
}

// testPackages are the packages with tests, those that come last at the end.
func (w *work) testPackages() ([]string, error) {
	out, err := exec.Command("go", "list", "-f", "{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}}{{end}}",
		"./...").Output()
	if err != nil {
		return nil, err
	}
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	var list []string
	for _, d := range strings.Fields(string(out)) {
		rel, err := filepath.Rel(root, d)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(w.skip, rel) {
			list = append(list, rel)
		}
	}
	sort.SliceStable(list, func(i, j int) bool { return !w.isLast(list[i]) && w.isLast(list[j]) })
	return list, nil
}

func (w *work) isLast(pkg string) bool { return slices.Contains(w.last, pkg) }

func (w *work) binary(pkg string) string {
	return filepath.Join(w.dir, "bin", strings.ReplaceAll(pkg, "/", "_"))
}

// learn builds the test binaries and finds out which test comes past which point.
func (w *work) learn() error {
	known := filepath.Join(w.dir, "tests.json")
	if b, err := os.ReadFile(known); err == nil {
		if err := json.Unmarshal(b, &w.tests); err != nil {
			return err
		}
	}
	pkgs, err := w.testPackages()
	if err != nil {
		return err
	}
	for _, pkg := range pkgs {
		if slices.ContainsFunc(w.tests, func(c *testCase) bool { return c.Pkg == pkg }) {
			continue
		}
		out, err := exec.Command("go", "test", "-c", "-vet=off", "-overlay",
			filepath.Join(w.dir, "overlay.json"), "-o", w.binary(pkg), "./"+pkg).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", pkg, err, out)
		}
		list, err := exec.Command(w.binary(pkg), "-test.list", "^(Test|Example|Fuzz)").Output()
		if err != nil {
			return fmt.Errorf("%s: %w", pkg, err)
		}
		for _, name := range strings.Fields(string(list)) {
			if c := w.tracedRun(pkg, name); c != nil {
				w.tests = append(w.tests, c)
			}
		}
		fmt.Printf("%s: %d tests so far\n", pkg, len(w.tests))
		b, err := json.Marshal(w.tests)
		if err != nil {
			return err
		}
		if err := os.WriteFile(known, b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// tracedRun runs one test without a change and notes the points it comes past; nil for one that fails so.
func (w *work) tracedRun(pkg, name string) *testCase {
	trace := filepath.Join(w.dir, "trace")
	os.Remove(trace)
	start := time.Now()
	if !w.passes(pkg, []string{name}, 5*time.Minute, "MUTANT=0", "MUTANT_TRACE="+trace) {
		fmt.Printf("%s %s fails without a change and is left out\n", pkg, name)
		return nil
	}
	c := &testCase{Pkg: pkg, Name: name, Time: time.Since(start)}
	f, err := os.Open(trace)
	if err != nil {
		return c // it comes past none
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if id, err := strconv.Atoi(s.Text()); err == nil {
			c.Reached = append(c.Reached, id)
		}
	}
	return c
}

// passes runs tests of a package with a change; what takes too long does not pass.
func (w *work) passes(pkg string, names []string, limit time.Duration, env ...string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	bin, err := filepath.Abs(w.binary(pkg))
	if err != nil {
		panic(err)
	}
	cmd := exec.CommandContext(ctx, bin, "-test.failfast", "-test.run", "^("+strings.Join(names, "|")+")$")
	cmd.Dir, cmd.Env = pkg, append(os.Environ(), env...)
	cmd.WaitDelay = time.Second
	return cmd.Run() == nil
}

// tryAll tries each point that has no result yet.
func (w *work) tryAll(points []*point) error {
	results := filepath.Join(w.dir, "results.tsv")
	done := map[int]string{}
	if b, err := os.ReadFile(results); err == nil {
		for _, line := range strings.Split(string(b), "\n") {
			id, rest, _ := strings.Cut(line, "\t")
			if n, err := strconv.Atoi(id); err == nil {
				done[n], _, _ = strings.Cut(rest, "\t")
			}
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(results, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	count := map[string]int{}
	for _, p := range points {
		if done[p.id] == "" {
			var by string
			done[p.id], by = w.try(p)
			fmt.Fprintf(f, "%d\t%s\t%s\t%s\n", p.id, done[p.id], p, by)
		}
		if count[done[p.id]]++; done[p.id] != "noticed" {
			fmt.Printf("%s: %s\n", done[p.id], p)
		}
	}
	fmt.Printf("%d changes: %d noticed, %d survived, %d that no test comes past\n", len(points),
		count["noticed"], count["survived"], count["unreached"])
	return nil
}

// try runs the tests that come past a point, cheap ones first, in portions.
func (w *work) try(p *point) (result, by string) {
	byPkg := map[string][]*testCase{}
	var pkgs []string
	for _, c := range w.tests {
		if slices.Contains(c.Reached, p.id) {
			if byPkg[c.Pkg] == nil {
				pkgs = append(pkgs, c.Pkg)
			}
			byPkg[c.Pkg] = append(byPkg[c.Pkg], c)
		}
	}
	own := filepath.Dir(p.file)
	sort.SliceStable(pkgs, func(i, j int) bool { return w.rank(pkgs[i], own) < w.rank(pkgs[j], own) })
	for _, pkg := range pkgs {
		list := byPkg[pkg]
		sort.SliceStable(list, func(i, j int) bool { return list[i].Time < list[j].Time })
		for len(list) > 0 {
			n, limit := 0, 10*time.Second
			var names []string
			for n < len(list) && (n == 0 || limit < 30*time.Second) {
				names, limit = append(names, list[n].Name), limit+5*list[n].Time
				n++
			}
			if !w.passes(pkg, names, limit, "MUTANT="+strconv.Itoa(p.id)) {
				return "noticed", pkg
			}
			list = list[n:]
		}
	}
	if len(pkgs) == 0 {
		return "unreached", ""
	}
	return "survived", ""
}

func (w *work) rank(pkg, own string) int {
	switch {
	case pkg == own && !w.isLast(pkg):
		return 0
	case !w.isLast(pkg):
		return 1
	case pkg == own:
		return 2
	}
	return 3 + slices.Index(w.last, pkg)
}
