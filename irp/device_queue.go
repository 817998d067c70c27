package irp

import (
	"fmt"
	"unsafe"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// KDEVICE_QUEUE holds the requests of one device that is busy with another one. It has a lock of its own, so
// that nothing else has to guard it. Each DEVICE_OBJECT has one; a driver puts others into nonpaged memory
// of its own.
//
//	state      KeInsert*DeviceQueue           KeRemove(ByKey)DeviceQueue
//	not busy   busy, FALSE: begin with it     an error; NULL
//	busy       the entry is queued, TRUE      the entry that is next; without one not busy, NULL
//
// KeRemoveEntryDeviceQueue never changes the state.
type KDEVICE_QUEUE struct {
	mortal
	run     ke.Stamp
	id      trace.ID
	dev     *DEVICE_OBJECT // whose DeviceQueue it is
	busy    bool
	first   *KDEVICE_QUEUE_ENTRY
	n       int
	initSeq uint64
}

// KDEVICE_QUEUE_ENTRY is the link of a request in a device queue: that of an IRP (DeviceQueueEntry) or a
// member of a structure of the driver's. CONTAINING_RECORD takes its DeviceListEntry, whose Record the driver
// sets.
type KDEVICE_QUEUE_ENTRY struct {
	DeviceListEntry LIST_ENTRY

	of   *IRP
	run  ke.Stamp
	in   *KDEVICE_QUEUE
	next *KDEVICE_QUEUE_ENTRY
	key  uint32
	seq  uint64
}

// name is how reports call the queue.
func (q *KDEVICE_QUEUE) name() string {
	switch {
	case q.dev != nil:
		return "the device queue of " + q.dev.id.String()
	case q.id != 0:
		return q.id.String()
	}
	return "a device queue"
}

// logged is the id for events.
func (q *KDEVICE_QUEUE) logged() trace.ID {
	if q.dev != nil {
		return q.dev.id
	}
	return q.id
}

// ID returns the id reports use for the queue.
func (q *KDEVICE_QUEUE) ID() trace.ID { return q.id }

// Busy says why the memory of the queue must not go, "" when it may.
func (q *KDEVICE_QUEUE) Busy() string {
	if q.first != nil && q.run.Live() {
		return "is a device queue with entries"
	}
	return ""
}

// BusyRule is the rule that freeing the memory of a queue with entries breaks.
func (q *KDEVICE_QUEUE) BusyRule() verify.RuleID {
	return verify.OBJ_014
}

// Gone tells the queue that its memory is no more.
func (q *KDEVICE_QUEUE) Gone(rule verify.RuleID, seq uint64) { q.dies(rule, seq) }

// Busy says why the memory of the entry must not go, "" when it may.
func (e *KDEVICE_QUEUE_ENTRY) Busy() string {
	if e.in != nil && e.run.Live() {
		return "is in a device queue"
	}
	return ""
}

// BusyRule is the rule that freeing the memory of a queued entry breaks.
func (e *KDEVICE_QUEUE_ENTRY) BusyRule() verify.RuleID {
	return verify.OBJ_014
}

// Gone tells the entry that its memory is no more.
func (e *KDEVICE_QUEUE_ENTRY) Gone(verify.RuleID, uint64) { *e = KDEVICE_QUEUE_ENTRY{} }

func (e *KDEVICE_QUEUE_ENTRY) name() string {
	switch {
	case e.of != nil:
		return e.of.id.String()
	case e.DeviceListEntry.Record != nil:
		return fmt.Sprintf("an entry of a %T", e.DeviceListEntry.Record)
	}
	return "a device queue entry"
}

// broken reports an operation that does not fit the queue or, unless that is nil, the entry.
func (q *KDEVICE_QUEUE) broken(k *irql.K, d ddi.ID, e *KDEVICE_QUEUE_ENTRY, what, cause string) {
	f := verify.Finding{Rule: verify.OBJ_014, Case: cause, Obj: q.name(),
		Headline: fmt.Sprintf("%v: %s", d, what)}
	if q.initSeq != 0 && q.run.Of(k) {
		f.Places = append(f.Places, verify.Place{Label: "INITIALISED", Seq: q.initSeq})
	}
	if e != nil {
		f.Obj = e.name()
		if e.seq != 0 && e.run.Of(k) {
			f.Places = append(f.Places, verify.Place{Label: "LAST_CHANGED", Seq: e.seq})
		}
		if e.of != nil {
			f.As, f.Dump = verify.IRP_076, dumpIRP(e.of)
		}
	}
	ke.Report(k, f)
}

// usable reports a queue that is not initialised or gone; false means that the routine has no effect.
func (q *KDEVICE_QUEUE) usable(k *irql.K, d ddi.ID) bool {
	ke.Alive(k, q.id)
	if !q.there(k, q.name()) {
		return false
	}
	if q.id != 0 && q.run.Of(k) {
		return true
	}
	q.broken(k, d, nil, q.name()+" that was not initialised", "queue never initialised")
	return false
}

// uses says what the step under way does to the queue.
func (q *KDEVICE_QUEUE) uses(k *irql.K, how ke.Access) { ke.Adds(k, ke.Use{Obj: q.id, How: how}) }

// KeInitializeDeviceQueue makes a device queue empty and not busy. That of a device object is initialised by
// IoCreateDevice.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: nonpaged memory of the caller.
// Rules: IRQL-001, IRQL-018, OBJ-014.
// Reference: wdm/nf-wdm-keinitializedevicequeue.
func KeInitializeDeviceQueue(k *irql.K, deviceQueue *KDEVICE_QUEUE) {
	const d = ddi.KeInitializeDeviceQueue
	ke.Enter(k, d)
	q := deviceQueue
	again := q.run.Of(k) && q.id != 0
	if again {
		q.uses(k, ke.W)
		if q.first != nil {
			q.broken(k, d, nil, fmt.Sprintf("%s has %d entries, which are lost", q.name(), q.n),
				"queue initialised with entries")
		}
	}
	for e := q.first; again && e != nil; e = e.next {
		e.in = nil
	}
	dev, id := q.dev, q.id
	if !again {
		id = ke.Of(k).NewID(trace.List)
	}
	*q = KDEVICE_QUEUE{run: ke.StampOf(k), id: id, dev: dev}
	queuePageable(k, q)
	ke.Of(k).Ends(q.id)
	q.initSeq = ke.Call(k, d, q.logged())
}

// queuePageable reports IRQL-018 for a device queue in memory that may be paged out.
func queuePageable(k *irql.K, q *KDEVICE_QUEUE) {
	if pageable := ke.Of(k).Pageable; pageable == nil || !pageable(unsafe.Pointer(q)) {
		return
	}
	ke.Report(k, verify.Finding{Rule: verify.IRQL_018, Case: "device queue", Obj: q.name(),
		AllowedIRQL: verify.AnyIRQL,
		Headline:    fmt.Sprintf("KeInitializeDeviceQueue on %s, which lies in pageable memory", q.name()),
		Args:        verify.Params(nil, q.name())})
}

// KeInsertDeviceQueue puts an entry at the end of a queue that is busy. FALSE means that it was not busy: it
// is now, and the caller begins with the request.
//
// IRQL: DISPATCH_LEVEL.
// Ownership: an IRP must be marked pending before; whoever removes it is the next to work on it.
// Rules: IRP-005, IRP-067, IRP-076, IRQL-001, IRQL-002, OBJ-014.
// Reference: wdm/nf-wdm-keinsertdevicequeue.
func KeInsertDeviceQueue(k *irql.K, deviceQueue *KDEVICE_QUEUE, deviceQueueEntry *KDEVICE_QUEUE_ENTRY) bool {
	const d = ddi.KeInsertDeviceQueue
	ke.Enter(k, d)
	ke.Point(k, ke.Writes(deviceQueue.id))
	return deviceQueue.insert(k, d, deviceQueueEntry, nil)
}

// KeInsertByKeyDeviceQueue puts an entry behind those whose keys are not larger, into a queue that is busy.
// FALSE means that it was not busy: it is now, and the caller begins with the request.
//
// IRQL: DISPATCH_LEVEL.
// Ownership: as KeInsertDeviceQueue.
// Rules: as KeInsertDeviceQueue.
// Reference: wdm/nf-wdm-keinsertbykeydevicequeue.
func KeInsertByKeyDeviceQueue(k *irql.K, deviceQueue *KDEVICE_QUEUE, deviceQueueEntry *KDEVICE_QUEUE_ENTRY,
	sortKey uint32) bool {
	const d = ddi.KeInsertByKeyDeviceQueue
	ke.Enter(k, d)
	ke.Point(k, ke.Writes(deviceQueue.id))
	return deviceQueue.insert(k, d, deviceQueueEntry, &sortKey)
}

// insert is every insertion; without a key the entry goes to the end.
func (q *KDEVICE_QUEUE) insert(k *irql.K, d ddi.ID, e *KDEVICE_QUEUE_ENTRY, key *uint32) bool {
	q.uses(k, ke.W)
	if !q.usable(k, d) {
		return false
	}
	var p trace.ID
	if e.of != nil {
		e.of.check(k)
		e.of.uses(ke.W)
		p = e.of.id
	}
	if e.in != nil && e.run.Of(k) {
		q.broken(k, d, e, fmt.Sprintf("%s is in %s already", e.name(), e.in.name()),
			"in a queue already")
		return true
	}
	if !q.busy {
		q.busy = true
		e.seq = ke.CallOn(k, d, q.logged(), p)
		return false
	}
	at := &q.first
	for *at != nil && (key == nil || (*at).key <= *key) {
		at = &(*at).next
	}
	e.in, e.run, e.next, e.key = q, q.run, *at, 0
	if key != nil {
		e.key = *key
	}
	*at = e
	q.n++
	if e.of != nil {
		clear(e.of.driverContext[:3]) // one union: three words hold links, key and state (HEADER)
	}
	e.seq = ke.CallOn(k, d, q.logged(), p)
	return true
}

// KeRemoveDeviceQueue takes the first entry out of a queue that is busy; without one the queue is not busy
// any more, and NULL comes back.
//
// IRQL: DISPATCH_LEVEL.
// Ownership: the request is the caller's to work on.
// Rules: IRQL-001, IRQL-002, OBJ-014.
// Reference: wdm/nf-wdm-keremovedevicequeue.
func KeRemoveDeviceQueue(k *irql.K, deviceQueue *KDEVICE_QUEUE) *KDEVICE_QUEUE_ENTRY {
	const d = ddi.KeRemoveDeviceQueue
	ke.Enter(k, d)
	ke.Point(k, ke.Writes(deviceQueue.id))
	deviceQueue.idleTaken(k, d)
	return deviceQueue.remove(k, d, nil)
}

// KeRemoveByKeyDeviceQueue takes the first entry whose key is not smaller out of a queue that is busy, the
// first of all when there is none such; without any entry the queue is not busy any more, and NULL comes
// back.
//
// IRQL: DISPATCH_LEVEL.
// Ownership: the request is the caller's to work on.
// Rules: as KeRemoveDeviceQueue.
// Reference: wdm/nf-wdm-keremovebykeydevicequeue.
func KeRemoveByKeyDeviceQueue(k *irql.K, deviceQueue *KDEVICE_QUEUE, sortKey uint32) *KDEVICE_QUEUE_ENTRY {
	const d = ddi.KeRemoveByKeyDeviceQueue
	ke.Enter(k, d)
	ke.Point(k, ke.Writes(deviceQueue.id))
	deviceQueue.idleTaken(k, d)
	return deviceQueue.remove(k, d, &sortKey)
}

// idleTaken reports a removal from a queue that is not busy. The pages call it an error; what happens is that
// NULL comes back, so drivers in the field may do it (INFERRED: a warning).
func (q *KDEVICE_QUEUE) idleTaken(k *irql.K, d ddi.ID) {
	if q.busy || q.id == 0 || !q.run.Of(k) || q.goneRule != verify.NoRule {
		return
	}
	ke.Report(k, verify.Finding{Rule: verify.OBJ_014, Case: "queue is not busy", Warning: true,
		PerPlace: true, Obj: q.name(),
		Headline: fmt.Sprintf("%v on %s, which is not busy: no request is under way", d, q.name())})
}

// remove is every removal of the next entry.
func (q *KDEVICE_QUEUE) remove(k *irql.K, d ddi.ID, key *uint32) *KDEVICE_QUEUE_ENTRY {
	q.uses(k, ke.W)
	if !q.usable(k, d) {
		return nil
	}
	if q.first == nil {
		q.busy = false
		ke.Call(k, d, q.logged())
		return nil
	}
	at := &q.first
	for key != nil && *at != nil && (*at).key < *key {
		at = &(*at).next
	}
	if *at == nil {
		at = &q.first
	}
	e := *at
	q.unlink(k, d, at)
	return e
}

// unlink takes the entry at a place of the queue out of it.
func (q *KDEVICE_QUEUE) unlink(k *irql.K, d ddi.ID, at **KDEVICE_QUEUE_ENTRY) {
	e := *at
	*at = e.next
	e.in, e.next = nil, nil
	q.n--
	var id trace.ID
	if p := e.of; p != nil {
		p.uses(ke.W)
		id = p.id
		for _, v := range p.driverContext[:3] {
			if v != nil {
				q.broken(k, d, e, fmt.Sprintf("DriverContext of %v was written while it was in %s, whose "+
					"links lie there", id, q.name()),
					"DriverContext written")
				break
			}
		}
	}
	e.seq = ke.CallOn(k, d, q.logged(), id)
}

// KeRemoveEntryDeviceQueue takes an entry out of the queue it is in. FALSE means that it was in none: it is
// being worked on, or somebody else has taken it.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: TRUE means that the request is the caller's to end.
// Rules: IRP-005, IRQL-001, OBJ-014.
// Reference: wdm/nf-wdm-keremoveentrydevicequeue.
func KeRemoveEntryDeviceQueue(k *irql.K, deviceQueue *KDEVICE_QUEUE,
	deviceQueueEntry *KDEVICE_QUEUE_ENTRY) bool {
	const d = ddi.KeRemoveEntryDeviceQueue
	ke.Enter(k, d)
	q, e := deviceQueue, deviceQueueEntry
	ke.Point(k, ke.Writes(q.id))
	if !q.usable(k, d) {
		return false
	}
	if e.of != nil {
		e.of.check(k)
	}
	if e.in == nil || !e.run.Of(k) {
		ke.CallBool(k, d, q.logged(), false)
		return false
	}
	if e.in != q {
		q.broken(k, d, e, fmt.Sprintf("%s is in %s, not in %s", e.name(), e.in.name(), q.name()),
			"removed from another queue")
		return false
	}
	at := &q.first
	for *at != e {
		at = &(*at).next
	}
	q.unlink(k, d, at)
	return true
}

// goesWithEntries reports OBJ-014 for a device that is deleted while requests wait for it.
func (q *KDEVICE_QUEUE) goesWithEntries(k *irql.K) {
	q.uses(k, ke.R)
	q.broken(k, ddi.IoDeleteDevice, nil, fmt.Sprintf("%s goes with %d entries in it", q.name(), q.n),
		"queue goes with entries")
}
