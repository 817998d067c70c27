package corpus

import (
	"fmt"

	"calloutsim/irql"
)

// counting are scenarios of threads that do nothing but read and write memory.
func counting() []Scenario {
	return []Scenario{
		atomic(2, 3, 20), atomic(3, 2, 90), atomic(2, 2, 6), atomic(4, 1, 24),
		{Name: "3x5 private + 1 shared", Orders: 6, Build: privateSteps},
		{Name: "3 racy increments", Bug: "an update is lost", Orders: 36, Build: func(l *Lab) { racy(l, 3) }},
		allReadFirst(2), allReadFirst(4), allReadFirst(6),
		{Name: "3x5 independent", Orders: 1, Build: func(l *Lab) { independent(l, 3, 5) }},
	}
}

// atomic is n threads with k read-modify-writes of one location each. There are (nk)!/(k!)^n orders.
func atomic(n, k int, orders uint64) Scenario {
	return Scenario{Name: fmt.Sprintf("%dx%d atomic increments", n, k), Orders: orders, Build: func(l *Lab) {
		var sum number
		l.threads(n, func(c *irql.K, _ int) {
			for range k {
				irql.InterlockedIncrement(c, &sum)
			}
		})
		l.after(func() string { return lost(sum.Peek(), n*k) })
	}}
}

// lost says that a sum is not what it should be.
func lost(sum int32, want int) string {
	if int(sum) == want {
		return ""
	}
	return fmt.Sprintf("updates are lost: the sum is %d and not %d", sum, want)
}

func privateSteps(l *Lab) {
	var sum number
	l.threads(3, func(k *irql.K, _ int) {
		pad(k, 5)
		irql.InterlockedIncrement(k, &sum)
	})
	l.after(func() string { return lost(sum.Peek(), 3) })
}

// independent is n threads of some steps each that have nothing to do with each other.
func independent(l *Lab, n, steps int) {
	l.threads(n, func(k *irql.K, _ int) { pad(k, steps) })
}

func racy(l *Lab, n int) {
	var sum number
	l.threads(n, func(k *irql.K, _ int) { increment(k, &sum) })
	l.after(func() string { return lost(sum.Peek(), n) })
}

// allReadFirst is n racy increments; the bug is that everybody reads before anybody writes.
func allReadFirst(n int) Scenario {
	s := Scenario{Name: fmt.Sprintf("lost update, %d threads", n), Bug: "all read before any writes"}
	s.Build = func(l *Lab) {
		var sum number
		l.threads(n, func(k *irql.K, _ int) { increment(k, &sum) })
		l.after(func() string {
			if sum.Peek() == 1 {
				return "all updates but one are lost"
			}
			return ""
		})
	}
	return s
}
