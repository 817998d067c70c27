package corpus

import (
	"calloutsim/irql"
)

// goKerChannels are the ideas of kernels of GoBench that are about channels, alone or with locks.
func goKerChannels() []Scenario {
	const from = goKerOrigin
	return []Scenario{
		{Name: "broadcast stop", Origin: from + "etcd/6873", Bug: "deadlock", Build: broadcastStop},
		{Name: "notify under a lock", Origin: from + "etcd/7443", Bug: "deadlock", Build: notifyUnderLock},
		{Name: "token keeper", Origin: from + "etcd/7492", Bug: "deadlock", Build: tokenKeeper},
		{Name: "election", Origin: from + "etcd/7902", Bug: "deadlock", Build: election},
		{Name: "address updates", Origin: from + "grpc/1353", Bug: "deadlock", Build: addressUpdates},
		{Name: "keepalive", Origin: from + "grpc/1460", Bug: "deadlock", Build: keepalive},
		{Name: "mux watcher", Origin: from + "kubernetes/1321", Bug: "deadlock", Build: muxWatcher},
		{Name: "frames", Origin: from + "kubernetes/6632", Bug: "deadlock", Build: frames},
		{Name: "pod status", Origin: from + "kubernetes/10182", Bug: "deadlock", Build: podStatus},
		{Name: "drained too late", Origin: from + "istio/16224", Bug: "deadlock", Build: drainedLate},
		{Name: "file watcher", Origin: from + "moby/27782", Bug: "deadlock", Build: fileWatcher},
		{Name: "health monitor", Origin: from + "moby/28462", Bug: "deadlock", Build: healthMonitor},
		{Name: "result nobody takes", Origin: from + "kubernetes/5316", Bug: "deadlock", Build: nobodyTakes},
	}
}

// broadcastStop: stop waits, with the lock held, for a loop that needs the lock for the last update.
func broadcastStop(l *Lab) {
	m, updates, done := &lock{}, &channel{}, &event{}
	l.setUp(func(k *irql.K) { m.init(k); updates.init(k, 1); done.init(k, irql.NotificationEvent) })
	l.thread("update", updates.send)
	l.thread("coalesce", func(k *irql.K) {
		updates.receive(k)
		pass(k, m)
		done.set(k)
	})
	l.thread("stop", func(k *irql.K) { with(k, m, func() { done.wait(k) }) })
}

// notifyUnderLock: somebody sends with the lock held; the receiver goes through the lock when it has been
// told to close, and does not receive any more.
func notifyUnderLock(l *Lab) {
	m, notes := &lock{}, &channel{}
	var closing number
	l.setUp(func(k *irql.K) { m.init(k); notes.init(k, 0) })
	l.thread("sends", func(k *irql.K) {
		with(k, m, func() {
			if closing.Load(k) == 0 {
				notes.send(k)
			}
		})
	})
	l.thread("receives", func(k *irql.K) {
		if closing.Load(k) == 0 {
			notes.receive(k)
			return
		}
		pass(k, m)
	})
	l.thread("closes", func(k *irql.K) { closing.Store(k, 1) })
}

// tokenKeeper: adding a token sends to the keeper under the lock that the keeper takes to delete old ones.
func tokenKeeper(l *Lab) {
	m, added := &lock{}, &channel{}
	l.setUp(func(k *irql.K) { m.init(k); added.init(k, 1) })
	l.thread("assigns", func(k *irql.K) {
		for range 3 {
			with(k, m, func() { added.send(k) })
		}
	})
	l.thread("keeper", func(k *irql.K) {
		added.receive(k)
		pass(k, m)
		added.receive(k)
		added.receive(k)
	})
}

// election: a follower waits under the lock for the leader, who needs the lock to let it go.
func election(l *Lab) {
	m, next := &lock{}, &event{}
	l.setUp(func(k *irql.K) { m.init(k); next.init(k, irql.NotificationEvent) })
	l.thread("leader", func(k *irql.K) {
		pass(k, m)
		with(k, m, func() { next.set(k) })
	})
	l.thread("follower", func(k *irql.K) {
		pass(k, m)
		with(k, m, func() { next.wait(k) })
	})
}

// addressUpdates: the second update is sent under the lock that the receiver needs for the first.
func addressUpdates(l *Lab) {
	m, updates := &lock{}, &channel{}
	l.setUp(func(k *irql.K) { m.init(k); updates.init(k, 0) })
	l.thread("watches", func(k *irql.K) {
		for range 2 {
			with(k, m, func() { updates.send(k) })
		}
	})
	l.thread("balances", func(k *irql.K) {
		updates.receive(k)
		pass(k, m) // takes an address away
		updates.receive(k)
	})
}

// keepalive: sleeps under the lock until there is a stream; whoever makes one needs the lock.
func keepalive(l *Lab) {
	m, awaken, streams := &lock{}, &event{}, 0
	l.setUp(func(k *irql.K) { m.init(k); awaken.init(k, irql.NotificationEvent) })
	l.thread("stream", func(k *irql.K) {
		pad(k, 2)
		with(k, m, func() { streams++; awaken.set(k) })
	})
	l.thread("keepalive", func(k *irql.K) {
		with(k, m, func() {
			if streams == 0 {
				awaken.wait(k)
			}
		})
	})
}

// muxWatcher: distribute sends under the lock that stopping needs to end the receiving.
func muxWatcher(l *Lab) {
	m, results, watching := &lock{}, &channel{}, true
	l.setUp(func(k *irql.K) { m.init(k); results.init(k, 0) })
	l.thread("stop", func(k *irql.K) {
		pad(k, 2)
		with(k, m, func() { watching = false })
	})
	l.thread("loop", func(k *irql.K) {
		with(k, m, func() {
			if watching {
				results.send(k)
			}
		})
	})
}

// frames: the one that closes goes through the lock under which a frame waits to be taken by it.
func frames(l *Lab) {
	m, reset := &lock{}, &channel{}
	var closed number
	l.setUp(func(k *irql.K) { m.init(k); reset.init(k, 0) })
	l.thread("monitor", func(k *irql.K) {
		if closed.Load(k) != 0 {
			pass(k, m)
			return
		}
		reset.receive(k)
	})
	l.thread("write", func(k *irql.K) {
		with(k, m, func() {
			if closed.Load(k) == 0 {
				reset.send(k)
			}
		})
	})
	l.thread("closer", func(k *irql.K) {
		pad(k, 2)
		closed.Store(k, 1)
	})
}

// podStatus: the batch takes one status and then the lock, under which the second waits to be taken.
func podStatus(l *Lab) {
	m, statuses := &lock{}, &channel{}
	l.setUp(func(k *irql.K) { m.init(k); statuses.init(k, 0) })
	l.thread("batch", func(k *irql.K) {
		for range 2 {
			statuses.receive(k)
			pass(k, m)
		}
	})
	l.threads(2, func(k *irql.K, _ int) { with(k, m, func() { statuses.send(k) }) })
}

// drainedLate: one fills a channel under the lock; who drains it goes through the lock first.
func drainedLate(l *Lab) {
	m, pieces := &lock{}, &channel{}
	l.setUp(func(k *irql.K) { m.init(k); pieces.init(k, 1) })
	l.thread("drains", func(k *irql.K) {
		pass(k, m)
		pieces.receive(k)
		pieces.receive(k)
	})
	l.thread("fills", func(k *irql.K) {
		for range 2 {
			with(k, m, func() { pieces.send(k) })
		}
	})
}

// fileWatcher: who removes waits for a word of the reader of events, and does not take events any more; the
// reader waits for somebody to take the event.
func fileWatcher(l *Lab) {
	events, ignored := &channel{}, &event{}
	var closed number
	l.setUp(func(k *irql.K) { events.init(k, 0); ignored.init(k, irql.NotificationEvent) })
	l.thread("reader", func(k *irql.K) {
		events.send(k)
		ignored.set(k)
	})
	l.thread("follower", func(k *irql.K) {
		if closed.Load(k) != 0 {
			ignored.wait(k) // nobody takes the event any more
			return
		}
		events.receive(k)
		ignored.wait(k)
	})
	l.thread("closer", func(k *irql.K) { closed.Store(k, 1) })
}

// healthMonitor: who changes the state tells the monitor, under the lock that the monitor takes to handle a
// result before it listens again.
func healthMonitor(l *Lab) {
	m, stop := &lock{}, &channel{}
	l.setUp(func(k *irql.K) { m.init(k); stop.init(k, 0) })
	l.thread("monitor", func(k *irql.K) {
		pass(k, m)
		stop.receive(k)
	})
	l.thread("changes", func(k *irql.K) { with(k, m, func() { stop.send(k) }) })
}

// nobodyTakes: whoever asked gives up after a while, and the answer waits for ever to be taken.
func nobodyTakes(l *Lab) {
	answers := &channel{}
	var late number
	l.setUp(func(k *irql.K) { answers.init(k, 0) })
	l.thread("asks", func(k *irql.K) {
		if late.Load(k) == 0 {
			answers.receive(k)
		}
	})
	l.thread("answers", answers.send)
	l.thread("time", func(k *irql.K) {
		pad(k, 3)
		late.Store(k, 1)
	})
}
