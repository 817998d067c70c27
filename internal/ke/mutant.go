package ke

import (
	"calloutsim/internal/list"
	"calloutsim/ntstatus"
)

// owned makes t the owner of o, which nobody owned.
func (o *Object) owned(t *Thread) {
	if !o.Mutant {
		t.kernelAPC--
		return
	}
	t.mutants = append(t.mutants, o)
}

// disowned takes o from its owner.
func (o *Object) disowned() {
	t := o.Owner
	o.Owner = nil
	if !o.Mutant {
		t.kernelAPC++
		return
	}
	for i, x := range t.mutants {
		if x == o {
			t.mutants = list.Cut(t.mutants, i)
			break
		}
	}
}

// OwnMutant makes the thread of k the owner of a new mutant.
func OwnMutant(k *K, o *Object) {
	Adds(k, Acquires(o.ID))
	o.takeFor(k)
}

// AbandonMutant frees o whoever owns it, however often; its next owner is told. It returns the signal state
// before.
func AbandonMutant(k *K, o *Object) int32 {
	old := o.Signal
	Adds(k, Releases(o.ID))
	if r := k.m.races; r != nil {
		r.release(k, o)
	}
	k.m.abandoned(o)
	if len(k.apcs) > 0 {
		DeliverAPCs(k)
	}
	return old
}

func (m *Machine) abandoned(o *Object) {
	if o.Owner != nil {
		o.disowned()
	}
	o.Signal, o.Abandoned = 1, true
	m.satisfy(o)
}

// abandon gives up the mutants of a thread that ends.
func (m *Machine) abandon(t *Thread) {
	for len(t.mutants) > 0 {
		o := t.mutants[0]
		t.mutants = list.Cut(t.mutants, 0)
		if o.Owner != t {
			continue // initialised again while it was owned
		}
		m.AddsOn(Releases(o.ID))
		if m.races != nil {
			m.races.release(&t.K, o)
		}
		m.abandoned(o)
	}
}

// told is the status of a wait that has made its thread the owner of o: STATUS_ABANDONED is added where
// nobody released it (irp.md 15).
func (o *Object) told(s ntstatus.NTSTATUS) ntstatus.NTSTATUS {
	if o.Kind != MutexObject || !o.Abandoned {
		return s
	}
	o.Abandoned = false
	return s | ntstatus.STATUS_ABANDONED_WAIT_0
}

// Pulse signals an event for those who wait for it at this moment, and for nobody else. It returns the state
// before.
func Pulse(k *K, o *Object) int32 {
	old := SetSignal(k, o, 1)
	SetSignal(k, o, 0)
	return old
}
