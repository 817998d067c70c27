package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// LIST_ENTRY is the head of a doubly linked list, or a link of one inside a driver's structure or an IRP. The
// pointers are those of C: an empty head points to itself, and a removed entry keeps stale pointers. The zero
// value is an entry that is in no list; a head needs InitializeListHead.
type LIST_ENTRY struct {
	Flink, Blink *LIST_ENTRY
	// Record is what CONTAINING_RECORD returns: the address of the structure that the entry is a member of,
	// or the block it lies in (of irp.New). The driver sets it once, before it inserts the entry; for the
	// entry of an IRP it is set.
	Record any

	of      *IRP        // the IRP whose Tail.Overlay.ListEntry it is
	in      *LIST_ENTRY // head of the list it is linked into
	run     ke.Stamp    // run in which the other members mean anything
	id      trace.ID
	mode    listMode // of a head
	guard   any      // innermost lock held at the insertion
	guarded uint64   // acquisition of guard
	seq     uint64   // last insertion or removal; initialisation of a head

	mortal
}

// listMode says with which kind of routine a list is changed.
type listMode uint8

const (
	listFresh listMode = iota
	listPlain
	listInterlocked
)

// ID returns the id reports use for a list; entries have none.
func (e *LIST_ENTRY) ID() trace.ID { return e.id }

// Busy says why the memory of the entry must not go, "" when it may.
func (e *LIST_ENTRY) Busy() string {
	switch {
	case e.in != nil:
		return "is linked into a list"
	case e.id != 0 && e.Flink != e:
		return "is a list with entries"
	}
	return ""
}

// BusyRule is the rule that freeing the memory of a linked entry breaks.
func (e *LIST_ENTRY) BusyRule() verify.RuleID { return verify.OBJ_014 }

// Gone tells the entry that its memory is no more.
func (e *LIST_ENTRY) Gone(rule verify.RuleID, seq uint64) {
	*e = LIST_ENTRY{id: e.id, run: e.run}
	e.dies(rule, seq)
}

// CONTAINING_RECORD gives the structure of type T an entry is a member of: the IRP for ListEntry of an IRP,
// else what the driver stored in Record. T is what C names as the type. It is a macro in C.
//
//go:norace
func CONTAINING_RECORD[T any](address *LIST_ENTRY) *T {
	r, ok := address.Record.(*T)
	if !ok {
		panic(ke.Misuse(fmt.Sprintf("CONTAINING_RECORD: the Record of the entry is a %T, not a %T: set it "+
			"before the entry is inserted, and do not pass the head", address.Record, r)))
	}
	return r
}

// linked reports whether e is in a list in this run.
func (e *LIST_ENTRY) linked(k *irql.K) bool { return e.in != nil && e.run.Of(k) }

// name is how reports call the entry.
func (e *LIST_ENTRY) name() string {
	switch {
	case e.of != nil:
		return e.of.id.String()
	case e.id != 0:
		return e.id.String()
	case e.Record != nil:
		return fmt.Sprintf("an entry of a %T", e.Record)
	}
	return "a list entry"
}

// broken reports a list operation that does not fit; for the entry of an IRP it has a number of its own.
func (e *LIST_ENTRY) broken(k *irql.K, d ddi.ID, what, cause string) {
	f := verify.Finding{Rule: verify.OBJ_014, Case: cause, Obj: e.name(),
		Headline: fmt.Sprintf("%v: %s %s", d, e.name(), what)}
	if e.seq != 0 && e.run.Of(k) {
		f.Places = []verify.Place{{Label: "LAST_CHANGED", Seq: e.seq}}
	}
	if e.of != nil {
		f.As, f.Dump = verify.IRP_076, dumpIRP(e.of)
	}
	ke.Report(k, f)
}

// InitializeListHead makes a list empty, or an entry point to itself so that a RemoveEntryList does no harm.
//
// IRQL: any.
// Ownership: the caller's lock guards the list.
// Rules: OBJ-014, IRP-076, POOL-013.
// Reference: wdm/nf-wdm-initializelisthead.
func InitializeListHead(k *irql.K, listHead *LIST_ENTRY) {
	const d = ddi.InitializeListHead
	ke.Enter(k, d)
	h := listHead
	ke.Adds(k, ke.Writes(ke.AddrID(k, h)))
	h.alive(k)
	switch {
	case h.linked(k):
		h.broken(k, d, "is linked into a list, whose neighbours still point to it",
			"initialised while linked")
	case h.id != 0 && h.run.Of(k) && h.Flink != h:
		h.broken(k, d, "still has entries, which are lost", "initialised with entries")
	}
	h.Flink, h.Blink, h.in, h.mode = h, h, nil, listFresh
	if h.of == nil && h.Record == nil && (h.id == 0 || !h.run.Of(k)) {
		h.id = ke.Of(k).NewID(trace.List)
	}
	h.run = ke.StampOf(k)
	h.seq = ke.Call(k, d, h.id)
}

// IsListEmpty reports whether a list has no entries.
//
// IRQL: any.
// Ownership: the caller's lock guards the list.
// Rules: OBJ-014, POOL-013.
// Reference: wdm/nf-wdm-islistempty.
func IsListEmpty(k *irql.K, listHead *LIST_ENTRY) bool {
	ke.Enter(k, ddi.IsListEmpty)
	ke.Adds(k, ke.Reads(ke.AddrID(k, listHead)))
	return !listHead.usable(k, ddi.IsListEmpty) || listHead.Flink == listHead
}

// InsertHeadList puts an entry in front of a list.
//
// IRQL: any.
// Ownership: the caller's lock guards the list; an IRP must be marked pending before.
// Rules: IRP-067, IRP-076, OBJ-014, POOL-013.
// Reference: wdm/nf-wdm-insertheadlist.
func InsertHeadList(k *irql.K, listHead, entry *LIST_ENTRY) {
	ke.Enter(k, ddi.InsertHeadList)
	listHead.insert(k, ddi.InsertHeadList, listPlain, entry, true)
}

// InsertTailList puts an entry at the end of a list.
//
// IRQL: any.
// Ownership: the caller's lock guards the list; an IRP must be marked pending before.
// Rules: IRP-067, IRP-076, OBJ-014, POOL-013.
// Reference: wdm/nf-wdm-inserttaillist.
func InsertTailList(k *irql.K, listHead, entry *LIST_ENTRY) {
	ke.Enter(k, ddi.InsertTailList)
	listHead.insert(k, ddi.InsertTailList, listPlain, entry, false)
}

// RemoveHeadList takes the first entry out of a list. An empty list gives its head back, so ask IsListEmpty
// first.
//
// IRQL: any.
// Ownership: the caller's lock guards the list.
// Rules: IRP-076, OBJ-014, POOL-013.
// Reference: wdm/nf-wdm-removeheadlist.
func RemoveHeadList(k *irql.K, listHead *LIST_ENTRY) *LIST_ENTRY {
	ke.Enter(k, ddi.RemoveHeadList)
	return listHead.takeFrom(k, ddi.RemoveHeadList, listPlain, true)
}

// RemoveTailList takes the last entry out of a list. An empty list gives its head back.
//
// IRQL: any.
// Ownership: the caller's lock guards the list.
// Rules: IRP-076, OBJ-014, POOL-013.
// Reference: wdm/nf-wdm-removetaillist.
func RemoveTailList(k *irql.K, listHead *LIST_ENTRY) *LIST_ENTRY {
	ke.Enter(k, ddi.RemoveTailList)
	return listHead.takeFrom(k, ddi.RemoveTailList, listPlain, false)
}

// RemoveEntryList takes an entry out of the list it is in and reports whether the list is empty now. An entry
// that points to itself stays as it is.
//
// IRQL: any.
// Ownership: the caller's lock guards the list.
// Rules: IRP-076, OBJ-014, POOL-013.
// Reference: wdm/nf-wdm-removeentrylist.
func RemoveEntryList(k *irql.K, entry *LIST_ENTRY) bool {
	const d = ddi.RemoveEntryList
	ke.Enter(k, d)
	switch {
	case entry.uses(k) && entry.linked(k):
		if h := entry.in; h.changes(k, d, listPlain, nil) {
			entry.unlink(k, d)
		}
	case entry.Flink != entry || entry.Blink != entry:
		entry.broken(k, d, "is in no list",
			"removed twice")
		return true
	}
	return entry.Flink == entry.Blink
}

// usable reports a head that was not initialised; false means that the routine has no effect.
func (e *LIST_ENTRY) usable(k *irql.K, d ddi.ID) bool {
	ke.CheckFunctions(k)
	if e.Flink != nil && e.run.Of(k) {
		return true
	}
	if !e.alive(k) {
		return false
	}
	e.broken(k, d, "was not initialised as a list", "list never initialised")
	return false
}

// alive reports an entry or head whose memory is gone.
func (e *LIST_ENTRY) alive(k *irql.K) bool {
	ke.CheckFunctions(k)
	return e.goneRule == verify.NoRule || e.there(k, e.name())
}

// uses says that the step under way looks at the entry and may change it. It is always true.
func (e *LIST_ENTRY) uses(k *irql.K) bool {
	ke.Adds(k, ke.Writes(ke.AddrID(k, e)))
	e.alive(k)
	if e.of != nil {
		e.of.uses(ke.W)
	}
	return true
}

// changes is the check of every routine that changes a list; false means that the routine has no effect.
func (e *LIST_ENTRY) changes(k *irql.K, d ddi.ID, mode listMode, lock *irql.KSPIN_LOCK) bool {
	if !e.uses(k) || !e.usable(k, d) {
		return false
	}
	switch {
	case e.mode == listFresh:
		e.mode = mode
		if lock != nil {
			e.guard = lock
		}
	case e.mode != mode:
		e.broken(k, d, "is changed by interlocked routines and by plain ones",
			"two kinds of routines")
	case lock != nil && e.guard != any(lock):
		e.broken(k, d, "is changed under two different spin locks", "two locks")
	}
	return true
}

// insert links entry behind the head or in front of it.
func (e *LIST_ENTRY) insert(k *irql.K, d ddi.ID, mode listMode, entry *LIST_ENTRY, first bool) {
	if !e.changes(k, d, mode, nil) {
		return
	}
	if entry.uses(k) && entry.linked(k) {
		entry.broken(k, d, "is linked into a list already", "in a list already")
		return
	}
	prev, next := e.Blink, e
	if first {
		prev, next = e, e.Flink
	}
	if prev.Flink != next || next.Blink != prev {
		e.broken(k, d, "is corrupt: its neighbours do not point back", "")
		return
	}
	entry.Flink, entry.Blink = next, prev
	prev.Flink, next.Blink = entry, entry
	entry.in, entry.run = e, ke.StampOf(k)
	entry.guard, entry.guarded = nil, 0
	if held := ke.Locks(k); len(held) > 0 && mode == listPlain {
		h := &held[len(held)-1]
		entry.guard, entry.guarded = h.Lock, h.Seq
	}
	entry.note(k, d, e.id)
}

// note records a change of the list and of the entry.
func (e *LIST_ENTRY) note(k *irql.K, d ddi.ID, list trace.ID) {
	var p trace.ID
	if e.of != nil {
		p = e.of.id
	}
	e.seq = ke.CallOn(k, d, list, p)
}

// takeFrom unlinks the first or last entry; an empty list gives its head.
func (e *LIST_ENTRY) takeFrom(k *irql.K, d ddi.ID, mode listMode, first bool) *LIST_ENTRY {
	if !e.changes(k, d, mode, nil) {
		return e
	}
	at := e.Blink
	if first {
		at = e.Flink
	}
	if at != e && !at.unlink(k, d) {
		return e
	}
	return at
}

// unlink takes e out of its list unless that is corrupt.
func (e *LIST_ENTRY) unlink(k *irql.K, d ddi.ID) bool {
	e.uses(k)
	next, prev := e.Flink, e.Blink
	if next == nil || prev == nil || next.Blink != e || prev.Flink != e {
		e.broken(k, d, "is in a corrupt list: its neighbours do not point back", "")
		return false
	}
	prev.Flink, next.Blink = next, prev
	list := trace.ID(0)
	if e.in != nil {
		list = e.in.id
	}
	e.in = nil
	e.note(k, d, list)
	return true
}

// stillGuarded reports whether k holds the lock, of the same acquisition, under which e was inserted.
func (e *LIST_ENTRY) stillGuarded(k *irql.K) bool {
	h, ok := ke.FindHeld(k, e.guard)
	return e.guard != nil && ok && h.Seq == e.guarded
}

// freedInList reports OBJ-014 for an IRP that is freed while it is linked.
func freedInList(k *irql.K, p *IRP) {
	where, seq := "a list", uint64(0)
	if q := p.waitsFor(); q != nil {
		where, seq = q.name(), p.devEntry.seq
	} else {
		seq = p.entry.seq
	}
	p.report(k, verify.Finding{Rule: verify.OBJ_014, Case: "freed in a list",
		Headline: fmt.Sprintf("%v is freed while it is linked into %s", p.id, where),
		Places:   []verify.Place{{Label: "LAST_CHANGED", Seq: seq}}})
}
