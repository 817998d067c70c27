package lint

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// withoutRecord are the rules of the general catalogue that nobody detects, and why.
var withoutRecord = map[string]string{}

// checkComplete compares the numbers of the general catalogue with the records of irql and irp.
func checkComplete(numbers []string, c catalogue, without map[string]string) []problem {
	var problems []problem
	add := func(number, text string) {
		problems = append(problems, problem{"rules.tsv", number + " " + text})
	}
	for _, number := range numbers {
		_, excused := without[number]
		switch recorded := hasRecord(c, number); {
		case recorded && excused:
			add(number, "has a record: take it out of withoutRecord")
		case !recorded && !excused:
			add(number, "has no record in "+ownerOf(number)+".Rules")
		}
	}
	for _, r := range c.Records {
		if (r.In == "irp" || r.In == "irql") && !slices.Contains(numbers, r.ID) {
			add(r.ID, "is in "+r.In+".Rules and not in the catalogue")
		}
	}
	for number := range without {
		if !slices.Contains(numbers, number) {
			add(number, "of withoutRecord is not in the catalogue")
		}
	}
	return problems
}

func TestRuleCatalogueIsComplete(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "verify", "rules.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	var numbers []string
	for line := range strings.Lines(string(text)) {
		if number, _, _ := strings.Cut(line, "\t"); strings.Contains(number, "-") {
			numbers = append(numbers, number)
		}
	}
	if len(numbers) != 192 {
		t.Errorf("%d rules in rules.tsv, not 192", len(numbers))
	}
	a := thisCatalogue(t)
	for _, dir := range a.broken {
		if dir == "irp" || dir == "irql" {
			t.Skipf("%s does not compile", dir)
		}
	}
	expectNone(t, "Every rule of internal/verify/rules.tsv has a record in irql or irp, or a reason in "+
		"withoutRecord.", checkComplete(numbers, a.catalogue, withoutRecord))
}

func TestRuleCatalogueIsComplete_BadExamples(t *testing.T) {
	expectSome(t, checkComplete([]string{"IRP-001", "IRP-002", "IRP-003"},
		sample(good("IRP-001"), good("LOCK-001")),
		map[string]string{"IRP-001": "", "IRP-003": "", "IRP-009": ""}),
		"IRP-001 has a record", "IRP-002 has no record in irp.Rules", "LOCK-001 is in irql.Rules",
		"IRP-009 of withoutRecord")
}
