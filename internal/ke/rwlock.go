package ke

import (
	"fmt"

	"calloutsim/internal/list"
	"calloutsim/internal/trace"
)

// siteGrant decides who gets a lock that its exclusive owner gives up while several wait.
var siteGrant = Site{Name: "sched/grant", Spec: "irp.md 16; scheduling.md R3"}

// Want is what a request for an RWLock asks for.
type Want uint8

// The requests. Those for shared access differ in what they do when an exclusive request waits.
const (
	WantExclusive    Want = iota
	WantShared            // waits behind it, unless the thread shares the lock already
	WantSharedBehind      // waits behind it in any case
	WantSharedPast        // does not wait for it
)

// RWLock is a lock that one thread owns or several share, and whose waiters give up their processors: the
// mechanism of executive resources and push locks. The zero value is free.
//
// Invariant: owners is empty when the lock is free; an exclusive owner is alone in it; nobody waits for a
// free lock, because whoever gives it up hands it on.
type RWLock struct {
	ID        trace.ID
	exclusive bool
	owners    []rwOwner
	queue     []*rwWaiter
}

type rwOwner struct {
	t     *Thread // nil when key owns the lock
	key   uint64  // what stands for an owner that is no thread, else 0
	count int     // acquisitions not given back
}

type rwWaiter struct {
	t    *Thread
	want Want
	o    Object // signalled when the lock is the thread's
}

// AcquireRW takes l for k (see Owner), again if it is k's already. If it cannot be had at once it waits or,
// without wait and where nobody can wait, gives up. why is for reports; the caller has checked the level.
func AcquireRW(k *K, l *RWLock, want Want, wait bool, why string) bool {
	Adds(k, Acquires(l.ID))
	switch {
	case l.grants(k.owns(), want):
		l.give(Owner(k), want)
		return true
	case !wait, k.isDPC:
		return false
	}
	w := &rwWaiter{t: k.t, want: want}
	w.o = Object{Kind: SynchronizationEvent, ID: l.ID, lock: l}
	l.queue = append(l.queue, w)
	objs := [1]*Object{&w.o}
	Wait(k, objs[:], false, nil, why)
	return true
}

// ReleaseRW gives back one acquisition of k, and hands the lock on when it was the last one. k must own or
// share l.
func ReleaseRW(k *K, l *RWLock) {
	Adds(k, Releases(l.ID))
	i := l.index(k.owns())
	if i < 0 {
		panic("internal error: " + l.ID.String() + " is released by " + k.name + ", which does not own it")
	}
	l.releaseAt(k, i)
}

// releaseAt gives back one acquisition of the owner at index i.
func (l *RWLock) releaseAt(k *K, i int) {
	if l.owners[i].count--; l.owners[i].count > 0 {
		return
	}
	l.owners = list.Cut(l.owners, i)
	if len(l.owners) == 0 && len(l.queue) > 0 {
		l.handOn(k)
	}
}

// ShareRW turns the exclusive ownership of l into a shared one and lets everybody in who waits for that.
func ShareRW(k *K, l *RWLock) {
	Adds(k, Releases(l.ID))
	l.exclusive = false
	l.admit(k)
}

// RWCount returns how often k has acquired l and not given it back, and whether it owns l exclusively.
func RWCount(k *K, l *RWLock) (n int, exclusive bool) {
	if i := l.index(k.owns()); i >= 0 {
		return l.owners[i].count, l.exclusive
	}
	return 0, false
}

// Owned reports whether anybody owns or shares l.
func (l *RWLock) Owned() bool { return len(l.owners) > 0 }

// Waiting counts the requests that wait.
func (l *RWLock) Waiting() (exclusive, shared int) {
	for _, w := range l.queue {
		if w.want == WantExclusive {
			exclusive++
		} else {
			shared++
		}
	}
	return exclusive, shared
}

// Owners names who owns or shares l: "one", "one, two".
func (l *RWLock) Owners() string {
	s := ""
	for i := range l.owners {
		if i > 0 {
			s += ", "
		}
		s += l.owners[i].name()
	}
	return s
}

func (l *RWLock) index(t *Thread) int {
	for i := range l.owners {
		if t != nil && l.owners[i].t == t {
			return i
		}
	}
	return -1
}

// grants says whether a request can be satisfied at once (irp.md 16).
func (l *RWLock) grants(t *Thread, want Want) bool {
	switch mine := l.index(t) >= 0; {
	case len(l.owners) == 0:
		return true
	case l.exclusive:
		return mine
	case want == WantExclusive:
		return false
	case want == WantSharedPast, want == WantShared && mine:
		return true
	}
	exclusive, _ := l.Waiting()
	return exclusive == 0
}

func (l *RWLock) give(t *Thread, want Want) {
	if i := l.index(t); i >= 0 {
		l.owners[i].count++
		return
	}
	l.exclusive = want == WantExclusive
	l.owners = append(l.owners, rwOwner{t: t, count: 1})
}

// handOn gives a lock that has become free to who waits: to one exclusive request, or to all shared ones
// together. When the last sharer leaves, an exclusive request has its turn: the shared ones in the queue wait
// behind it. When an exclusive owner leaves, nothing says who is next; the boring answer is who came first.
func (l *RWLock) handOn(k *K) {
	exclusive, shared := l.Waiting()
	n := exclusive
	if l.exclusive && l.admissible(exclusive) {
		n++
	}
	l.exclusive = false
	if exclusive == 0 {
		if shared > 0 {
			l.admit(k)
		}
		return
	}
	pick, group := k.m.Choose(&siteGrant, n), n == exclusive
	for i, w := range l.queue {
		if w.want != WantExclusive && group || w.want == WantSharedBehind {
			continue // counted already, or not in this turn
		}
		if pick > 0 {
			pick--
			group = group || w.want != WantExclusive
			continue
		}
		if w.want != WantExclusive {
			l.admit(k)
			return
		}
		l.queue = list.Cut(l.queue, i)
		l.grant(k, w)
		return
	}
}

// admissible reports whether a shared request waits that may go before the exclusive ones.
func (l *RWLock) admissible(exclusive int) bool {
	for _, w := range l.queue {
		if w.want == WantShared || w.want == WantSharedPast || w.want == WantSharedBehind && exclusive == 0 {
			return true
		}
	}
	return false
}

// admit lets in the shared requests that wait. Those that go behind exclusive requests in any case stay while
// there is one, except when an owner makes room for all by ShareRW.
func (l *RWLock) admit(k *K) {
	exclusive, _ := l.Waiting()
	behind := exclusive > 0 && len(l.owners) == 0
	waiting := l.queue
	l.queue = nil
	for _, w := range waiting {
		if w.want == WantExclusive || w.want == WantSharedBehind && behind {
			l.queue = append(l.queue, w)
			continue
		}
		l.grant(k, w)
	}
}

func (l *RWLock) grant(k *K, w *rwWaiter) {
	l.give(w.t, w.want)
	SetSignal(k, &w.o, 1)
}

// blockers are the threads without which t, which waits for l, cannot go on: the owners, and for a shared
// request behind exclusive ones those.
func (l *RWLock) blockers(t *Thread, found []*Thread) []*Thread {
	wants := WantExclusive
	for _, w := range l.queue {
		if w.t == t {
			wants = w.want
		}
	}
	if l.exclusive || wants == WantExclusive {
		for i := range l.owners {
			if l.owners[i].t != nil { // for another owner, any thread may release
				found = append(found, l.owners[i].t)
			}
		}
		return found
	}
	for _, w := range l.queue {
		if w.want == WantExclusive {
			found = append(found, w.t)
		}
	}
	return found
}

func (o *rwOwner) name() string {
	if o.t == nil {
		return fmt.Sprintf("the owner pointer %#x", o.key)
	}
	return o.t.name
}
