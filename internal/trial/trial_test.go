package trial

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
)

// fake is a test whose failure is what is tested.
type fake struct{ testing.TB }

func (fake) Helper()                      {}
func (fake) Logf(string, ...any)          {}
func (fake) Failed() bool                 { return false }
func (fake) Fatal(args ...any)            { panic(fmt.Sprint(args...)) }
func (fake) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }

// failure gives what a function says about a scenario that breaks its rule under some schedules; nil is
// nothing.
func failure(judge func(testing.TB, func(int) bool), when func(int) bool) func() any {
	return func() (said any) {
		defer func() { said = recover() }()
		judge(fake{}, when)
		return nil
	}
}

func TestBreaks_EverySchedule(t *testing.T) {
	assert.Nil(t, failure(Breaks, func(int) bool { return true })())
	assert.Contains(t, failure(Breaks, func(number int) bool { return number != 7 })(), "schedules only")
	assert.Contains(t, failure(Breaks, func(number int) bool { return number != 0 })(), "boring schedule")
}

func TestMostlyBreaks_MostSchedules(t *testing.T) {
	mostly := func(t testing.TB, play func(int) bool) { MostlyBreaks(t, "luck", play) }
	assert.Nil(t, failure(mostly, func(number int) bool { return number%4 != 1 })())
	assert.Contains(t, failure(mostly, func(number int) bool { return number%4 == 0 })(), "not most (luck)")
	t.Setenv("SIM_THOROUGH", "1")
	assert.Contains(t, failure(mostly, func(int) bool { return true })(), "use Breaks")
}

func TestKeeps_PlaysEachScheduleOnce(t *testing.T) {
	for value, want := range map[string]int{"": quick + 1, "1": Thorough + 1} {
		t.Setenv("SIM_THOROUGH", value)
		n := 0
		Keeps(t, func(number int) {
			assert.Equal(t, n, number)
			n++
		})
		assert.Equal(t, want, n)
	}
}

func TestWalk_FaultsAreLeftOut(t *testing.T) {
	assert.Nil(t, Walk(0))
	fault, other := ke.Site{Name: "fault/X"}, ke.Site{Name: "sched/x"}
	picked := map[int]bool{}
	for number := 1; number <= 50; number++ {
		w := Walk(number)
		for range 100 {
			assert.Zero(t, w.Choose(&fault, 2))
		}
		picked[w.Choose(&other, 2)] = true
	}
	assert.Len(t, picked, 2)
}
