//go:build linux || darwin || windows

package sim

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/irp"
)

// keepsSlice writes through a slice that it kept, in schedules where the memory is freed by then.
func keepsSlice(m *Machine) {
	var kept []byte
	m.Thread("keeps.sys", func(k *ke.K) {
		b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 64, testTag)
		if b == nil {
			return
		}
		kept = b.Bytes()
		touch(k, 0)
		irp.ExFreePoolWithTag(k, b, testTag)
		touch(k, 0)
	})
	m.Thread("late.sys", func(k *ke.K) {
		touch(k, 0)
		writeKept(kept)
	})
	m.Run()
}

func writeKept(kept []byte) {
	if kept != nil {
		kept[5] = 1
	}
}

func TestExplore_RepeatsLateFindingsWithSpecialPool(t *testing.T) {
	r := collected(t, ExploreOptions{}, keepsSlice)
	require.Len(t, r.Failures, 1)
	f := r.Failures[0]
	assert.True(t, f.Repeats)
	assert.Equal(t, []string{"POOL-013"}, f.Rules)
	assert.Zero(t, f.Token.Options)
	assert.Contains(t, f.Headline, "was written after it was freed")
	assert.Contains(t, f.Report, "Repeated with special pool; the run itself was "+f.Token.String())
	assert.Contains(t, f.Report, "+0x5 is touched after it was freed")
	assert.Regexp(t, `writeKept +specialpool_test\.go:\d+`, f.Report)
	assert.Contains(t, f.Report, "ALLOCATED:")
	assert.Contains(t, f.Report, "FREED:")

	token := tokenRE.FindStringSubmatch(f.Report)[1]
	again, err := ParseToken(token)
	require.NoError(t, err)
	assert.EqualValues(t, bitSpecialPool, again.Options)

	tb := &runTB{name: t.Name()}
	e := &explorer{tb: tb, fn: keepsSlice, name: t.Name(), scenario: f.Token.Scenario,
		repeat: func(token string) []string { return []string{token} }}
	apart(&runTB{}, func() { e.repeatOnly(&f.Token) }) // -sim.replay with the token of the run itself
	assert.Contains(t, strings.Join(tb.messages, "\n"), "is touched after it was freed")
}

func TestSpecialPool_ReportIsTheSameInEveryProcessAndRun(t *testing.T) {
	var first string
	for range 3 {
		r := collected(t, ExploreOptions{}, keepsSlice)
		report := r.Failures[0].Report
		_, report, _ = strings.Cut(report, "specialpool_test.go") // the rest holds the number of the machine
		report, _, _ = strings.Cut(report, "REPLAY")
		if first == "" {
			first = report
		}
		assert.Equal(t, first, report)
	}
}

func TestSpecialPool_Option(t *testing.T) {
	r := collected(t, ExploreOptions{Options: Options{SpecialPool: true}, KeepGoing: true}, keepsSlice)
	require.Len(t, r.Failures, 1)
	assert.EqualValues(t, bitSpecialPool, r.Failures[0].Token.Options)
	assert.Contains(t, r.Failures[0].Headline, "is touched after it was freed")
	assert.True(t, r.Failures[0].Repeats)
	assert.NotContains(t, r.Failures[0].Report, "Repeated with special pool")
	assert.Contains(t, (&Options{SpecialPool: true}).String(), "special pool")
}
