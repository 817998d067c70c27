package ke

import (
	"calloutsim/internal/list"
	"calloutsim/internal/verify"
)

// What belongs to a context, and what to the thread it interrupted. Every routine that asks who owns
// something, or makes somebody its owner, asks here.
//
// A thread's own code has the thread's K: its routine, and whatever is called from there, dispatch,
// completion and classify routines, callbacks and APCs. All of it is the thread, and owns what the thread
// owns.
//
// A DPC, a timer's DPC and a delivery from outside borrow the stack of whichever thread ran on their
// processor and have a K of their own. Theirs is what they acquired since they began: spin locks, queued or
// not, the level, and, in a run that goes on after the finding about it, mutexes, resources, push locks and
// regions. What the interrupted thread owns is not theirs, although KeGetCurrentThread names that thread on
// Windows too: which thread it is, is chance, and a routine that profits from it works by chance. What such a
// context still owns when it returns is owned by nobody who could give it back.
//
// What Windows looks up in the current thread and only reports, its id, its process, who requests, is that of
// the interrupted thread: ThreadOf.

// Owner returns the owner of what k acquires: the thread itself or, for a context that borrows its stack, a
// stand-in that lives as long as the context.
func Owner(k *K) *Thread {
	switch {
	case !k.isDPC:
		return k.t
	case k.own == nil:
		k.own = &Thread{K: K{m: k.m, name: k.name, num: k.num, cpu: k.cpu}, ID: k.t.ID, state: stDone}
		k.own.t = k.own
	}
	return k.own
}

// Owns reports whether t, the owner of a lock or nil, is who k acquires things for.
func Owns(k *K, t *Thread) bool { return t != nil && t == k.owns() }

// owns is Owner, but nil for a context that owns nothing yet.
func (k *K) owns() *Thread {
	if k.isDPC {
		return k.own
	}
	return k.t
}

// disown ends what a borrowed context owned: its locks stay as they are, but nobody is their owner any more.
func (k *K) disown() {
	k.own = nil
	kept := 0
	for i := range k.locks {
		if k.locks[i].Spin {
			k.locks[kept] = k.locks[i]
			kept++
		}
	}
	clear(k.locks[kept:])
	k.locks = k.locks[:kept]
}

// Drop forgets that anybody holds lock: somebody who does not own it has given it back, which was reported.
func Drop(k *K, lock any) {
	for _, c := range k.m.Contexts() {
		for i := range c.locks {
			if c.locks[i].Lock == lock {
				c.locks = list.Cut(c.locks, i)
				break
			}
		}
	}
}

// BugCheck is Report for an act that leaves nothing to go on with, in a run that collects findings neither.
func BugCheck(k *K, f verify.Finding) {
	keep(k, &f)
	k.m.breaksOff()
	k.m.dead, k.m.cur = true, nil
	k.m.die()
}
