// Package ke is the mechanism below every DDI: execution contexts, processors, IRQL, the scheduler and its
// choice points, the virtual clock, dispatcher objects, spin locks, DPCs, timers, threads, work items and
// deliveries from the outside. It knows no WDK name but those of the tables; the vocabulary is in the
// packages above.
//
// Modelled: simulated processors with a DPC queue each; contexts that are coroutines, exactly one of which
// runs at a time in one Machine; DPCs as calls nested on the stack of the context they interrupt; waits with
// time-outs in virtual time.
// Not modelled: priorities, quanta, interrupts above DISPATCH_LEVEL, APCs other than special kernel APCs for
// IRPs.
//
// One baton: a Machine is not safe for concurrent use and needs no lock. Different Machines share nothing.
package ke

import (
	"unsafe"

	"calloutsim/internal/ddi"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
)

// IRQLs the mechanism itself knows (x64 numbering, irp.md 13.1).
const (
	Passive  = 0
	APC      = 1
	Dispatch = 2
	High     = 15
)

// K is where the caller is in the kernel: which context, on which processor, at which IRQL. It is published
// as irql.K. A K is valid only while its own context runs; Enter checks that.
type K struct {
	m      *Machine
	t      *Thread // whose stack this runs on; for a DPC the interrupted one
	cpu    *cpu
	name   string
	num    uint16
	irql   uint8
	isDPC  bool
	owes   bool // a wait: it has passed TRUE for Wait to the routine promisedBy
	gave   bool // its last step has handed something over: the next access is a scheduling point
	turn   turn // of the routine that runs
	idles  int  // points at which it has only looked, since it did more
	idled  int  // what idles was before that
	frames []Frame
	locks  []Held
	stack  []stackObject
	line   *timeline // of the race detector
	raises []uint8   // levels that raises returned and no lowering has restored
	actor  Actor     // whose steps are taken here
	next   []Use     // announced for the next step; only where a Scheduler looks
	past   uint64    // names the context in a Trail
	wants  *SpinLock // about to take it; only in an Unbounded machine
	within []Use     // part of every step, until Leave; only where a Trail is kept

	kernelAPC  int   // negative while normal kernel APCs are disabled, as in KTHREAD
	specialAPC int   // negative while special kernel APCs are disabled
	apcs       []apc // special ones first
	promisedBy ddi.ID
	own        *Thread // stands for the context as an owner; see Owner
	highSince  int64   // when the level reached DISPATCH_LEVEL by a raise or the start of a DPC
}

// Config says how a Machine behaves. The zero Config is two processors, the boring schedule, a small event
// ring.
type Config struct {
	Processors int    // 0 means 2, Unbounded one for every thread
	Source     Source // who chooses; nil is alternative 0 everywhere
	Events     int    // events kept: 0 means 512, negative all, Off none
	Stacks     bool   // record a call stack with every event
	MemPoints  bool   // memory accessors are scheduling points as well
	Races      bool   // report accesses to pool memory and to variables that nothing orders (DataRace)
	TimersRace bool   // time may pass although somebody can run (scheduling.md 6)
	// ForcePending lets IoCallDriver answer STATUS_PENDING although the request ends as usual.
	ForcePending bool
	Checked      bool // drivers are checked builds: NT_ASSERT and the like do something
	Continue     bool // collect violations that leave a state to go on from
	Continues    func(verify.RuleID) bool
	MaxSteps     uint64 // 0 means one million scheduling points
	MaxTime      int64  // virtual time, 100 ns units; 0 means one hour
	Pins         []Pin
	Callbacks    bool   // keep account of the routines that drivers give the system
	Trail        *Trail // records steps and footprints; needs a Scheduler as Source
	Subsystems   []*Subsystem
}

// Unbounded as Config.Processors gives every thread and every act of the outside a processor of its own: no
// context ever waits for one. It is the most hostile machine that there is.
const Unbounded = -1

// Off as Config.Events keeps no events at all; the hash is computed all the same.
const Off = 1 << 30

// Machine is one simulated computer.
type Machine struct {
	cfg     Config
	cur     *K // the K that runs now; nil between steps and in a dead machine
	dead    bool
	running bool
	killing bool // unwinds what still has a stack
	race    bool // Config.TimersRace, where every point looks
	wide    bool // Config.Processors is Unbounded
	cut     bool // Scheduler ended the run
	sched   Scheduler
	trail   *Trail
	moment  Moment
	cpus    []*cpu
	threads []*Thread // runnable ones, ordered by number
	chans   []*Channel
	queued  int // DPCs in queues
	queues  int // times that a spare processor was given away
	next    *alternative
	in      *stack // which the hub has resumed
	alts    []alternative
	spare   []alternative
	last    *Thread // who ran last, for trace switches
	clock   clock
	due     []*timeout // scratch of tick
	now     int64
	steps   uint64
	ticks   uint64 // moves of the clock
	idle    int    // turns of polling loops since anybody did more than look
	acted   uint64 // step at which somebody did
	was     acted  // what idle and acted were before that
	log     trace.Log
	stacks  [][]uintptr // by event
	rest    mark        // what contexts did until they gave the baton back
	calls   []goFrame   // scratch of goFrames
	inlines []inlinePC  // calls that were compiled into their callers, by address
	plain   []plainPlace
	makers  []madeAt // statements that made local variables again
	ending  ending   // what on the stack ends is being told
	races   *races   // nil when nobody looks for races
	unused  *races   // that of an earlier run
	counts  [trace.NumKinds]uint64
	ctxs    uint16
	frameNo uint64
	slots   []any
	olds    []any // of the run before, by slot
	choices []Choice
	free    []*stack  // coroutines without a body
	all     []*Thread // every live thread, in order of creation
	find    []verify.Finding
	given   []Given
	seen    []seenFinding
	crash   any // internal error on its way out
	images  []*Image
	procs   []*Process
	born    []*Thread // every thread of this run, for the next one to use again
	retired []*Thread // of earlier runs
	made    uint64    // threads and processes so far
	chanNo  uint64
	serial  uint64 // runs so far; part of Stamp

	// Memory is what package pool keeps from one run to the next.
	Memory interface{ Release() }

	OnStackDeath []func(k *K, obj any) // told about frame-scoped objects that die
	OnThreadEnd  []func(k *K)          // called in a thread that ends and has Requests
	// Refine may replace the rule of a finding by a more specific one (rules.md 12) before anything is done
	// about it.
	Refine []func(k *K, f *verify.Finding)
	// Takes is told of every lock that a classifyFn is about to take for as long as it needs.
	Takes func(k *K, id trace.ID)
	// Explain may know the rule that a panic of simulated code breaks; the panic is then a finding.
	Explain  []func(k *K, value any) (verify.Finding, bool)
	Describe func(k *K, f *verify.Finding) // fills dumps into a finding before it is kept
	// Refused is told of every call of a DDI that fails, by the name of its routine; nil: nobody asks.
	Refused func(k *K, routine string, status ntstatus.NTSTATUS)
	// Print shows a line of a driver to whoever watches the run; nil: nobody does.
	Print func(k *K, text string)
	// Pageable says whether an address of driver memory may be paged out; nil means that none may.
	Pageable func(p unsafe.Pointer) bool
	// Known says whether an address of driver memory is one of a block or stack variable; nil means that none
	// is.
	Known func(p unsafe.Pointer) bool
}

// New makes a machine. Close it when done, or its parked contexts stay for ever.
func New(cfg Config) *Machine {
	m := &Machine{}
	m.Reset(cfg)
	return m
}

// Reset makes the machine as new, keeping its coroutines and buffers. All state in slots is dropped.
func (m *Machine) Reset(cfg Config) {
	m.outside("Reset")
	m.kill()
	m.releaseMemory()
	m.wide = cfg.Processors == Unbounded
	switch {
	case m.wide:
		cfg.Processors = 1 // to begin with
	case cfg.Processors <= 0:
		cfg.Processors = 2
	}
	if cfg.MaxSteps == 0 {
		cfg.MaxSteps = 1_000_000
	}
	if cfg.MaxTime == 0 {
		cfg.MaxTime = 3600 * Second
	}
	events := cfg.Events
	switch {
	case events == 0:
		events = 512
	case events == Off:
		events = 0
	}
	m.cfg = cfg
	m.log.Reset(events)
	m.cur, m.dead, m.running, m.last, m.crash, m.in = nil, false, false, nil, nil, nil
	m.cut, m.ending = false, notEnding
	m.race = cfg.TimersRace
	m.resetCPUs(cfg.Processors)
	m.retired, m.born = list.Add(m.retired, m.born), m.born[:0]
	m.threads, m.all, m.chans = m.threads[:0], m.all[:0], m.chans[:0]
	m.queued, m.queues, m.next = 0, 0, nil
	m.clock.reset()
	m.now, m.steps, m.frameNo, m.made, m.idle, m.acted = epoch, 0, 0, 0, 0, 0
	m.ticks = 0
	m.stacks = nil
	m.resetRaces(cfg.Races)
	m.counts = [trace.NumKinds]uint64{}
	m.ctxs = uint16(cfg.Processors)
	if m.wide {
		m.ctxs = maxWide
	}
	m.choices, m.find, m.seen = m.choices[:0], nil, m.seen[:0]
	for i, v := range m.slots {
		if v != nil {
			m.slots[i], m.olds[i] = nil, v
		}
	}
	m.images, m.procs = m.images[:0], m.procs[:0]
	m.OnThreadEnd = m.OnThreadEnd[:0]
	m.OnStackDeath, m.Refine, m.Explain = m.OnStackDeath[:0], m.Refine[:0], m.Explain[:0]
	m.Describe, m.Takes, m.Refused, m.given = nil, nil, nil, m.given[:0]
	m.Pageable, m.Known, m.Print, m.plain = nil, nil, nil, m.plain[:0]
	m.chanNo = 0
	m.serial++
	m.SetSource(cfg.Source)
}

// SetSource says who chooses from now on.
func (m *Machine) SetSource(s Source) {
	if s == nil {
		s = Boring{}
	}
	m.cfg.Source = s
	m.sched, _ = s.(Scheduler)
	if m.trail = m.cfg.Trail; m.trail != nil {
		if m.sched == nil {
			panic("internal error: a trail without a scheduler")
		}
		m.trail.reset(m)
		m.rests()
	}
}

// Close unwinds everything that still runs in the machine and gives its coroutines back. The machine can be
// Reset again.
func (m *Machine) Close() {
	m.outside("Close")
	m.kill()
	m.releaseMemory()
	clear(m.olds)
	for _, s := range m.free {
		s.close()
	}
	m.free = m.free[:0]
}

// outside is the check of what unwinds every context and so cannot be done in one.
func (m *Machine) outside(what string) {
	if m.running {
		panic(Misuse(what + " called from inside the machine: simulated code cannot end the run it is in"))
	}
}

func (m *Machine) releaseMemory() {
	if m.Memory != nil {
		m.Memory.Release()
	}
}

// Of returns the machine a K belongs to.
func Of(k *K) *Machine { return k.m }

// NewID hands out the next id of a kind.
func (m *Machine) NewID(kind trace.Kind) trace.ID {
	m.counts[kind]++
	id := trace.MakeID(kind, m.counts[kind])
	if m.trail != nil {
		m.trail.created(id)
	}
	return id
}

// Config returns the options in force.
func (m *Machine) Config() *Config { return &m.cfg }

// Current returns the K that is running, nil between steps.
func (m *Machine) Current() *K { return m.cur }

// Running reports whether Run is active: driver code may be on a stack.
func (m *Machine) Running() bool { return m.running }

// Dead reports whether the run was ended early and only unwinds.
func (m *Machine) Dead() bool { return m.dead }

// Log gives the events.
func (m *Machine) Log() *trace.Log { return &m.log }

// Stack returns the program counters recorded with event seq, if Config.Stacks was on.
func (m *Machine) Stack(seq uint64) []uintptr {
	if seq >= uint64(len(m.stacks)) {
		return nil
	}
	return m.stacks[seq]
}

// Steps returns the number of scheduling points passed.
func (m *Machine) Steps() uint64 { return m.steps }

// Enter is the first statement of every DDI: it checks that k is the context that runs now and that its IRQL
// is one the table allows. Rules: IRQL-001, IRQL-002.
func Enter(k *K, d ddi.ID) {
	if k == nil || k.m.cur != k || k.owes {
		wrongContext(k, d)
	}
	k.enters()
	if k.irql > ddi.MaxIRQL(d) || k.irql < ddi.MinIRQL(d) {
		irqlWrong(k, d)
	}
}

// EnterAnyLevel is Enter for a DDI whose limits have a rule more specific than IRQL-001 and IRQL-002.
func EnterAnyLevel(k *K, d ddi.ID) {
	if k == nil || k.m.cur != k || k.owes {
		wrongContext(k, d)
	}
	k.enters()
}

// Stamp names one run of one machine. Objects in driver memory carry it: one initialised in an earlier run is
// not initialised in this one. The zero Stamp is no run.
type Stamp struct {
	m      *Machine
	serial uint64
}

// StampOf returns the run k belongs to.
func StampOf(k *K) Stamp { return Stamp{k.m, k.m.serial} }

// Stamp is StampOf where no K is at hand.
func (m *Machine) Stamp() Stamp { return Stamp{m, m.serial} }

// Of reports whether s is the run k belongs to.
func (s *Stamp) Of(k *K) bool { return s.m == k.m && s.serial == k.m.serial }

// Live reports whether s is the present run of its machine.
func (s *Stamp) Live() bool { return s.m != nil && s.serial == s.m.serial }

// Log records an event with the place of k filled in, and returns its sequence number.
func Log(k *K, e trace.Event) uint64 {
	m := k.m
	e.Time, e.Ctx, e.CPU, e.IRQL, e.Driver = m.now, k.num, k.cpu.num, k.irql, driverNum(k)
	*m.log.Slot() = e
	seq := m.log.Commit(&e)
	if m.trail != nil {
		m.trail.event(k, e.What, e.Code, e.Obj, e.Obj2, e.Status, e.A, e.B)
	}
	if m.cfg.Stacks {
		m.recordStack(seq)
	}
	if e.Flags&(trace.HasStatus|trace.IsBool) == trace.HasStatus && int32(e.Status) < 0 && m.Refused != nil {
		m.refused(k, &e)
	}
	return seq
}

// refused passes on that a call failed.
func (m *Machine) refused(k *K, e *trace.Event) {
	switch e.What {
	case trace.Call:
		m.Refused(k, e.Code.String(), ntstatus.NTSTATUS(e.Status))
	case trace.Note:
		m.Refused(k, e.Text, ntstatus.NTSTATUS(e.Status))
	}
}

// driverNum is the number of the image whose code runs in k.
func driverNum(k *K) uint16 {
	if i := Acting(k); i != nil {
		return i.Num
	}
	return 0
}

// record is Log for the most frequent events, DDIs and steps; it writes the event where it stays.
func record(k *K, w trace.What, d ddi.ID, obj, obj2 trace.ID, a uint64, status uint32,
	has trace.Flags) uint64 {
	m := k.m
	e := m.log.Slot()
	e.Time, e.Ctx, e.CPU, e.IRQL, e.Driver = m.now, k.num, k.cpu.num, k.irql, driverNum(k)
	e.What, e.Code, e.Flags, e.Status = w, d, has, status
	e.Obj, e.Obj2, e.A, e.B, e.Fn, e.Text = obj, obj2, a, 0, 0, ""
	seq := m.log.Mix(trace.Where(w, d, k.num, k.cpu.num, k.irql),
		trace.About(obj, obj2, status, a, 0))
	if m.trail != nil {
		m.trail.event(k, w, d, obj, obj2, status, a, 0)
	}
	if m.cfg.Stacks {
		m.recordStack(seq)
	}
	if int32(status) < 0 && m.Refused != nil {
		m.Refused(k, d.String(), ntstatus.NTSTATUS(status))
	}
	return seq
}

// Call records that a DDI acts on an object.
func Call(k *K, d ddi.ID, obj trace.ID) uint64 { return record(k, trace.Call, d, obj, 0, 0, 0, 0) }

// CallOn records that a DDI acts on an object together with a second one.
func CallOn(k *K, d ddi.ID, obj, second trace.ID) uint64 {
	return record(k, trace.Call, d, obj, second, 0, 0, 0)
}

// CallArg records a DDI on an object together with a number.
func CallArg(k *K, d ddi.ID, obj trace.ID, a uint64) uint64 {
	return record(k, trace.Call, d, obj, 0, a, 0, trace.HasA)
}

// CallStatus records a DDI on an object together with the status it returns.
func CallStatus(k *K, d ddi.ID, obj trace.ID, status uint32) uint64 {
	return record(k, trace.Call, d, obj, 0, 0, status, trace.HasStatus)
}

// CallBool records a DDI on an object together with the BOOLEAN it returns.
func CallBool(k *K, d ddi.ID, obj trace.ID, result bool) uint64 {
	e := trace.Event{What: trace.Call, Code: d, Obj: obj, Flags: trace.HasStatus | trace.IsBool}
	if result {
		e.Status = 1
	}
	return Log(k, e)
}

// Note records a line of constant text about an object.
func Note(k *K, text string, obj trace.ID) uint64 {
	return Log(k, trace.Event{What: trace.Note, Text: text, Obj: obj})
}

// ContextName returns the name of the context k belongs to.
func ContextName(k *K) string { return k.name }

// ContextNum returns the number of the context in events.
func ContextNum(k *K) uint16 { return k.num }

// ThreadOf returns the thread whose stack k runs on: the thread itself, or the one a DPC interrupted.
func ThreadOf(k *K) *Thread { return k.t }

// IsDPC reports whether k is a DPC or another call at DISPATCH_LEVEL that borrowed somebody's stack.
func IsDPC(k *K) bool { return k.isDPC }

// Processor returns the number of the processor.
func Processor(k *K) uint8 { return k.cpu.num }

// IRQL returns the level of the caller's processor.
func IRQL(k *K) uint8 { return k.irql }
