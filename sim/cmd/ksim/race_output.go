package main

import (
	"bytes"
	"encoding/json"
	"io"
	"regexp"
	"slices"
	"strings"
)

// quietly is a writer that takes the events of go test -json and prints what go test prints without -v. Go
// test itself keeps the output of a package until its tests have ended, and forgets it when it is told to
// end before.
type quietly struct {
	to   io.Writer
	rest []byte
	open []plainTest // tests that have not ended, in the order of their first lines
	err  error
}

// plainTest is a test with its subtests.
type plainTest struct {
	pkg, name string
	lines     []plainLine
	passed    []string
}

type plainLine struct{ test, text string }

// Write takes whole events and keeps the beginning of the next one.
func (p *quietly) Write(b []byte) (int, error) {
	p.rest = append(p.rest, b...)
	for {
		line, rest, ok := bytes.Cut(p.rest, []byte("\n"))
		if !ok {
			return len(b), p.err
		}
		p.event(line)
		p.rest = rest
	}
}

// announces matches the lines that go test prints with -v only.
var announces = regexp.MustCompile(`^\s*=== (RUN|PAUSE|CONT|NAME|ATTR)`)

func (p *quietly) event(line []byte) {
	var e testEvent
	switch {
	case json.Unmarshal(line, &e) != nil:
		p.print(string(line) + "\n")
		return
	case e.Action == "build-output":
		p.print(e.Output)
		return
	case e.Test == "":
		if e.Action == "output" && e.Output != "PASS\n" {
			p.print(e.Output)
		}
		return
	}
	root, _, _ := strings.Cut(e.Test, "/")
	i := slices.IndexFunc(p.open, func(t plainTest) bool { return t.pkg == e.Package && t.name == root })
	if i < 0 {
		i, p.open = len(p.open), append(p.open, plainTest{pkg: e.Package, name: root})
	}
	switch t := &p.open[i]; {
	case e.Action == "output" && !announces.MatchString(e.Output):
		t.lines = append(t.lines, plainLine{e.Test, e.Output})
	case e.Action == "pass", e.Action == "skip":
		t.passed = append(t.passed, e.Test)
	}
	if e.Test == root && (e.Action == "pass" || e.Action == "skip" || e.Action == "fail") {
		t := p.open[i]
		p.open = slices.Delete(p.open, i, i+1)
		p.tell(&t)
	}
}

// tell prints a test that has not passed, without the subtests that have.
func (p *quietly) tell(t *plainTest) {
	for _, l := range t.lines {
		if !slices.Contains(t.passed, l.test) {
			p.print(l.text)
		}
	}
}

// end prints what has not ended.
func (p *quietly) end() {
	for i := range p.open {
		p.tell(&p.open[i])
	}
	p.open = nil
}

// print goes on after the first line that cannot be written, so that go test is not ended by it.
func (p *quietly) print(s string) {
	if _, err := io.WriteString(p.to, s); err != nil && p.err == nil {
		p.err = err
	}
}
