package irql

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// watchers are told by KeSetEvent and the KeWait routines what driver code does with dispatcher objects.
type watchers struct {
	set  func(k *K, o *ke.Object)
	wait func(k *K, o *ke.Object, forever bool)
}

// Watch lets a package that models a part of the system see which objects driver code signals and waits for,
// before it does; forever says that a wait has no time-out. It is not a routine of Windows.
func (sim) Watch(m *ke.Machine, set func(k *K, o *ke.Object), wait func(k *K, o *ke.Object, forever bool)) {
	state.On(m).watch = watchers{set, wait}
}

// watchSet tells that driver code is about to signal o.
func watchSet(k *K, o *ke.Object) {
	if fn := state.Of(k).watch.set; fn != nil {
		fn(k, o)
	}
}

// watchWait tells that driver code is about to wait for o.
func watchWait(k *K, o *ke.Object, timeout *int64) {
	if fn := state.Of(k).watch.wait; fn != nil {
		fn(k, o, timeout == nil)
	}
}

// NoteOrder is for locks that packages above keep: it remembers that k, which may hold other locks, is about
// to take the lock id in routine d. It is not a routine of Windows. Rules: LOCK-003.
func (sim) NoteOrder(k *K, d ddi.ID, id trace.ID) { noteOrder(k, d, id) }
