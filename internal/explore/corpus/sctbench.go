package corpus

import (
	"fmt"

	"calloutsim/irql"
)

// sctBench are the ideas of programs of SCTBench that make sense with locks. Those that go wrong in every
// schedule are left out.
func sctBench() []Scenario {
	const from = "SCTBench "
	return []Scenario{
		{Name: "account", Origin: from + "account", Bug: "the balance is off", Build: account},
		{Name: "bluetooth driver", Origin: from + "bluetooth_driver", Bug: "work after the stop",
			Build: bluetooth},
		{Name: "carter", Origin: from + "carter01", Bug: "deadlock", Build: carter},
		{Name: "circular buffer", Origin: from + "circular_buffer", Bug: "something else comes out",
			Build: circularBuffer},
		{Name: "two locks", Origin: from + "deadlock01", Bug: "deadlock", Build: twoLocks},
		philosophers(3), philosophers(5),
		{Name: "lazy", Origin: from + "lazy01", Bug: "a reader comes last", Build: lazy},
		{Name: "queue", Origin: from + "queue", Bug: "something else comes out", Build: queue},
		reorder(3), reorder(5), reorder(10),
		{Name: "stack", Origin: from + "stack", Bug: "pop of an empty stack", Build: stack},
		{Name: "token ring", Origin: from + "token_ring", Bug: "the values differ", Build: tokenRing},
		twoStage(1, 1), twoStage(2, 3),
		wrongLock(1, 1), wrongLock(1, 7),
		{Name: "string buffer", Origin: from + "stringbuffer-jdk1.4", Bug: "a length is stale",
			Build: stringBuffer},
	}
}

// account: a deposit and a withdrawal, and somebody who looks when both are done but expects one of them.
func account(l *Lab) {
	m, balance, deposited, withdrawn := &mutex{}, 1, false, false
	l.setUp(m.init)
	l.thread("check", func(k *irql.K) {
		with(k, m, func() { l.failIf(deposited && withdrawn && balance != 1-2-4, "the balance is off") })
	})
	l.thread("deposit", func(k *irql.K) { with(k, m, func() { balance += 2; deposited = true }) })
	l.thread("withdraw", func(k *irql.K) { with(k, m, func() { balance -= 4; withdrawn = true }) })
}

// bluetooth: a request asks whether the driver stops before it counts itself in.
func bluetooth(l *Lab) {
	var stopping, pending number
	stopped := &event{}
	gone := false
	l.setUp(func(k *irql.K) {
		pending.Store(k, 1)
		stopped.init(k, irql.NotificationEvent)
	})
	leave := func(k *irql.K) {
		if irql.InterlockedDecrement(k, &pending) == 0 {
			stopped.set(k)
		}
	}
	l.thread("add", func(k *irql.K) {
		if stopping.Load(k) == 0 {
			irql.InterlockedIncrement(k, &pending)
			l.failIf(gone, "a request is worked on after the driver has stopped")
			leave(k)
		}
	})
	l.thread("stop", func(k *irql.K) {
		stopping.Store(k, 1)
		leave(k)
		stopped.wait(k)
		gone = true
	})
}

// carter: two groups, the first of each takes a lock for its group and the last gives it back, both while
// they hold the lock of the counters.
func carter(l *Lab) {
	counters, group := &lock{}, &lock{}
	l.setUp(func(k *irql.K) { counters.init(k); group.init(k) })
	l.threads(2, func(k *irql.K, _ int) {
		with(k, counters, func() { group.acquire(k) })
		with(k, counters, func() { group.release(k) })
	})
}

// circularBuffer: a producer fills one place at a time and a consumer expects what its own count says.
func circularBuffer(l *Lab) {
	const n = 3
	m, full, item := &mutex{}, false, 0
	l.setUp(m.init)
	l.thread("send", func(k *irql.K) {
		for i := range n {
			with(k, m, func() {
				if !full {
					item, full = i, true
				}
			})
		}
	})
	l.thread("receive", func(k *irql.K) {
		for i := range n {
			with(k, m, func() {
				if full {
					l.failIf(item != i, "something else comes out")
					full = false
				}
			})
		}
	})
}

func twoLocks(l *Lab) {
	a, b := &lock{}, &lock{}
	l.setUp(func(k *irql.K) { a.init(k); b.init(k) })
	l.thread("ab", func(k *irql.K) { both(k, a, b) })
	l.thread("ba", func(k *irql.K) { both(k, b, a) })
}

// philosophers all take the fork on the left first.
func philosophers(n int) Scenario {
	s := Scenario{Name: fmt.Sprint(n, " philosophers"), Origin: "SCTBench din_phil", Bug: "deadlock"}
	s.Build = func(l *Lab) {
		forks := make([]lock, n)
		l.setUp(func(k *irql.K) {
			for i := range forks {
				forks[i].init(k)
			}
		})
		l.threads(n, func(k *irql.K, i int) { both(k, &forks[i], &forks[(i+1)%n]) })
	}
	return s
}

// lazy: the third expects to come before the two others have been.
func lazy(l *Lab) {
	m, data := &mutex{}, 0
	l.setUp(m.init)
	l.thread("look", func(k *irql.K) { with(k, m, func() { l.failIf(data >= 3, "a reader comes last") }) })
	l.thread("one", func(k *irql.K) { with(k, m, func() { data++ }) })
	l.thread("two", func(k *irql.K) { with(k, m, func() { data += 2 }) })
}

// queue: the consumer takes whenever something is there, and the producer says so before all of it is.
func queue(l *Lab) {
	const n = 3
	m, head, tail, announced := &mutex{}, 0, 0, false
	l.setUp(m.init)
	l.thread("enqueue", func(k *irql.K) {
		for range n {
			with(k, m, func() { tail++; announced = true })
		}
	})
	l.thread("dequeue", func(k *irql.K) {
		for range n {
			with(k, m, func() {
				if announced {
					l.failIf(head == tail, "something comes out of an empty queue")
					head++
				}
			})
		}
	})
}

// reorder: n threads set two variables, one looks; the bug is that it sees one of them set.
func reorder(n int) Scenario {
	s := Scenario{Name: fmt.Sprint("reorder, ", n, " setters"), Origin: fmt.Sprintf("SCTBench reorder_%d", n),
		Bug: "one variable is set and the other is not"}
	s.Build = func(l *Lab) {
		var a, b number
		l.threads(n, func(k *irql.K, _ int) { a.Store(k, 1); b.Store(k, -1) })
		l.thread("check", func(k *irql.K) {
			x, y := a.Load(k), b.Load(k)
			l.failIf(x == 1 && y == 0, s.Bug)
		})
	}
	return s
}

func stack(l *Lab) {
	const n = 3
	m, top, flag := &mutex{}, 0, false
	l.setUp(m.init)
	l.thread("push", func(k *irql.K) {
		for range n {
			with(k, m, func() { top++; flag = true })
		}
	})
	l.thread("pop", func(k *irql.K) {
		for range n {
			with(k, m, func() {
				if flag {
					l.failIf(top == 0, "pop of an empty stack")
					top--
				}
			})
		}
	})
}

// tokenRing: three threads copy from each other in a circle; only one order leaves all values the same.
func tokenRing(l *Lab) {
	m, x1, x2, x3, done := &mutex{}, 1, 2, 1, 0
	l.setUp(m.init)
	l.thread("first", func(k *irql.K) { with(k, m, func() { x1 = (x3 + 1) % 4; done++ }) })
	l.thread("second", func(k *irql.K) { with(k, m, func() { x2 = x1; done++ }) })
	l.thread("third", func(k *irql.K) { with(k, m, func() { x3 = x2; done++ }) })
	l.thread("check", func(k *irql.K) {
		with(k, m, func() { l.failIf(done == 3 && (x1 != x2 || x2 != x3), "the values differ") })
	})
}

// twoStage: writers set two values under two locks one after the other; readers expect both or none.
func twoStage(writers, readers int) Scenario {
	s := Scenario{Name: fmt.Sprintf("two stages, %d+%d threads", writers, readers),
		Origin: "SCTBench twostage", Bug: "the second value is not set yet"}
	s.Build = func(l *Lab) {
		m1, m2, v1, v2 := &mutex{}, &mutex{}, 0, 0
		l.setUp(func(k *irql.K) { m1.init(k); m2.init(k) })
		l.threads(writers, func(k *irql.K, _ int) {
			with(k, m1, func() { v1 = 1 })
			with(k, m2, func() { v2 = v1 + 1 })
		})
		l.threads(readers, func(k *irql.K, _ int) {
			seen := 0
			with(k, m1, func() { seen = v1 })
			if seen != 0 {
				with(k, m2, func() { l.failIf(v2 != seen+1, s.Bug) })
			}
		})
	}
	return s
}

// wrongLock: some hold one lock and some another while they change one variable.
func wrongLock(right, wrong int) Scenario {
	s := Scenario{Name: fmt.Sprintf("wrong lock, %d+%d threads", right, wrong), Origin: "SCTBench wronglock",
		Bug: "the variable changes meanwhile"}
	s.Build = func(l *Lab) {
		m1, m2 := &mutex{}, &mutex{}
		var v number
		l.setUp(func(k *irql.K) { m1.init(k); m2.init(k) })
		l.threads(right, func(k *irql.K, _ int) {
			with(k, m1, func() {
				x := v.Load(k)
				v.Store(k, x+1)
				l.failIf(v.Load(k) != x+1, s.Bug)
			})
		})
		l.threads(wrong, func(k *irql.K, _ int) { with(k, m2, func() { increment(k, &v) }) })
	}
	return s
}

// stringBuffer: append asks the other buffer for its length, and then for that many bytes, under a lock each
// time; the length may have changed in between.
func stringBuffer(l *Lab) {
	m, length := &mutex{}, 8
	l.setUp(m.init)
	l.thread("append", func(k *irql.K) {
		n := 0
		with(k, m, func() { n = length })
		with(k, m, func() { l.failIf(n > length, "a length is stale") })
	})
	l.thread("erase", func(k *irql.K) {
		pass(k, m)
		with(k, m, func() { length = 0 })
	})
}
