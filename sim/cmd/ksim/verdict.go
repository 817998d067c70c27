package main

import (
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"calloutsim/sim/results"
)

// verdict is what became of one test or scenario.
type verdict struct {
	pkg, test       string
	failed, skipped bool // in go test
	elapsed         float64
	output          string
	build           bool // no test, but a package that could not be built
	sums            []*results.Summary
}

// failing are the findings that fail it.
func (v *verdict) failing() []results.Finding {
	var all []results.Finding
	for _, s := range v.sums {
		for _, f := range s.Findings {
			if f.Severity == results.Error && !s.Collect {
				all = append(all, f)
			}
		}
	}
	return all
}

// coverage says how much was looked at.
func (v *verdict) coverage() string {
	var all []string
	for _, s := range v.sums {
		all = append(all, s.Coverage())
	}
	return strings.Join(all, "\n")
}

// outputs are the forms for CI in which results are written.
type outputs struct {
	junit, sarif string
	github       bool
}

func (o *outputs) flags(fs *pflag.FlagSet) {
	fs.StringVar(&o.junit, "junit", "", "write the results to this file, in the form of JUnit")
	fs.StringVar(&o.sarif, "sarif", "", "write the findings to this file, as SARIF 2.1.0")
	fs.BoolVar(&o.github, "github", false, "print findings as annotations of a GitHub workflow, and a table "+
		"to $GITHUB_STEP_SUMMARY")
}

// check says early that a file cannot be written.
func (o *outputs) check(verb string) error {
	for _, f := range [][2]string{{"junit", o.junit}, {"sarif", o.sarif}} {
		if f[1] == "" {
			continue
		}
		if err := writable(f[1]); err != nil {
			return usagef("%s: --%s: %v", verb, f[0], err)
		}
	}
	return nil
}

// report prints everything in the forms that were asked for, and gives the exit code. What cannot be written
// hides nothing else.
func (o *outputs) report(verb string, w io.Writer, src *sources, verdicts []*verdict) error {
	var sums []*results.Summary
	bad := false
	for _, v := range verdicts {
		sums = append(sums, v.sums...)
		for _, m := range aboutKept.FindAllString(v.output, -1) {
			if len(v.failing()) > 0 { // else all that the test says is printed
				fmt.Fprintf(w, "%s: %s\n", v.name(), m)
			}
		}
		if fails := len(v.failing()) > 0; fails || v.failed {
			if bad = true; !fails {
				fmt.Fprintf(w, "%s fails:\n%s\n\n", v.name(), strings.TrimRight(v.output, "\n"))
			}
		}
	}
	printSummaries(w, sums, true)
	if err := o.write(verb, w, src, verdicts); err != nil {
		return err
	}
	if bad {
		return &exit{code: exitFindings}
	}
	return nil
}

// aboutKept matches what a test says about kept runs that test nothing any more.
var aboutKept = regexp.MustCompile(`sim: (kept run left out|the kept run is stale): .*`)

// write writes what is not for people.
func (o *outputs) write(verb string, w io.Writer, src *sources, verdicts []*verdict) error {
	var failed error
	try := func(name string, err error) {
		if err != nil && failed == nil {
			failed = usagef("%s: --%s: %v", verb, name, err)
		}
	}
	if o.github {
		try("github", github(w, verdicts, src))
	}
	if o.junit != "" {
		try("junit", writeJUnit(o.junit, verdicts))
	}
	if o.sarif != "" {
		try("sarif", writeSARIF(o.sarif, verdicts, src))
	}
	return failed
}

// name is how the verdict is called.
func (v *verdict) name() string {
	if v.build {
		return v.pkg
	}
	return v.test + " of " + v.pkg
}

var (
	position = regexp.MustCompile(`(?m)^\s*(?:Error Trace:\s*)?(\S*?([\w.-]+\.go)):(\d+)(?::\d+)?:?\s*(.*)$`)
	ruleName = regexp.MustCompile(`\b([A-Z]{2,8}-\d{3}) (\w+/\w+)`)
)

// said is the finding that the output of a test without findings of its own stands for: the first place it
// names, and the rule, if it names one.
func (v *verdict) said() results.Finding {
	f := results.Finding{Severity: results.Error, Report: v.output}
	f.Headline, _, _ = strings.Cut(strings.TrimSpace(v.output), "\n")
	if m := ruleName.FindStringSubmatch(v.output); m != nil {
		f.Rules, f.Name = []string{m[1]}, m[2]
	}
	for _, m := range position.FindAllStringSubmatch(v.output, -1) {
		if f.File == "" {
			f.File = filepath.Base(m[2])
			f.Line, _ = strconv.Atoi(m[3])
		}
		if m[4] != "" && (len(f.Rules) == 0 || strings.Contains(m[4], f.Rules[0])) {
			f.File, f.Headline = filepath.Base(m[2]), m[4]
			f.Line, _ = strconv.Atoi(m[3])
			break
		}
	}
	return f
}
