package ke

import "calloutsim/internal/list"

// AcquireSpin takes l for k, which is at DISPATCH_LEVEL or above. A taken lock keeps k's processor busy.
func AcquireSpin(k *K, l *SpinLock) {
	Adds(k, Acquires(l.ID))
	spinOn(k, l)
	Adds(k, Acquires(l.ID))
	l.held, l.owner = true, k
	OrderedAfter(k, l)
}

// TryAcquireSpin takes l if it is free.
func TryAcquireSpin(k *K, l *SpinLock) bool {
	Adds(k, Tries(l.ID))
	if l.held {
		return false
	}
	l.held, l.owner = true, k
	OrderedAfter(k, l)
	return true
}

// ReleaseSpin frees l. Those who spin for it may go on; who comes first is a matter of scheduling.
func ReleaseSpin(k *K, l *SpinLock) {
	Adds(k, Releases(l.ID))
	l.held, l.owner = false, nil
	Released(k, l)
}

// HeldBy returns the context that holds l, nil when it is free.
func (l *SpinLock) HeldBy() *K { return l.owner }

// Hold notes that k holds a lock.
func Hold(k *K, h Held) {
	h.Seq, h.Time = k.m.log.Len(), k.m.now
	k.locks = append(k.locks, h)
	OrderedAfter(k, h.Lock)
}

// Unhold forgets that k holds lock; it returns what was noted, and how many locks were taken after it.
func Unhold(k *K, lock any) (h Held, after int, ok bool) {
	for i := len(k.locks) - 1; i >= 0; i-- {
		if k.locks[i].Lock == lock {
			h, after = k.locks[i], len(k.locks)-1-i
			k.locks = list.Cut(k.locks, i)
			Released(k, lock)
			return h, after, true
		}
	}
	return Held{}, 0, false
}

// FindHeld returns what was noted about lock, if k holds it.
func FindHeld(k *K, lock any) (*Held, bool) {
	for i := len(k.locks) - 1; i >= 0; i-- {
		if k.locks[i].Lock == lock {
			return &k.locks[i], true
		}
	}
	return nil, false
}

// Locks returns the locks k holds, in order of acquisition. For use at once.
func Locks(k *K) []Held { return k.locks }

// HoldsSpin returns the innermost spin lock that k's running callback has acquired. One that a callback
// further out holds was reported when that called out of its driver (LOCK-013).
func HoldsSpin(k *K) (*Held, bool) {
	if len(k.locks) == 0 {
		return nil, false
	}
	for i := len(k.locks) - 1; i >= lockBase(k); i-- {
		if k.locks[i].Spin {
			return &k.locks[i], true
		}
	}
	return nil, false
}

// lockBase is the number of locks held before the running callback. Callbacks of queues count as part of
// their caller, as in raiseBase.
func lockBase(k *K) int {
	for i := len(k.frames) - 1; i >= 0; i-- {
		if k.frames[i].Kind != FrameQueue {
			return k.frames[i].locks
		}
	}
	return 0
}

// spinOn keeps k's processor busy while l is held.
func spinOn(k *K, l *SpinLock) {
	t, m := k.t, k.m
	for l.held {
		t.spin, t.since = l, m.now
		m.next = nil
		m.park(k)
		t.spin = nil
	}
}
