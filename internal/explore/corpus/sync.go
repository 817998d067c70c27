package corpus

import "calloutsim/irql"

// many is a limit no semaphore here reaches.
const many = 1000

// sem is a semaphore with the two calls one needs.
type sem struct{ s irql.KSEMAPHORE }

func (s *sem) init(k *irql.K, count int32) { irql.KeInitializeSemaphore(k, &s.s, count, many) }
func (s *sem) up(k *irql.K)                { irql.KeReleaseSemaphore(k, &s.s, 0, 1, false) }
func (s *sem) down(k *irql.K)              { wait(k, &s.s) }

// lock is a lock whose order nobody watches: a semaphore of one.
type lock struct{ sem }

func (l *lock) init(k *irql.K)    { l.sem.init(k, 1) }
func (l *lock) acquire(k *irql.K) { l.down(k) }
func (l *lock) release(k *irql.K) { l.up(k) }

// mutex is a fast mutex.
type mutex struct{ m irql.FAST_MUTEX }

func (m *mutex) init(k *irql.K)    { irql.ExInitializeFastMutex(k, &m.m) }
func (m *mutex) acquire(k *irql.K) { irql.ExAcquireFastMutex(k, &m.m) }
func (m *mutex) release(k *irql.K) { irql.ExReleaseFastMutex(k, &m.m) }

// locker is what can be acquired and released.
type locker interface {
	acquire(k *irql.K)
	release(k *irql.K)
}

// with runs fn under a lock.
func with(k *irql.K, l locker, fn func()) {
	l.acquire(k)
	fn()
	l.release(k)
}

// pass takes a lock and gives it back.
func pass(k *irql.K, l locker) { with(k, l, func() {}) }

// both takes two locks, the second inside the first, and gives them back.
func both(k *irql.K, outer, inner locker) { with(k, outer, func() { pass(k, inner) }) }

// channel hands over tokens. One of size 0 lets the sender wait until somebody has taken what it sent.
type channel struct {
	items, room sem
	size        int32
}

func (c *channel) init(k *irql.K, size int32) {
	c.size = size
	c.items.init(k, 0)
	c.room.init(k, size)
}

func (c *channel) send(k *irql.K) {
	if c.size > 0 {
		c.room.down(k)
		c.items.up(k)
		return
	}
	c.items.up(k)
	c.room.down(k)
}

func (c *channel) receive(k *irql.K) {
	c.items.down(k)
	c.room.up(k)
}

// cond is a condition variable beside a mutex.
type cond struct {
	s       sem
	waiters int
}

func (c *cond) init(k *irql.K) { c.s.init(k, 0) }

// wait is called with the mutex held, and gives it up meanwhile.
func (c *cond) wait(k *irql.K, m *mutex) {
	c.waiters++
	m.release(k)
	c.s.down(k)
	m.acquire(k)
}

func (c *cond) signal(k *irql.K) {
	if c.waiters > 0 {
		c.waiters--
		c.s.up(k)
	}
}

// event is an event of either kind.
type event struct{ e irql.KEVENT }

func (e *event) init(k *irql.K, kind irql.EVENT_TYPE) { irql.KeInitializeEvent(k, &e.e, kind, false) }
func (e *event) set(k *irql.K)                        { irql.KeSetEvent(k, &e.e, 0, false) }
func (e *event) reset(k *irql.K)                      { irql.KeClearEvent(k, &e.e) }
func (e *event) wait(k *irql.K)                       { wait(k, &e.e) }

func wait(k *irql.K, object any) {
	irql.KeWaitForSingleObject(k, object, irql.Executive, irql.KernelMode, false, nil)
}

// rw is a resource whose readers queue behind a writer that waits, also those that read already.
type rw struct{ r irql.ERESOURCE }

func (r *rw) init(k *irql.K) { irql.ExInitializeResourceLite(k, &r.r) }

func (r *rw) read(k *irql.K) {
	irql.KeEnterCriticalRegion(k)
	irql.ExAcquireSharedWaitForExclusive(k, &r.r, true)
}

func (r *rw) write(k *irql.K) {
	irql.KeEnterCriticalRegion(k)
	irql.ExAcquireResourceExclusiveLite(k, &r.r, true)
}

func (r *rw) leave(k *irql.K) {
	irql.ExReleaseResourceLite(k, &r.r)
	irql.KeLeaveCriticalRegion(k)
}

// number is memory that several threads share.
type number = irql.Var[int32]

// increment is an increment in two steps, as a compiler may make it of n++.
func increment(k *irql.K, n *number) { n.Store(k, n.Load(k)+1) }

// pad takes steps nobody else can notice.
func pad(k *irql.K, steps int) {
	var own number
	for i := range steps {
		own.Store(k, int32(i))
	}
}
