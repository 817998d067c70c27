package ke

import (
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// SpinLock is a spin lock of any kind: one owner, the others occupy their processors.
type SpinLock struct {
	ID    trace.ID
	held  bool
	owner *K
	rw    *RWSpin // whose readers this stands for
}

// Held is a lock that a context holds; it is what return checks and rules look at.
type Held struct {
	Lock  any // *SpinLock or the package's own lock
	ID    trace.ID
	Kind  uint8 // of the package above
	Saved uint8 // IRQL to restore
	Spin  bool  // spin lock of any kind
	Seq   uint64
	Time  int64 // when it was acquired

	// Rules for a callback that returns, and for a thread that ends, while holding it; NoRule is LOCK-008.
	AtReturn, AtEnd verify.RuleID
}

// AcquireSpin takes l for k, which is at DISPATCH_LEVEL or above. A taken lock keeps k's processor busy.
func AcquireSpin(k *K, l *SpinLock) {
	Adds(k, Use{l.ID, Acq})
	spinOn(k, l)
	Adds(k, Use{l.ID, Acq})
	l.held, l.owner = true, k
	OrderedAfter(k, l)
}

// TryAcquireSpin takes l if it is free.
func TryAcquireSpin(k *K, l *SpinLock) bool {
	Adds(k, Use{l.ID, Try})
	if l.held {
		return false
	}
	l.held, l.owner = true, k
	OrderedAfter(k, l)
	return true
}

// ReleaseSpin frees l. Those who spin for it may go on; who comes first is a matter of scheduling.
func ReleaseSpin(k *K, l *SpinLock) {
	Adds(k, Use{l.ID, Rel})
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
