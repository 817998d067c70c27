package ke

import (
	"runtime/debug"
	"slices"
	"strconv"

	"calloutsim/internal/list"
	"calloutsim/internal/trace"
)

func (m *Machine) resetCPUs(n int) {
	for len(m.cpus) < n {
		m.cpus = append(m.cpus, &cpu{})
	}
	m.cpus = m.cpus[:n]
	for i, c := range m.cpus {
		m.resetCPU(c, i)
	}
}

func (m *Machine) resetCPU(c *cpu, i int) {
	old := &c.dpcK
	dpcK := K{m: m, cpu: c, name: old.name, num: uint16(i + 1), isDPC: true, irql: Dispatch,
		frames: old.frames[:0], locks: old.locks[:0], stack: old.stack[:0], raises: old.raises[:0],
		next: old.next[:0]}
	if dpcK.name == "" {
		dpcK.name = "DPC on processor " + strconv.Itoa(i)
	}
	*c = cpu{num: uint8(i), dpcs: c.dpcs[:0], dpcK: dpcK, queue: actorDPC | Actor(i)}
}

// maxWide is the limit of processors of an Unbounded machine.
const maxWide = 250

// takerFor is the processor that takes t, or a delivery where t is nil. An Unbounded machine keeps one for
// every thread, and finds the thread another one if a DPC is busy there when it is woken.
func (m *Machine) takerFor(t *Thread) *cpu {
	if !m.wide {
		return m.taker()
	}
	if t != nil && t.home != nil && t.home.thread == nil {
		return t.home
	}
	if t == nil {
		return m.spareCPU()
	}
	if c := m.cpus[0]; c.free() {
		return c.ownedBy(t)
	}
	return m.anotherCPU().ownedBy(t)
}

// spareCPU is a processor of an Unbounded machine that has nothing to do. Its queue of DPCs has a new name
// each time: a search takes the steps of one actor as ordered, and what it did before has nothing to do with
// what comes.
func (m *Machine) spareCPU() *cpu {
	i := slices.IndexFunc(m.cpus[1:], (*cpu).free)
	var c *cpu
	if i >= 0 {
		c = m.cpus[1+i]
	} else {
		c = m.anotherCPU()
	}
	if m.queues++; m.queues > maxContexts-maxWide {
		panic(Misuse("more than " + strconv.Itoa(maxContexts-maxWide) + " DPCs and acts of the outside: an " +
			"exhaustive search is for shorter scenarios"))
	}
	c.queue = actorDPC | Actor(maxWide+m.queues)
	return c
}

// free reports whether c, of an Unbounded machine, is nobody's and has nothing to do.
func (c *cpu) free() bool {
	return c.owner == nil && c.thread == nil && c.target == 0 && len(c.dpcs) == 0 && !c.inDPC
}

// anotherCPU adds a processor to an Unbounded machine.
func (m *Machine) anotherCPU() *cpu {
	n := len(m.cpus)
	if n == maxWide {
		panic(Misuse("more than " + strconv.Itoa(maxWide) + " processors in use: an exhaustive search is " +
			"for scenarios with fewer contexts"))
	}
	if n < cap(m.cpus) && m.cpus[:n+1][n] != nil {
		m.cpus = m.cpus[:n+1]
	} else {
		m.cpus = append(m.cpus, &cpu{})
	}
	m.resetCPU(m.cpus[n], n)
	return m.cpus[n]
}

// queueFor is the processor whose queue takes d, queued on here. stays says that whoever queues it is still
// there when the processor looks at its queue; else, on an Unbounded machine, that may have gone elsewhere.
// Such a machine keeps a processor for each target: its DPCs wait for nobody but each other.
func (m *Machine) queueFor(d *DPC, here *cpu, stays bool) *cpu {
	n := int(d.Target)
	switch {
	case !m.wide && n >= 0 && n < len(m.cpus):
		return m.cpus[n]
	case m.wide && n >= 0 && (n != int(here.num) || !stays):
		return m.targeted(n)
	case m.wide && !stays:
		return m.spareCPU()
	}
	return here
}

// targeted is the processor that the targeted DPCs of an Unbounded machine know as number n.
func (m *Machine) targeted(n int) *cpu {
	for _, c := range m.cpus {
		if c.target == int16(n)+1 {
			return c
		}
	}
	c := m.spareCPU()
	c.target = int16(n) + 1
	return c
}

func (c *cpu) ownedBy(t *Thread) *cpu {
	c.owner, t.home = t, c
	return c
}

// irqlOf is the level of the processor.
func (c *cpu) irqlOf() uint8 {
	switch {
	case c.inDPC:
		return Dispatch
	case c.thread != nil:
		return c.thread.irql
	}
	return Passive
}

// SetIRQL changes the level without any check. Lowering below DISPATCH_LEVEL lets queued DPCs in, lowering
// below APC_LEVEL delivers special kernel APCs (irp.md 13.3).
func SetIRQL(k *K, level uint8) {
	if level < Dispatch && k.irql >= Dispatch && len(k.cpu.dpcs) > 0 && !k.isDPC {
		k.m.lets(k, level)
	}
	k.irql = level
	if level < APC && len(k.apcs) > 0 {
		DeliverAPCs(k)
	}
}

// lets is the moment before k lets the DPCs of its processor in: whoever is on another processor may go on
// while they are in the queue, and find them there.
//
//go:noinline
func (m *Machine) lets(k *K, level uint8) {
	if !m.dead {
		turn, gave := k.turn, k.gave
		Point(k, Here(k))
		k.turn, k.gave = turn, gave
	}
	k.irql = level
	m.runDPCs(k.cpu, k, k.actor)
}

// Importance of a DPC (scheduling.md 4.2).
const (
	LowImportance = iota
	MediumImportance
	HighImportance
	MediumHighImportance
)

// QueueDPC puts d in the queue of its processor. It returns false when d is queued already. On the caller's
// own processor the queue is processed at once when the level allows it, unless the importance is low.
func QueueDPC(k *K, d *DPC) bool {
	if r := k.m.races; r != nil {
		r.release(k, d)
	}
	if d.queuedOn != nil {
		return false
	}
	m := k.m
	c := m.queueFor(d, k.cpu, k.irql >= Dispatch || d.Importance != LowImportance && d.Target < 0)
	m.enqueueDPC(c, d)
	if c == k.cpu && k.irql < Dispatch && d.Importance != LowImportance {
		level := k.irql
		k.irql = Dispatch // nobody else gets this processor before the DPC
		m.lets(k, level)
	}
	return true
}

func (m *Machine) enqueueDPC(c *cpu, d *DPC) {
	d.queuedOn = c
	m.queued++
	if m.trail != nil {
		d.after = m.trail.now() + 1
		m.trail.add(Enqueues(c.queue.id()))
		m.trail.add(Counts(AllDPCs))
	}
	if d.Importance == HighImportance {
		c.dpcs = list.Add([]*DPC{d}, c.dpcs)
		return
	}
	c.dpcs = append(c.dpcs, d)
}

// RemoveDPC takes d out of its queue; false when it was in none.
func RemoveDPC(k *K, d *DPC) bool { return k.m.removeDPC(d) }

func (m *Machine) removeDPC(d *DPC) bool {
	c := d.queuedOn
	if c == nil {
		return false
	}
	for i, o := range c.dpcs {
		if o == d {
			c.dpcs = list.Cut(c.dpcs, i)
			break
		}
	}
	d.queuedOn = nil
	m.queued--
	m.AddsOn(Dequeues(c.queue.id()))
	m.AddsOn(Counts(AllDPCs))
	return true
}

// Queued reports whether d waits in a queue.
func (d *DPC) Queued() bool { return d.queuedOn != nil }

// runDPCs empties the queue of c as calls nested on the stack of by, whose context cannot go on before they
// return. who takes their steps is the queue itself if it was chosen, else by, which lets them in.
func (m *Machine) runDPCs(c *cpu, by *K, who Actor) {
	if c.inDPC {
		return
	}
	for len(c.dpcs) > 0 && !m.dead {
		d := c.dpcs[0]
		c.dpcs = list.Cut(c.dpcs, 0)
		d.queuedOn = nil
		m.queued--
		past := uint64(0)
		if tr := m.trail; tr != nil {
			tr.follows(d.after - 1)
			tr.add(Dequeues(c.queue.id()))
			tr.add(Dequeues(d.ID))
			past = tr.runOf(d.ID)
		}
		m.borrow(c, by, who, past, func(k *K) {
			if r := m.races; r != nil {
				r.startDPC(k, d)
			}
			d.Active++
			d.Run(k)
			d.Active--
			m.AddsOn(Counts(RunsOf(d.ID)))
			if r := m.races; r != nil {
				r.endDPC(k)
			}
		})
	}
	if len(by.apcs) > 0 {
		DeliverAPCs(by)
	}
}

// AllDPCs names how many DPCs are queued or run anywhere.
var AllDPCs = Table(trace.DPC, 0)

// RunsOf names how many runs of a DPC are in progress.
func RunsOf(id trace.ID) trace.ID { return Beside.Of(id) }

// borrow runs fn as a call at DISPATCH_LEVEL on processor c, on the stack that by runs on, with a K of its
// own.
func (m *Machine) borrow(c *cpu, by *K, who Actor, past uint64, fn func(k *K)) {
	CheckFunctions(by)
	k := &c.dpcK
	k.actor, k.past, k.next, k.wants = who, past, k.next[:0], nil
	k.within = k.within[:0]
	k.t, k.irql, k.kernelAPC, k.specialAPC = by.t, Dispatch, 0, 0
	k.raises = k.raises[:0]
	k.idles = 0
	k.watch(m)
	c.inDPC = true
	m.AddsOn(Counts(AllDPCs))
	m.cur = k
	if GoRaces {
		aside(func() { m.lend(k, fn) })
		m.races.goesOn(by) // the test may have looked meanwhile, when k gave up its processor
	} else {
		m.lend(k, fn)
	}
	k.disown()
	m.cur = by
	c.inDPC = false
	m.AddsOn(Counts(AllDPCs))
}

// lend runs fn in k; it does not return when fn did not.
func (m *Machine) lend(k *K, fn func(k *K)) {
	returned := false
	defer func() {
		m.rest.release()
		// A panic must not reach the context that was interrupted: it might recover from what is not its own.
		if returned {
			return
		}
		if v := recover(); v != nil {
			m.driverPanicked(v, debug.Stack())
			m.die()
		}
	}()
	fn(k)
	returned = true
	if m.cur != k {
		wrongContext(k, 0)
	}
}

// FlushDPCs waits until every DPC queued on any processor has run (KeFlushQueuedDpcs). PASSIVE_LEVEL.
func FlushDPCs(k *K) {
	m := k.m
	if k.isDPC {
		return // it would wait for itself (reported)
	}
	for {
		if len(k.cpu.dpcs) > 0 {
			m.runDPCs(k.cpu, k, k.actor)
		}
		Adds(k, Writes(AllDPCs))
		busy := m.queued > 0
		for _, c := range m.cpus {
			busy = busy || c.inDPC
		}
		if !busy {
			if r := m.races; r != nil {
				r.learn(r.of(k), &r.dpcs)
			}
			return
		}
		m.yield(k)
	}
}

// Raise sets a higher level and remembers the old one for the lowering that is to follow.
func Raise(k *K, level uint8) {
	k.raises = append(k.raises, k.irql)
	SetIRQL(k, level)
}

// Raised returns the level that the innermost raise of the running callback saved; ok is false when there was
// none.
func Raised(k *K) (saved uint8, ok bool) {
	n := len(k.raises)
	if n == 0 || n <= raiseBase(k) {
		return 0, false
	}
	return k.raises[n-1], true
}

// raiseBase is the number of raises made before the running callback. Callbacks of queues count as part of
// their caller: one of them takes the lock, another gives it back.
func raiseBase(k *K) int {
	for i := len(k.frames) - 1; i >= 0; i-- {
		if k.frames[i].Kind != FrameQueue {
			return k.frames[i].raises
		}
	}
	return 0
}

// Lower sets the level and forgets the innermost raise, if there is one.
func Lower(k *K, level uint8) {
	if n := len(k.raises); n > raiseBase(k) {
		k.raises = k.raises[:n-1]
	}
	SetIRQL(k, level)
}
