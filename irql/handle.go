package irql

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
)

// HANDLE names an object of the system process. The zero HANDLE is NULL.
type HANDLE uint64

// firstHandle is the first kernel handle; like those of Windows they have the highest bits set and are
// multiples of 4.
const firstHandle HANDLE = 0xFFFFFFFF80000004

// OpenHandle is a handle that is not closed yet.
type OpenHandle struct {
	Handle HANDLE
	Object any
	Image  *ke.Image // who opened it; nil is the system
	Seq    uint64    // event after which it was opened
}

// HandleTable is the table of kernel handles of a machine. Handles are not given out twice in a run.
type HandleTable struct {
	open []OpenHandle
	made uint64
}

// Handles returns the table of k's machine. It is for the packages that make and close handles for drivers.
func (sim) Handles(k *K) *HandleTable { return &state.Of(k).handles }

// HandlesOn returns the table of a machine.
func (sim) HandlesOn(m *ke.Machine) *HandleTable { return &state.On(m).handles }

// Open makes a handle for object.
func (t *HandleTable) Open(k *K, object any) HANDLE {
	h := firstHandle + HANDLE(4*t.made)
	t.made++
	t.open = append(t.open, OpenHandle{h, object, ke.Acting(k), ke.Of(k).Log().Len()})
	return h
}

// Lookup returns the object h names; ok is false when h is no open handle.
func (t *HandleTable) Lookup(h HANDLE) (object any, ok bool) {
	if i := t.index(h); i >= 0 {
		return t.open[i].Object, true
	}
	return nil, false
}

// WasOpen reports whether h was given out in this run, open or closed.
func (t *HandleTable) WasOpen(h HANDLE) bool {
	return h >= firstHandle && h%4 == 0 && uint64(h-firstHandle)/4 < t.made
}

// Close ends h and returns the object it named; ok is false when h is no open handle.
func (t *HandleTable) Close(h HANDLE) (object any, ok bool) {
	i := t.index(h)
	if i < 0 {
		return nil, false
	}
	object = t.open[i].Object
	t.open = list.Cut(t.open, i)
	return object, true
}

func (t *HandleTable) index(h HANDLE) int {
	for i := range t.open {
		if t.open[i].Handle == h {
			return i
		}
	}
	return -1
}

// List returns the open handles in order of opening. The slice is for use at once.
func (t *HandleTable) List() []OpenHandle { return t.open }
