package corpus

import (
	"calloutsim/irql"
)

const goKerOrigin = "GoKer "

// goKer are the ideas of kernels of GoBench that are about locks only.
func goKer() []Scenario {
	const from = goKerOrigin
	return []Scenario{
		{Name: "unlock forgotten at the stop", Origin: from + "cockroach/584", Bug: "deadlock",
			Build: forgottenUnlock},
		{Name: "stop holds the lock", Origin: from + "cockroach/1055", Bug: "deadlock", Build: stopHoldsLock},
		{Name: "read lock twice", Origin: from + "cockroach/3710", Bug: "deadlock", Build: readTwice},
		{Name: "readers turn writers", Origin: from + "cockroach/6181", Bug: "deadlock",
			Build: readersTurnWriters},
		{Name: "lease and name cache", Origin: from + "cockroach/7504", Bug: "deadlock", Build: leaseAndName},
		{Name: "heartbeats", Origin: from + "cockroach/10214", Bug: "deadlock", Build: heartbeats},
		{Name: "system config", Origin: from + "cockroach/16167", Bug: "deadlock", Build: systemConfig},
		{Name: "lock per address", Origin: from + "hugo/3251", Bug: "deadlock", Build: lockPerAddress},
		{Name: "cacher", Origin: from + "kubernetes/13135", Bug: "deadlock", Build: cacher},
		{Name: "informer", Origin: from + "kubernetes/30872", Bug: "deadlock", Build: informer},
		{Name: "two queues, one lock", Origin: from + "kubernetes/58107", Bug: "deadlock", Build: twoQueues},
		{Name: "device set", Origin: from + "moby/4951", Bug: "deadlock", Build: deviceSet},
	}
}

// forgottenUnlock: a loop leaves with the lock held when it sees that it shall stop; the other needs the lock
// once more.
func forgottenUnlock(l *Lab) {
	m := &lock{}
	var closed number
	l.setUp(m.init)
	l.thread("bootstrap", func(k *irql.K) {
		for range 2 {
			m.acquire(k)
			if closed.Load(k) != 0 {
				return
			}
			m.release(k)
		}
	})
	l.thread("manage", func(k *irql.K) {
		with(k, m, func() { closed.Store(k, 1) })
		pass(k, m)
	})
}

// stopHoldsLock: stop waits, with the lock held, for tasks that need the lock to say that they are done.
func stopHoldsLock(l *Lab) {
	m, tasks := &lock{}, &sem{}
	running := 0
	l.setUp(func(k *irql.K) { m.init(k); tasks.init(k, 0) })
	l.thread("task", func(k *irql.K) {
		with(k, m, func() { running++ })
		with(k, m, func() { running-- })
		tasks.up(k)
	})
	l.thread("stop", func(k *irql.K) {
		with(k, m, func() {
			if running > 0 {
				tasks.down(k)
			}
		})
	})
}

// readTwice: a reader reads again while it reads, and a writer waits in between.
func readTwice(l *Lab) {
	m := &rw{}
	l.setUp(m.init)
	l.thread("scan", func(k *irql.K) {
		m.read(k)
		m.read(k)
		m.leave(k)
		m.leave(k)
	})
	l.thread("process", func(k *irql.K) {
		m.write(k)
		m.leave(k)
	})
}

// readersTurnWriters: several look something up under the read lock, whose text reads once more, and those
// who do not find it write.
func readersTurnWriters(l *Lab) {
	m := &rw{}
	l.setUp(m.init)
	l.threads(3, func(k *irql.K, _ int) {
		m.read(k)
		m.read(k)
		m.leave(k)
		m.leave(k)
		m.write(k)
		m.leave(k)
	})
}

func leaseAndName(l *Lab) {
	lease, names := &lock{}, &lock{}
	l.setUp(func(k *irql.K) { lease.init(k); names.init(k) })
	l.thread("acquire", func(k *irql.K) {
		pass(k, lease)
		both(k, names, lease)
	})
	l.thread("release", func(k *irql.K) {
		with(k, lease, func() {
			pad(k, 1)
			pass(k, names)
		})
	})
}

// heartbeats: one goes from the store to every replica, the other from its replica to the store.
func heartbeats(l *Lab) {
	store := &lock{}
	var replicas [2]lock
	l.setUp(func(k *irql.K) { store.init(k); replicas[0].init(k); replicas[1].init(k) })
	l.thread("send", func(k *irql.K) {
		with(k, store, func() {
			for i := range replicas {
				pass(k, &replicas[i])
			}
		})
	})
	l.thread("tick", func(k *irql.K) {
		with(k, &replicas[1], func() {
			pad(k, 3)
			pass(k, store)
		})
	})
}

// systemConfig: a writer comes between the two read locks of one that executes.
func systemConfig(l *Lab) {
	m := &rw{}
	l.setUp(m.init)
	l.thread("execute", func(k *irql.K) {
		m.read(k)
		pad(k, 2)
		m.read(k)
		m.leave(k)
		m.leave(k)
	})
	l.thread("update", func(k *irql.K) {
		pad(k, 4)
		m.write(k)
		m.leave(k)
	})
}

// lockPerAddress: who unlocks an address needs the lock of the table, which somebody holds that waits for the
// address.
func lockPerAddress(l *Lab) {
	table, address := &lock{}, &lock{}
	l.setUp(func(k *irql.K) { table.init(k); address.init(k) })
	l.threads(3, func(k *irql.K, _ int) {
		with(k, table, func() { address.acquire(k) })
		with(k, table, func() { address.release(k) })
	})
}

// cacher: the second start takes the locks in the other order than somebody who adds.
func cacher(l *Lab) {
	c, w := &lock{}, &lock{}
	l.setUp(func(k *irql.K) { c.init(k); w.init(k) })
	l.thread("start", func(k *irql.K) {
		pass(k, c)
		pad(k, 2)
		both(k, c, w)
	})
	l.thread("add", func(k *irql.K) { both(k, w, c) })
	l.thread("lists", func(k *irql.K) { pass(k, w); pass(k, c) })
}

// informer: adding and stopping take the locks of the informer and of its queue in opposite orders, and a
// third only one of them.
func informer(l *Lab) {
	inf, fifo := &lock{}, &lock{}
	l.setUp(func(k *irql.K) { inf.init(k); fifo.init(k) })
	l.thread("pop", func(k *irql.K) { both(k, fifo, inf) })
	l.thread("stop", func(k *irql.K) { both(k, inf, fifo) })
	l.thread("add", func(k *irql.K) { pass(k, fifo) })
}

// twoQueues: who waits for something in the first queue holds the read lock; a writer waits; so whoever would
// fill the queue cannot read.
func twoQueues(l *Lab) {
	m, filled := &rw{}, &sem{}
	l.setUp(func(k *irql.K) { m.init(k); filled.init(k, 0) })
	l.thread("fills", func(k *irql.K) {
		m.read(k)
		filled.up(k)
		m.leave(k)
	})
	l.thread("takes", func(k *irql.K) {
		m.read(k)
		filled.down(k)
		m.leave(k)
	})
	l.thread("sync", func(k *irql.K) {
		m.write(k)
		m.leave(k)
	})
}

// deviceSet: removing goes from the set to the device, cleaning up from the device to the set, with work
// before.
func deviceSet(l *Lab) {
	set, device := &lock{}, &lock{}
	l.setUp(func(k *irql.K) { set.init(k); device.init(k) })
	l.thread("remove", func(k *irql.K) {
		pass(k, device)
		with(k, set, func() {
			pad(k, 2)
			pass(k, device)
		})
	})
	l.thread("clean up", func(k *irql.K) {
		pass(k, set)
		both(k, device, set)
	})
}
