package explore

import (
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// step is one step of a toy: on which object.
type step uint64

// toy runs one thread for each list of steps and notes who takes those on objects below 100, in which order.
type toy struct {
	threads [][]step
	order   []byte
}

func (y *toy) run(m *ke.Machine) {
	y.order = y.order[:0]
	for i, steps := range y.threads {
		m.NewThread("toy", nil, func(k *ke.K) {
			for _, s := range steps {
				ke.Point(k, ke.Writes(trace.MakeID(trace.Var, uint64(s))))
				if s < 100 {
					y.order = append(y.order, byte('a'+i))
				}
			}
		})
	}
	m.Run(nil)
}

// orders makes so many runs of a toy and counts which orders came of it; steps is the estimate.
func orders(t *testing.T, strategy string, y *toy, runs int) (seen map[string]int, steps int) {
	t.Helper()
	l := newLane(t, strategy, ke.Config{Processors: ke.Unbounded}, y.run)
	seen = map[string]int{}
	for run := range runs {
		l.make(5, uint64(run)+2)
		seen[string(y.order)]++
	}
	return seen, l.c.est.Total
}

// count sums up the orders that are a bug.
func count(seen map[string]int, bug func(order string) bool) (n int) {
	for order, times := range seen {
		if bug(order) {
			n += times
		}
	}
	return n
}

// chiSquare is the distance of the orders of a toy from the uniform distribution over so many.
func chiSquare(t *testing.T, strategy string, y *toy, possible int) float64 {
	t.Helper()
	seen, _ := orders(t, strategy, y, 100*possible)
	assert.LessOrEqual(t, len(seen), possible)
	sum := 0.0
	for _, n := range seen {
		sum += float64(n-100) * float64(n-100) / 100
	}
	return sum + 100*float64(possible-len(seen))
}

// limit is the value that chi square exceeds once in a thousand times where the distribution is uniform
// (Wilson and Hilferty's approximation).
func limit(orders int) float64 {
	df := float64(orders - 1)
	return df * math.Pow(1-2/(9*df)+3.09*math.Sqrt(2/(9*df)), 3)
}

// Reference: scheduling.md 17 (Uniformity).
func TestURW_IsUniformOverInterleavings(t *testing.T) {
	for _, c := range []struct {
		y      toy
		orders int
	}{
		{toy{threads: [][]step{{1, 1}, {2, 2}, {3, 3}}}, 90},
		{toy{threads: [][]step{{1}, {2, 2}, {3, 3, 3, 3}}}, 105},
		{toy{threads: [][]step{{1, 1, 1, 1, 1, 1}, {2, 2}}}, 28},
	} {
		assert.Less(t, chiSquare(t, "urw", &c.y, c.orders), limit(c.orders))
		assert.Greater(t, chiSquare(t, "random", &c.y, c.orders), 3*limit(c.orders), "the test can fail")
	}
}

// The steps on objects from 100 on are private and of very different numbers. The order of the shared ones is
// uniform all the same under surw, and under nothing else.
func TestSURW_IsUniformOverTheSharedSteps(t *testing.T) {
	y := &toy{threads: [][]step{{1, 100, 100, 100, 1}, {1, 1}, {101, 102, 103, 104, 105, 1, 106, 1}}}
	const orders = 90
	assert.Less(t, chiSquare(t, "surw", y, orders), limit(orders))
	assert.Greater(t, chiSquare(t, "urw", y, orders), 3*limit(orders), "the test can fail")
}

// A family of toys of known depth: bystanders, and a thread b whose only step, or whose two steps, must come
// between given steps of a thread a. Reference: scheduling.md 8 (PCT), 17 (Uniformity).
func TestPCT_HitsAtLeastAsOftenAsItPromises(t *testing.T) {
	runs := 20_000
	switch {
	case raceBuild:
		runs = 1000 // the same runs as without, many times slower
	case os.Getenv("SIM_THOROUGH") != "":
		runs = 400_000
	}
	for _, bystanders := range []int{0, 1, 3} {
		for _, length := range []int{2, 5, 12} {
			one, two := &toy{}, &toy{}
			a := make([]step, length)
			for i := range a {
				a[i] = 1
			}
			one.threads = [][]step{a, {1}}
			two.threads = [][]step{a, {1, 1}}
			for range bystanders {
				one.threads = append(one.threads, []step{100, 101, 102, 103})
				two.threads = append(two.threads, []step{100, 101, 102, 103})
			}
			promise(t, 2, one, runs, func(order string, at int) bool {
				return order[at] == 'b' && order[length] == 'a'
			})
			promise(t, 3, two, runs, func(order string, at int) bool {
				return order[at] == 'b' && order[at+1] == 'a' && order[length+1] == 'b'
			})
		}
	}
}

// promise checks pct of a depth: the bug of that depth is that b comes after so many steps of a, that of
// depth 1 that b comes first.
func promise(t *testing.T, depth int, y *toy, runs int, bug func(order string, at int) bool) {
	t.Helper()
	strategy := fmt.Sprint("pct", depth)
	seen, k := orders(t, strategy, y, runs)
	check := func(depth int, bug func(string) bool) {
		p := 1 / (float64(len(y.threads)) * math.Pow(float64(k), float64(depth-1)))
		least := float64(runs)*p - 3*math.Sqrt(float64(runs)*p*(1-p))
		n := count(seen, bug)
		t.Logf("%s, depth %d, %d threads, %d steps: %d of %d, promised %.1f", strategy, depth,
			len(y.threads), k, n, runs, float64(runs)*p)
		assert.GreaterOrEqual(t, float64(n), least)
	}
	for at := 1; at < len(y.threads[0]); at++ {
		check(depth, func(order string) bool { return bug(order, at) })
	}
	check(1, func(order string) bool { return order[0] == 'b' })
}

// A depth of three is beyond pct2, whose one change point cannot make two.
func TestPCT_DepthIsALimit(t *testing.T) {
	y := &toy{threads: [][]step{{1, 1, 1, 1}, {1, 1}}}
	two, _ := orders(t, "pct2", y, 5000)
	three, _ := orders(t, "pct3", y, 5000)
	assert.Zero(t, two["aabaab"])
	assert.Positive(t, three["aabaab"])
}
