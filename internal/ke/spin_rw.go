package ke

import (
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
)

// Init makes a free lock, which is referred to by address from then on.
func (l *RWSpin) Init(id trace.ID) {
	*l = RWSpin{sharers: l.sharers[:0]}
	l.claim.ID, l.readers.ID = id, id
	l.readers.rw = l
}

// AcquireRWSpin takes l for k, which is at DISPATCH_LEVEL or above, and keeps its processor busy until it is
// free.
func AcquireRWSpin(k *K, l *RWSpin, exclusive bool) {
	if exclusive {
		AcquireSpin(k, &l.claim)
		Adds(k, Acquires(l.claim.ID))
		spinOn(k, &l.readers)
		Adds(k, Acquires(l.claim.ID))
		return
	}
	Adds(k, Acquires(l.claim.ID))
	spinOn(k, &l.claim)
	Adds(k, Acquires(l.claim.ID))
	l.sharers = append(l.sharers, k)
	l.readers.held = true
}

// ReleaseRWSpin gives l back.
func ReleaseRWSpin(k *K, l *RWSpin, exclusive bool) {
	if exclusive {
		ReleaseSpin(k, &l.claim)
		return
	}
	Adds(k, Releases(l.claim.ID))
	for i, s := range l.sharers {
		if s == k {
			l.sharers = list.Cut(l.sharers, i)
			break
		}
	}
	l.readers.held = len(l.sharers) > 0
}

// UpgradeRWSpin makes the only sharer the exclusive holder, if no writer waits.
func UpgradeRWSpin(k *K, l *RWSpin) bool {
	Adds(k, Tries(l.claim.ID))
	if l.claim.held || len(l.sharers) != 1 {
		return false
	}
	l.claim.held, l.claim.owner = true, k
	l.sharers, l.readers.held = l.sharers[:0], false
	return true
}

// Held reports whether anybody holds or shares l, or waits to hold it.
func (l *RWSpin) Held() bool { return l.claim.held || l.readers.held }

// Holders names who holds or shares l.
func (l *RWSpin) Holders() string {
	if len(l.sharers) == 0 {
		return l.claim.holder()
	}
	s := ""
	for i, k := range l.sharers {
		if i > 0 {
			s += ", "
		}
		s += k.name
	}
	return s
}

func (l *SpinLock) holder() string {
	switch {
	case l.rw != nil:
		return l.rw.Holders()
	case l.owner == nil:
		return "nobody"
	}
	return l.owner.name
}
