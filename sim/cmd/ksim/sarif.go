package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"calloutsim/internal/subsystems"
	"calloutsim/internal/verify"
	"calloutsim/sim/report"
	"calloutsim/sim/results"
)

// The objects of a SARIF 2.1.0 file, as far as they are used here (spec/ux.md 5).
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool    sarifTool     `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name  string      `json:"name"`
		Rules []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string      `json:"id"`
		Name             string      `json:"name,omitempty"`
		ShortDescription sarifText   `json:"shortDescription"`
		FullDescription  *sarifText  `json:"fullDescription,omitempty"`
		Help             sarifText   `json:"help"`
		Default          sarifConfig `json:"defaultConfiguration"`
	}
	sarifConfig struct {
		Level string `json:"level"`
	}
	sarifText struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown,omitempty"`
	}
	sarifResult struct {
		RuleID    string            `json:"ruleId"`
		RuleIndex int               `json:"ruleIndex"`
		Level     string            `json:"level"`
		Message   sarifText         `json:"message"`
		Locations []sarifLocation   `json:"locations,omitempty"`
		Related   []sarifLocation   `json:"relatedLocations,omitempty"`
		Prints    map[string]string `json:"partialFingerprints"`
		More      map[string]string `json:"properties,omitempty"`
	}
	sarifLocation struct {
		ID       *int          `json:"id,omitempty"`
		Physical sarifPhysical `json:"physicalLocation"`
		Message  *sarifText    `json:"message,omitempty"`
	}
	sarifPhysical struct {
		Artifact struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
		Region struct {
			StartLine int `json:"startLine"`
		} `json:"region"`
	}
)

const (
	sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/" +
		"sarif-schema-2.1.0.json"
	sarifVersion = "2.1.0"
	// fingerprint names the way fingerprints are made: of the rules and the functions, not of lines.
	fingerprint = "calloutsimSignature/v1"
)

// The rules of results that break none of the catalogue.
const (
	ruleTestFailed = "test-failed"
	ruleNotBuilt   = "not-built"
)

// writeSARIF writes one result for each finding.
func writeSARIF(file string, verdicts []*verdict, src *sources) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(sarifOf(verdicts, src)); err != nil {
		return err
	}
	return replaceFile(file, b.Bytes())
}

// sarifOf makes the file of some verdicts.
func sarifOf(verdicts []*verdict, src *sources) *sarifLog {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "ksim", Rules: []sarifRule{}}},
		Results: []sarifResult{}}
	known := map[string]int{}
	for _, v := range verdicts {
		found := v.failing()
		if v.failed && len(found) == 0 {
			found = []results.Finding{v.said()}
		}
		for _, f := range found {
			id := ruleTestFailed
			switch {
			case v.build:
				id = ruleNotBuilt
			case len(f.Rules) > 0:
				id = f.Rules[0]
			}
			if _, ok := known[id]; !ok {
				known[id] = len(run.Tool.Driver.Rules)
				run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRuleOf(id))
			}
			r := sarifResultOf(v, &f, src)
			r.RuleID, r.RuleIndex = id, known[id]
			run.Results = append(run.Results, r)
		}
	}
	return &sarifLog{Schema: sarifSchema, Version: sarifVersion, Runs: []sarifRun{run}}
}

// sarifResultOf makes the result of one finding.
func sarifResultOf(v *verdict, f *results.Finding, src *sources) sarifResult {
	signature := f.Signature
	if signature == "" {
		signature = v.pkg + " " + v.test
	}
	r := sarifResult{Level: "error", Message: sarifText{Text: f.Headline + "\n(" + v.name() + ")"},
		Prints: map[string]string{fingerprint: fmt.Sprintf("%x", sha256.Sum256([]byte(signature)))[:32]},
		More:   map[string]string{}}
	for name, value := range map[string]string{"test": v.test, "package": v.pkg, "replay": f.Replay,
		"report": f.Report} {
		if value != "" {
			r.More[name] = value
		}
	}
	if f.File != "" {
		r.Locations = []sarifLocation{sarifPlace(v.pkg, f.File, f.Line, src)}
	}
	for _, m := range placeOfReport.FindAllStringSubmatch(f.Report, -1) {
		if m[1] == "STACK_TEXT" {
			continue // the location itself
		}
		line, _ := strconv.Atoi(m[3])
		l, id := sarifPlace(v.pkg, m[2], line, src), len(r.Related)+1
		l.ID = &id
		l.Message = &sarifText{Text: strings.ToLower(strings.ReplaceAll(m[1], "_", " "))}
		r.Related = append(r.Related, l)
	}
	return r
}

// placeOfReport matches a place that a report tells of: its label and the innermost frame below it.
var placeOfReport = regexp.MustCompile(`(?m)^([A-Z][A-Z_]+):.*\n(?:  #.*\n)?  \S.*?  +([\w.-]+\.go):(\d+)$`)

func sarifPlace(pkg, file string, line int, src *sources) sarifLocation {
	var l sarifLocation
	if l.Physical.Artifact.URI = src.path(pkg, file); l.Physical.Artifact.URI == "" {
		l.Physical.Artifact.URI = file
	}
	l.Physical.Region.StartLine = max(line, 1)
	return l
}

// sarifRuleOf makes a rule out of the catalogue.
func sarifRuleOf(number string) sarifRule {
	r := sarifRule{ID: number, Default: sarifConfig{"error"}}
	id, ok := verify.ByNumber(number)
	if !ok {
		text := "The scenario failed its test: what it expects of the driver did not hold."
		switch number {
		case ruleTestFailed:
		case ruleNotBuilt:
			text = "The tests of a package could not be built."
		default:
			text = "A finding of the kind " + number + ", which is in no catalogue."
		}
		r.ShortDescription, r.Help = sarifText{Text: text}, sarifText{Text: text}
		return r
	}
	row, rec := verify.Rule(id), record(id)
	r.Name = strings.TrimSpace(rec.FullName())
	r.ShortDescription = sarifText{Text: row.Claim}
	if rec.Why != "" {
		r.FullDescription = &sarifText{Text: rec.Why}
	}
	var plain strings.Builder
	page := pageOf(id)
	if page != "" {
		report.Plain(&plain, page)
	} else {
		report.Explain(&plain, rec, row)
	}
	r.Help = sarifText{Text: plain.String(), Markdown: page}
	if row.Severity != verify.Error {
		r.Default.Level = strings.ToLower(row.Severity.String())
	}
	return r
}

// record is what the owning package adds to a rule.
func record(id verify.RuleID) verify.Record {
	for _, r := range subsystems.Rules() {
		if r.ID == id {
			return r
		}
	}
	return verify.Record{ID: id}
}
