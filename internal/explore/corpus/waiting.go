package corpus

import (
	"fmt"

	"calloutsim/irql"
)

// waiting are scenarios of locks, events and semaphores.
func waiting() []Scenario {
	return []Scenario{
		lostWakeUp(2), lostWakeUp(20),
		{Name: "bounded buffer, if", Bug: "a consumer takes from an empty buffer",
			Build: func(l *Lab) { boundedBuffer(l, false) }},
		{Name: "bounded buffer, while", Build: func(l *Lab) { boundedBuffer(l, true) }},
		{Name: "spin locks in opposite order", Bug: "LOCK-003", Build: spinOrder},
		{Name: "events in opposite order", Bug: "deadlock", Build: eventOrder},
		{Name: "pulse of an event", Bug: "a waiter misses the pulse", Build: func(l *Lab) { pulse(l, true) }},
		{Name: "set of an event", Build: func(l *Lab) { pulse(l, false) }},
		{Name: "semaphore inside a lock", Bug: "deadlock", Build: func(l *Lab) { semaphores(l, true) }},
		{Name: "semaphore outside a lock", Build: func(l *Lab) { semaphores(l, false) }},
		{Name: "polling with a delay", Build: func(l *Lab) { polling(l, true) }},
		{Name: "polling with a yield", Build: func(l *Lab) { polling(l, false) }},
	}
}

// lostWakeUp is a waiter that says that it waits only after it has looked.
func lostWakeUp(steps int) Scenario {
	s := Scenario{Name: fmt.Sprintf("lost wake-up, %d padding steps", steps), Bug: "the waiter never wakes"}
	s.Build = func(l *Lab) {
		var ready, waits number
		e := &event{}
		l.setUp(func(k *irql.K) { e.init(k, irql.SynchronizationEvent) })
		l.thread("waiter", func(k *irql.K) {
			pad(k, steps)
			if ready.Load(k) == 0 {
				waits.Store(k, 1)
				e.wait(k)
			}
		})
		l.thread("waker", func(k *irql.K) {
			pad(k, steps)
			ready.Store(k, 1)
			if waits.Load(k) == 1 {
				e.set(k)
			}
		})
	}
	return s
}

// boundedBuffer is two producers and two consumers of two items each, with one place.
func boundedBuffer(l *Lab, again bool) {
	m, notEmpty, notFull, count := &mutex{}, &cond{}, &cond{}, 0
	l.setUp(func(k *irql.K) {
		m.init(k)
		notEmpty.init(k)
		notFull.init(k)
	})
	until := func(k *irql.K, c *cond, ok func() bool) {
		for !ok() {
			if c.wait(k, m); !again {
				return
			}
		}
	}
	for i := range 2 {
		l.thread(fmt.Sprint("producer ", i), func(k *irql.K) {
			for range 2 {
				with(k, m, func() {
					until(k, notFull, func() bool { return count == 0 })
					count++
					l.failIf(count > 1, "a producer puts into a full buffer")
					notEmpty.signal(k)
				})
			}
		})
		l.thread(fmt.Sprint("consumer ", i), func(k *irql.K) {
			for range 2 {
				with(k, m, func() {
					until(k, notEmpty, func() bool { return count > 0 })
					count--
					l.failIf(count < 0, "a consumer takes from an empty buffer")
					notFull.signal(k)
				})
			}
		})
	}
}

func spinOrder(l *Lab) {
	var locks [2]irql.KSPIN_LOCK
	l.setUp(func(k *irql.K) {
		irql.KeInitializeSpinLock(k, &locks[0])
		irql.KeInitializeSpinLock(k, &locks[1])
	})
	l.threads(2, func(k *irql.K, i int) {
		var old irql.KIRQL
		irql.KeAcquireSpinLock(k, &locks[i], &old)
		irql.KeAcquireSpinLockAtDpcLevel(k, &locks[1-i])
		irql.KeReleaseSpinLockFromDpcLevel(k, &locks[1-i])
		irql.KeReleaseSpinLock(k, &locks[i], old)
	})
}

func eventOrder(l *Lab) {
	var free [2]event
	l.setUp(func(k *irql.K) {
		for i := range free {
			free[i].init(k, irql.SynchronizationEvent)
			free[i].set(k)
		}
	})
	l.threads(2, func(k *irql.K, i int) {
		free[i].wait(k)
		free[1-i].wait(k)
		free[1-i].set(k)
		free[i].set(k)
	})
}

// pulse sets an event for those that wait at that moment. Whoever has said that it will wait and does not yet
// misses it.
func pulse(l *Lab, clears bool) {
	e, says := &event{}, &event{}
	l.setUp(func(k *irql.K) {
		e.init(k, irql.NotificationEvent)
		says.init(k, irql.SynchronizationEvent)
	})
	l.thread("waiter", func(k *irql.K) {
		says.set(k)
		e.wait(k)
	})
	l.thread("pulser", func(k *irql.K) {
		says.wait(k)
		e.set(k)
		if clears {
			e.reset(k)
		}
	})
}

// semaphores is a consumer that holds, or does not hold, the lock which the producer needs.
func semaphores(l *Lab, inside bool) {
	items, queue := &sem{}, &lock{}
	l.setUp(func(k *irql.K) {
		items.init(k, 0)
		queue.init(k)
	})
	l.thread("producer", func(k *irql.K) {
		pass(k, queue)
		items.up(k)
	})
	l.thread("consumer", func(k *irql.K) {
		if inside {
			with(k, queue, func() { items.down(k) })
			return
		}
		items.down(k)
		pass(k, queue)
	})
}

// polling is a driver that looks at a flag again and again until somebody has set it.
func polling(l *Lab, delays bool) {
	var flag number
	l.thread("poller", func(k *irql.K) {
		due := int64(-10_000)
		for flag.Load(k) == 0 {
			if delays {
				irql.KeDelayExecutionThread(k, irql.KernelMode, false, &due)
			} else {
				irql.Yield(k)
			}
		}
	})
	l.thread("setter", func(k *irql.K) {
		pad(k, 5)
		flag.Store(k, 1)
	})
}
