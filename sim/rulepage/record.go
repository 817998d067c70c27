// Package rulepage makes the pages of docs/rules: for each rule that is checked what it says, the smallest
// scenario that breaks it, the report of that scenario, and the near miss. The scenarios are the tests that
// are marked with the rule's number; their source is read, and their reports are recorded while they run.
//
// Modelled: pages of rules that have a record. Not modelled: pages of rules that nothing checks; `ksim
// explain` prints what the catalogue has on those.
package rulepage

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"calloutsim/internal/ke"
	"calloutsim/sim"
)

// recordTo is the environment variable that names the folder recorded reports are written to. Only test
// binaries built with the tag rulepages look at it.
const recordTo = "SIM_RULE_REPORTS"

// Found is one finding of a test.
type Found struct {
	Machine  int    // in the order the test binary made them
	Test     string // full name, with subtests
	Rule     string
	Headline string
	Fix      string
	Report   string
}

// What pages leave out of a report: line numbers, which an edit elsewhere in the file moves; the frames of
// the harness below those of drivers; and the advice to read the page.
var (
	sourceLine = regexp.MustCompile(`\b(\w+\.go):\d+`)
	harnessRow = regexp.MustCompile(`(?m)^ {8,}\S+ +(` +
		strings.ReplaceAll(strings.Join(harness, "|"), ".", `\.`) + `)\n`)
	adviceRow = regexp.MustCompile(`(?m)^EXPLAIN: .*\n`)
)

// trimmed is a report as a page has it.
func trimmed(text string) string {
	text = sourceLine.ReplaceAllString(text, "$1")
	return adviceRow.ReplaceAllString(harnessRow.ReplaceAllString(text, ""), "")
}

// Recorder gives the hook that the tests of a package call for each machine they make.
func Recorder(pkg string) func(t testing.TB, k *ke.Machine) {
	machines := 0
	return func(t testing.TB, k *ke.Machine) {
		machines++
		number := machines
		observer := sim.Observe(k)
		t.Cleanup(func() {
			var b bytes.Buffer
			for _, f := range k.Findings() {
				line, err := json.Marshal(Found{number, t.Name(), f.Name(), f.Headline, f.Fix,
					trimmed(observer.Report(f))})
				if err != nil {
					t.Errorf("rulepage: %v", err)
				}
				b.Write(append(line, '\n'))
			}
			if err := appendTo(filepath.Join(os.Getenv(recordTo), pkg), b.Bytes()); err != nil {
				t.Errorf("rulepage: %v", err)
			}
		})
	}
}

func appendTo(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// readFound reads what the tests of a package recorded.
func readFound(name string) ([]Found, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var out []Found
	in := bufio.NewScanner(bytes.NewReader(data))
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var f Found
		if err := json.Unmarshal(in.Bytes(), &f); err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	slices.SortStableFunc(out, func(a, b Found) int { return cmp.Compare(a.Machine, b.Machine) })
	return out, in.Err()
}
