package explore_test

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const tableDoc = "../../docs/performance.md"

// cell gives the median and the 90th percentile.
func (r record) cell() string {
	text := func(n int) string {
		if n == 0 {
			return "-"
		}
		return fmt.Sprint(n)
	}
	return text(r.median) + " / " + text(r.p90)
}

// table words the record in Markdown, our scenarios and those with an origin apart.
func table(t *testing.T, published bool) string {
	known := records(t)
	var b strings.Builder
	b.WriteString("| scenario | " + strings.Join(sampling, " | ") + " |\n")
	b.WriteString("|---" + strings.Repeat("|---", len(sampling)) + "|\n")
	for _, s := range buggy() {
		if (s.Origin != "") != published {
			continue
		}
		name := s.Name
		if published {
			name += " (" + s.Origin + ")"
		}
		b.WriteString("| " + name)
		for _, strategy := range sampling {
			b.WriteString(" | " + known[s.Name][strategy].cell())
		}
		b.WriteString(" |\n")
	}
	return b.String()
}

// summary compares the strategies over all scenarios. One that did not find a bug counts as if it had found
// it in the last run it was given.
func summary(t *testing.T) string {
	known, list := records(t), buggy()
	rows := []string{fmt.Sprintf("all %d scenarios with a bug", len(list)), "geometric mean of the medians",
		"geometric mean of the 90th percentiles", "worst median, as a multiple of the best strategy's"}
	for _, strategy := range sampling {
		medians, nineties, worst, never := 0.0, 0.0, 0.0, ""
		for _, s := range list {
			of, best := known[s.Name], giveUp
			for _, other := range sampling {
				best = min(best, cmp.Or(of[other].median, giveUp))
			}
			median, p90 := cmp.Or(of[strategy].median, giveUp), cmp.Or(of[strategy].p90, giveUp)
			medians += math.Log(float64(median))
			nineties += math.Log(float64(p90))
			worst = max(worst, float64(median)/float64(best))
			if of[strategy].median == 0 {
				never = "not found"
			}
		}
		n := float64(len(list))
		rows[0] += " | " + strategy
		rows[1] += fmt.Sprintf(" | %.1f", math.Exp(medians/n))
		rows[2] += fmt.Sprintf(" | %.1f", math.Exp(nineties/n))
		rows[3] += " | " + cmp.Or(never, fmt.Sprintf("%.1f", worst))
	}
	rows[0] += " |\n|---" + strings.Repeat("|---", len(sampling)) + "|"
	return "| " + rows[0] + "\n| " + strings.Join(rows[1:], " |\n| ") + " |\n"
}

// The tables of docs/performance.md are those of the record. With -v they are printed. Reference:
// scheduling.md 8.1.
func TestTable_IsThatOfTheDocument(t *testing.T) {
	doc, err := os.ReadFile(tableDoc)
	require.NoError(t, err)
	for _, text := range []string{summary(t), table(t, false), table(t, true)} {
		t.Logf("median / 90th percentile of %d trials\n%s", trials, text)
		assert.True(t, strings.Contains(string(doc), text), "docs/performance.md has no such table")
	}
}
