package main

import (
	"encoding/xml"
	"fmt"
	"slices"
)

// The elements of a JUnit file, as CI services read them.
type (
	junitSuites struct {
		XMLName xml.Name      `xml:"testsuites"`
		Suites  []*junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Cases    []*junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class    string         `xml:"classname,attr"`
		Name     string         `xml:"name,attr"`
		Time     string         `xml:"time,attr,omitempty"`
		Failures []junitFailure `xml:"failure"`
		Skipped  *struct{}      `xml:"skipped"`
		Out      string         `xml:"system-out,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// writeJUnit writes one case for each test.
func writeJUnit(file string, verdicts []*verdict) error {
	var all junitSuites
	for _, v := range verdicts {
		i := slices.IndexFunc(all.Suites, func(s *junitSuite) bool { return s.Name == v.pkg })
		if i < 0 {
			i, all.Suites = len(all.Suites), append(all.Suites, &junitSuite{Name: v.pkg})
		}
		s, c := all.Suites[i], v.junit()
		s.Tests++
		if s.Cases = append(s.Cases, c); len(c.Failures) > 0 {
			s.Failures++
		}
		if c.Skipped != nil {
			s.Skipped++
		}
	}
	b, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(file, append([]byte(xml.Header), append(b, '\n')...))
}

// junit is the case of one test.
func (v *verdict) junit() *junitCase {
	c := &junitCase{Class: v.pkg, Name: v.test, Out: v.coverage()}
	if v.elapsed > 0 {
		c.Time = fmt.Sprintf("%.2f", v.elapsed)
	}
	if v.skipped {
		c.Skipped = &struct{}{}
	}
	for _, f := range v.failing() {
		c.Failures = append(c.Failures, junitFailure{Type: f.Title(), Message: headline(&f), Text: f.Report})
	}
	switch {
	case v.build: // as gotestsum writes it
		c.Class, c.Failures = "", []junitFailure{{Message: "Failed", Text: v.output}}
	case v.failed && len(c.Failures) == 0 && len(v.said().Rules) > 0:
		f := v.said()
		c.Failures = []junitFailure{{Type: f.Title(), Message: headline(&f), Text: v.output}}
	case v.failed && len(c.Failures) == 0:
		c.Failures = []junitFailure{{Type: "failed", Message: "the test failed", Text: v.output}}
	}
	return c
}
