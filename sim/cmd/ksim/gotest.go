package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// testEvent is one line of go test -json.
type testEvent struct {
	Action, Package, Test, Output string
	ImportPath                    string // of what does not build
	FailedBuild                   string // what did not build, of a package that failed for it
	Elapsed                       float64
}

// testRun is what became of one test.
type testRun struct {
	pkg, name string
	action    string // pass, fail or skip; "" while it has not ended
	elapsed   float64
	output    []string
}

// goTestRun is what became of go test.
type goTestRun struct {
	tests  []*testRun
	output []string // that belongs to no test: of packages and builds, and what is no event
	builds []*failedBuild
	said   map[string][]string // by builds
	failed bool
	signal os.Signal // that ksim was told to end by meanwhile
}

// goTest runs go test and takes its events apart. err is nil if go test ran, whatever it said.
func goTest(args ...string) (*goTestRun, error) { return goTestIn(nil, args...) }

// goTestIn is goTest with more settings of the environment.
func goTestIn(settings []string, args ...string) (*goTestRun, error) {
	cmd := exec.Command("go", append([]string{"test", "-json", "-count=1"}, args...)...)
	var out, diagnostics bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	cmd.Env = append(os.Environ(), settings...)
	sig, err := runGo(cmd)
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) {
		return nil, usagef("the go command is needed to run tests: %v", err)
	}
	r := &goTestRun{failed: err != nil, signal: sig}
	r.events(&out)
	if s := diagnostics.String(); s != "" {
		r.output = append(r.output, s)
	}
	return r, nil
}

// events takes the lines of go test -json.
func (r *goTestRun) events(in io.Reader) {
	b, _ := io.ReadAll(in) // a buffer
	of := map[[2]string]*testRun{}
	for line := range bytes.Lines(b) {
		var e testEvent
		if json.Unmarshal(line, &e) != nil {
			r.output = append(r.output, string(line))
			continue
		}
		if e.Test == "" {
			r.output = append(r.output, e.Output)
			r.ofPackage(&e)
			continue
		}
		t := of[[2]string{e.Package, e.Test}]
		if t == nil {
			t = &testRun{pkg: e.Package, name: e.Test}
			of[[2]string{e.Package, e.Test}] = t
			r.tests = append(r.tests, t)
		}
		switch e.Action {
		case "output":
			t.output = append(t.output, e.Output)
		case "pass", "fail", "skip":
			t.action, t.elapsed = e.Action, e.Elapsed
		}
	}
}

// failedBuild is a package whose tests could not be built.
type failedBuild struct {
	pkg    string
	output []string
}

// ofPackage takes up an event of a package or a build.
func (r *goTestRun) ofPackage(e *testEvent) {
	switch {
	case e.Action == "build-output":
		if r.said == nil {
			r.said = map[string][]string{}
		}
		r.said[e.ImportPath] = append(r.said[e.ImportPath], e.Output)
	case e.Action == "fail" && e.FailedBuild != "":
		r.notBuilt(e.Package, r.said[e.FailedBuild])
	case e.Action == "output" && notBuilt.MatchString(e.Output):
		r.notBuilt(e.Package, r.said[e.Package])
	}
}

// notBuilt notes a package that could not be built, and what was said about it.
func (r *goTestRun) notBuilt(pkg string, said []string) {
	i := slices.IndexFunc(r.builds, func(b *failedBuild) bool { return b.pkg == pkg })
	if i < 0 {
		i, r.builds = len(r.builds), append(r.builds, &failedBuild{pkg: pkg})
	}
	if len(r.builds[i].output) == 0 {
		r.builds[i].output = said
	}
}

// broken gives a verdict for each package that does not build.
func (r *goTestRun) broken() (all []*verdict) {
	for _, b := range r.builds {
		all = append(all, &verdict{pkg: b.pkg, test: "TestMain", failed: true, build: true,
			output: cmp.Or(strings.Join(b.output, ""), r.text())})
	}
	return all
}

// text is everything that no test printed.
func (r *goTestRun) text() string { return strings.Join(r.output, "") }

// leaves are the tests that have no subtests.
func (r *goTestRun) leaves() []*testRun {
	return slices.DeleteFunc(slices.Clone(r.tests), func(t *testRun) bool {
		return slices.ContainsFunc(r.tests, func(s *testRun) bool {
			return s.pkg == t.pkg && strings.HasPrefix(s.name, t.name+"/")
		})
	})
}

// frame matches lines of go test around what a test prints.
var frame = regexp.MustCompile(`^\s*(=== (RUN|PAUSE|CONT|NAME|ATTR)|--- (FAIL|PASS|SKIP): )`)

// text is what a test printed.
func (t *testRun) text() string {
	own := slices.DeleteFunc(slices.Clone(t.output), func(l string) bool { return frame.MatchString(l) })
	return strings.Join(own, "")
}

var (
	buildFailed  = regexp.MustCompile(`(?m)^FAIL\s+\S+ \[(build|setup) failed\]`)
	notBuilt     = regexp.MustCompile(`^FAIL\s+\S+ \[(build|setup) failed\]`)
	unknownFlag  = regexp.MustCompile(`flag provided but not defined: -sim\.`)
	faultOfOurs  = regexp.MustCompile(`(?m)panic: (.*internal error: .*)`)
	noPackage    = regexp.MustCompile(`(?m)^(no required module|.*matched no packages|no Go files)`)
	summaryLines = regexp.MustCompile(`(?m)^(FAIL|ok|PASS|exit status|\?)\b.*\n?`)
)

// mistake is the error of a go test that could not run the tests it was asked for.
func (r *goTestRun) mistake(verb, pkg string) error {
	text := r.text()
	for _, t := range r.tests {
		if m := faultOfOurs.FindStringSubmatch(t.text()); m != nil {
			return &exit{exitFault, m[1]}
		}
	}
	switch {
	case unknownFlag.MatchString(text):
		return usagef("%s: the tests of %s do not use package sim", verb, pkg)
	case buildFailed.MatchString(text) || noPackage.MatchString(text) || r.failed && len(r.tests) == 0:
		said := strings.TrimSpace(summaryLines.ReplaceAllString(text, ""))
		return usagef("%s: %s cannot be tested:\n%s", verb, pkg, said)
	}
	return nil
}

// isPackage tells package paths from names of scenarios.
func isPackage(s string) bool {
	return strings.ContainsAny(s, "/"+string(os.PathSeparator)) || strings.HasPrefix(s, ".")
}
