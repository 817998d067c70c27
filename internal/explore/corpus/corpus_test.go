package corpus

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
)

// thorough asks for many more schedules; .ci/run sets it.
var thorough = os.Getenv("SIM_THOROUGH") != ""

func TestAll_NamesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range All() {
		assert.False(t, seen[s.Name], s.Name)
		seen[s.Name] = true
		found, ok := Find(s.Name)
		assert.True(t, ok)
		assert.Equal(t, s.Bug, found.Bug)
	}
	_, ok := Find("no such scenario")
	assert.False(t, ok)
}

// inEverySchedule are bugs that the boring run shows as well.
var inEverySchedule = map[string]bool{"spin locks in opposite order": true}

// The boring schedule is a run without a bug. The Trail that a strategy measures it with changes nothing.
func TestAll_BoringRunIsGood(t *testing.T) {
	m := &ke.Machine{}
	defer m.Close()
	for _, s := range All() {
		m.Reset(s.Config(ke.Config{}))
		what := s.Run(m)
		assert.Equal(t, inEverySchedule[s.Name], what != "", "%s: %s", s.Name, what)
		plain := m.Log().Hash()
		m.Reset(s.Config(ke.Config{Source: zeros{}, Trail: &ke.Trail{}}))
		s.Run(m)
		assert.Equal(t, plain, m.Log().Hash(), "%s with a Trail", s.Name)
	}
}

// zeros is the boring schedule as a Scheduler.
type zeros struct{ ke.Boring }

func (zeros) Pick(*ke.Machine, *ke.Moment) int { return 0 }

// A scenario with a bug shows it in some random schedule, one without in none, on every kind of machine.
func TestAll_RandomSchedules(t *testing.T) {
	runs := 300
	if thorough {
		runs = 20_000
	}
	m := &ke.Machine{}
	defer m.Close()
	for _, processors := range []int{2, ke.Unbounded} {
		for _, s := range All() {
			found := ""
			for run := uint64(2); run < uint64(runs) && found == ""; run++ {
				m.Reset(s.Config(ke.Config{Source: ke.NewRandom(0, run), Events: ke.Off,
					Processors: processors}))
				found = s.Run(m)
			}
			assert.Equal(t, s.Bug != "", found != "", "%s, %d processors: %s", s.Name, processors, found)
		}
	}
}

// The counts are (nk)!/(k!)^n, for n threads with k steps on one location each; private steps do not count.
// Reference: scheduling.md 17.
func TestOrders_ClosedForm(t *testing.T) {
	for name, nk := range map[string][2]uint64{
		"2x3 atomic increments": {2, 3}, "3x2 atomic increments": {3, 2}, "2x2 atomic increments": {2, 2},
		"4x1 atomic increments": {4, 1}, "3x5 private + 1 shared": {3, 1}, "3x5 independent": {3, 0},
	} {
		s, ok := Find(name)
		require.True(t, ok, name)
		want := factorial(nk[0] * nk[1])
		for range nk[0] {
			want /= factorial(nk[1])
		}
		assert.Equal(t, want, s.Orders, name)
	}
}

func factorial(n uint64) uint64 {
	f := uint64(1)
	for i := uint64(2); i <= n; i++ {
		f *= i
	}
	return f
}
