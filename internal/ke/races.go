package ke

import (
	"calloutsim/internal/trace"
)

// The race detector of scheduling.md 10.1: vector clocks per context, and for every object an order, the
// clock of what happened before its last release. An access to watched memory (races_memory.go) races with
// an earlier one if no chain of releases and acquisitions leads from the one to the other, whichever came
// first in this run.
//
// What orders two accesses is scheduling.md 10.3 and INFERRED there. Where a context was and at what level
// it ran orders nothing, and neither does the stack that a DPC or a delivery borrowed. What the system does
// with its own objects goes through locks of its own, so every routine on one of them acquires and releases
// that object (systemKinds); a delivery from outside knows all of that.
//
// With Config.Races off there is no detector, and every hook is one comparison with nil.

// vclock is a vector clock: how much of each context, by number, happened before. Contexts beyond its end
// are at 0.
type vclock []uint32

func (v vclock) at(i uint32) uint32 {
	if int(i) < len(v) {
		return v[i]
	}
	return 0
}

// join adds what o knows.
func (v *vclock) join(o vclock) {
	for len(*v) < len(o) {
		*v = append(*v, 0)
	}
	for i, t := range o {
		if t > (*v)[i] {
			(*v)[i] = t
		}
	}
}

// timeline is what the detector knows about one context.
type timeline struct {
	vc      vclock
	num     uint32
	name    string
	apc     vclock     // of those who queued APCs that have not run
	lockSet []trace.ID // locks held at the last access
}

// races is the detector of one run.
type races struct {
	m       *Machine
	lines   []*timeline
	outside vclock // the test, which knows whatever happened when the machine came to rest
	system  vclock // what was done to objects of the system
	dpcs    vclock // DPCs that have returned
	orders  map[any]*vclock
	ofID    map[trace.ID]*vclock
	memory  map[trace.ID]*shadow
}

func newRaces(m *Machine) *races {
	return &races{m: m, orders: map[any]*vclock{}, ofID: map[trace.ID]*vclock{},
		memory: map[trace.ID]*shadow{}}
}

// resetRaces gives the machine a detector as new, or none.
func (m *Machine) resetRaces(on bool) {
	if m.races != nil {
		m.races.reset()
		m.unused = m.races
	}
	m.races = nil
	switch {
	case on && m.unused == nil:
		m.races = newRaces(m)
	case on:
		m.races = m.unused
	}
}

// reset makes r as new.
func (r *races) reset() {
	r.lines = r.lines[:0]
	r.outside, r.system, r.dpcs = r.outside[:0], r.system[:0], r.dpcs[:0]
	clear(r.orders)
	clear(r.ofID)
	clear(r.memory)
}

// of gives the timeline of k. A context that was not there before begins with what the test knows.
func (r *races) of(k *K) *timeline {
	if k.line == nil {
		r.begin(k, r.outside)
	}
	return k.line
}

func (r *races) begin(k *K, knows vclock) {
	n := len(r.lines)
	if n < cap(r.lines) && r.lines[:n+1][n] != nil { // of an earlier run
		r.lines = r.lines[:n+1]
	} else {
		r.lines = append(r.lines, &timeline{})
	}
	l := r.lines[n]
	*l = timeline{num: uint32(n), name: k.name, vc: l.vc[:0], apc: l.apc[:0]}
	l.restart(knows)
	k.line = l
}

// restart lets a context begin anew with what is given and nothing else.
func (l *timeline) restart(knows vclock) {
	own := l.vc.at(l.num)
	l.vc = append(l.vc[:0], knows...)
	for len(l.vc) <= int(l.num) {
		l.vc = append(l.vc, 0)
	}
	l.vc[l.num] = own + 1
}

// publish gives a copy of what l knows; what it does from now on is not part of it.
func (l *timeline) publish() vclock {
	c := append(vclock(nil), l.vc...)
	l.vc[l.num]++
	return c
}

func (l *timeline) releaseTo(order *vclock) {
	order.join(l.vc)
	l.vc[l.num]++
}

// fork starts the timeline of a thread that the running context makes.
func (r *races) fork(t *Thread) {
	if r.m.cur == nil {
		r.begin(&t.K, r.outside)
		return
	}
	parent := r.of(r.m.cur)
	r.begin(&t.K, parent.vc)
	parent.vc[parent.num]++
}

// rest is called when the machine comes to rest: the test sees everything.
func (r *races) rest() {
	for i, l := range r.lines {
		for len(r.outside) <= i {
			r.outside = append(r.outside, 0)
		}
		r.outside[i] = l.vc[i]
		l.vc[i]++
	}
}

// acquire makes everything known to k that was released to key.
func (r *races) acquire(k *K, key any) {
	if o := r.orders[key]; o != nil {
		r.of(k).vc.join(*o)
	}
}

// release makes what k did known to whoever acquires key later.
func (r *races) release(k *K, key any) {
	o := r.orders[key]
	if o == nil {
		o = new(vclock)
		r.orders[key] = o
	}
	r.of(k).releaseTo(o)
}

// both is acquire and release in one step.
func (r *races) both(k *K, key any) {
	r.acquire(k, key)
	r.release(k, key)
}

// forget drops what was released to key.
func (r *races) forget(key any) {
	if o := r.orders[key]; o != nil {
		*o = (*o)[:0]
	}
}

// pass makes what was released to from part of what was released to to.
func (r *races) pass(from, to any) {
	o := r.orders[from]
	if o == nil {
		return
	}
	t := r.orders[to]
	if t == nil {
		t = new(vclock)
		r.orders[to] = t
	}
	t.join(*o)
}

// signal is called when o changes its state: whoever a signal lets go on knows what led to it. What led to
// a signal that was taken back lets nobody go on.
func (r *races) signal(k *K, o *Object, v int32) {
	if v > 0 {
		r.release(k, o)
		return
	}
	r.forget(o)
}

// satisfied is called when k has consumed o.
func (r *races) satisfied(k *K, o *Object) {
	r.acquire(k, o)
	if o.Signal <= 0 && (o.Kind == SynchronizationEvent || o.Kind == SynchronizationTimer) {
		r.forget(o)
	}
}

// systemKinds are objects of the system, by kind: routines on them go through locks of the system.
var systemKinds = [trace.NumKinds]bool{trace.IRP: true, trace.Device: true, trace.Driver: true,
	trace.File: true, trace.WorkItem: true, trace.Queue: true, trace.Lookaside: true, trace.Handle: true,
	trace.Registration: true, trace.Socket: true, trace.Endpoint: true, trace.Connection: true,
	trace.Callout: true, trace.Filter: true, trace.Sublayer: true, trace.Engine: true, trace.Classify: true,
	trace.ClassifyHandle: true, trace.RedirectHandle: true, trace.RedirectRecords: true,
	trace.RedirectContext: true, trace.Flow: true, trace.NetBuffer: true, trace.Interface: true}

// point is called at every scheduling point, when k goes on. Rows of the table of footprints say which
// routines are atomic on their object.
func (r *races) point(k *K, u Use) {
	system := systemKinds[u.Obj.Kind()]
	if u.Obj == 0 || u.Obj.Kind() == trace.Var || !system && u.How != A {
		return
	}
	r.bothID(k, u.Obj)
	if system {
		r.system.join(r.of(k).vc)
	}
}

func (r *races) bothID(k *K, id trace.ID) {
	o := r.ofID[id]
	if o == nil {
		o = new(vclock)
		r.ofID[id] = o
	}
	l := r.of(k)
	l.vc.join(*o)
	l.releaseTo(o)
}

// startDPC lets the context of the DPCs of a processor run another one, which knows what those knew who
// queued it.
func (r *races) startDPC(k *K, d *DPC) {
	l := r.of(k)
	var knows vclock
	if o := r.orders[d]; o != nil {
		knows = *o
	}
	l.restart(knows)
	r.forget(d)
}

func (r *races) endDPC(k *K) { r.of(k).releaseTo(&r.dpcs) }

// startDelivery is the same for an act of the outside: it knows what those knew who caused it, the acts of
// the same channel before it, and what was done to objects of the system.
func (r *races) startDelivery(k *K, c *Channel, d *Delivery) {
	l := r.of(k)
	l.restart(d.order)
	l.vc.join(r.system)
	r.acquire(k, c)
}

// posted gives what a delivery posted now knows.
func (r *races) posted() vclock {
	if r.m.cur == nil {
		return append(vclock(nil), r.outside...)
	}
	return r.of(r.m.cur).publish()
}

// Ordered tells the race detector that k has made an atomic step on what key points to, one that acquires
// and releases: an interlocked operation, a memory barrier.
func Ordered(k *K, key any) {
	if r := k.m.races; r != nil {
		r.both(k, key)
	}
}

// OrderedAfter tells the race detector that k has seen the effect of what was released to key.
func OrderedAfter(k *K, key any) {
	if r := k.m.races; r != nil {
		r.acquire(k, key)
	}
}

// Released tells the race detector that what k did so far is seen by whoever acquires key later.
func Released(k *K, key any) {
	if r := k.m.races; r != nil {
		r.release(k, key)
	}
}

// ForgetOrders makes the race detector drop what it knows, and with it its references to memory.
func (m *Machine) ForgetOrders() {
	if m.races != nil {
		clear(m.races.orders)
	}
}
