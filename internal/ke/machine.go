package ke

import (
	"unsafe"

	"calloutsim/internal/ddi"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
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
	quiet  turn // of a routine that is entered when nothing was handed over
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
	private bool        // the run stops where the simulator itself wants it to
	midway  bool        // it has stopped there, and nothing was done since
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
	onG     uintptr // the goroutine that has the baton, as currentG has it
	foreign string  // a goroutine that is no context has used the machine, in words
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
	// Waits is told of every wait that may last, before it begins.
	Waits  func(k *K, objs []*Object)
	toWait []*Object // what Waits is told of
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

// apc is a kernel APC that waits for its thread.
type apc struct {
	fn     func(k *K)
	normal bool // kept back by critical regions and owned mutexes as well
}

// acted is what is known of polling loops: turns since anybody did more than look, and when that was.
type acted struct {
	idle int
	at   uint64
}

// plainPlace is a line of a driver that keeps in plain Go memory what C has in a local variable or in pool.
// Go keeps such memory for as long as anybody has a pointer to it, so nothing that is done with it after its
// time can be found. That is no mistake of the driver, and no finding: it is said once for each line.
type plainPlace struct {
	pc   uintptr
	what string
}

// inlinePC is what is known of an address in the code.
type inlinePC struct {
	pc    uintptr
	calls []inlineCall // that it lies in, the innermost first
}

type seenFinding struct {
	rule verify.RuleID
	obj  string
	file string
	line int
	at   string
}

// goFrame is a call on the stack of a goroutine: where its frame lies, and the address it returns to.
type goFrame struct{ at, ret uintptr }

// goCall names a call that has not returned, by the depth of its frame and a hash of the addresses that it
// and its callers return to. The zero goCall is none.
type goCall struct {
	depth uintptr
	hash  uint64
}

// ending says with what an object on the stack ends, while it is told so.
type ending uint8

type stackObject struct {
	obj    any
	call   goCall  // whose local variable it is; none for what lives until the callback returns
	pc     uintptr // and where that made it
	inline bool    // the function that made it was compiled into the one that call names
}

// Dier is a frame-scoped object that wants to know when its routine returns.
type Dier interface{ StackGone(k *K) }

// Frame is one call into code that belongs to somebody.
type Frame struct {
	Kind   FrameKind
	Image  *Image   // whose code; nil is the system
	Device any      // for the package above: the device object of a dispatch or completion routine
	Object any      // for the package above: the IRP, the classify
	Obj    trace.ID // id of Object, for events
	Fn     uintptr  // the routine
	Level  int      // for the package above: stack location number
	Entry  uint8    // for the package above: which entry of a table; no part of the hash
	Data   any      // for the package above

	Serial  uint64 // unique in the run
	excused bool   // what is left changed has been reported already
	irql    uint8
	kernel  int
	special int
	locks   int
	stack   int
	raises  int
}

// Image is a loaded driver, the system or a program, as far as the mechanism cares: who acts.
type Image struct {
	Name      string
	Num       uint16
	ID        trace.ID
	System    bool // a driver that belongs to the system
	Test      bool // no driver, but code of a test that acts for one
	Unloading bool
	Unloaded  bool
}

// SpinLock is a spin lock of any kind: one owner, the others occupy their processors.
type SpinLock struct {
	ID    trace.ID
	held  bool
	owner *K
	rw    *RWSpin // whose readers this stands for
}

// Held is a lock that a context holds; it is what return checks and rules look at.
type Held struct {
	Lock  any // *SpinLock or the package's own lock
	ID    trace.ID
	Kind  uint8 // of the package above
	Saved uint8 // IRQL to restore
	Spin  bool  // spin lock of any kind
	Seq   uint64
	Time  int64 // when it was acquired

	// Rules for a callback that returns, and for a thread that ends, while holding it; NoRule is LOCK-008.
	AtReturn, AtEnd verify.RuleID
}

// RWSpin is a spin lock that one context holds or several share, made of two plain ones. A writer takes
// claim, which keeps new readers out, and then spins on readers until the last one has left: a waiting writer
// goes before readers that come later (reader-writer-spin-locks.md). The zero value is free.
//
// Invariant: readers.held is len(sharers) > 0; who holds the lock exclusively holds claim, and sharers is
// empty.
type RWSpin struct {
	claim   SpinLock // held by the writer, waiting or not
	readers SpinLock // held while anybody shares
	sharers []*K
}

// alternative is one thing that can happen next.
type alternative struct {
	kind altKind
	t    *Thread
	c    *cpu
	ch   *Channel
}

type altKind uint8

// cpu is a simulated processor.
type cpu struct {
	num    uint8
	thread *Thread // current here; nil when idle
	dpcs   []*DPC
	queue  Actor // who runs them
	inDPC  bool
	dpcK   K
	idle   *Thread
	owner  *Thread // with Unbounded: whose processor it is
	target int16   // with Unbounded: 1 + the processor that targeted DPCs name so, 0 for none
}

// DPC is a deferred procedure call object.
type DPC struct {
	ID         trace.ID
	Run        func(k *K)
	Importance uint8
	Target     int8 // processor, -1 the one that queues
	queuedOn   *cpu
	Active     int   // runs in progress
	after      int32 // step that queued it, from 1
}

// Channel is an ordering domain of the world outside the drivers: what is posted to it is delivered in order,
// what is posted to different channels in any order. One channel per direction of a connection is the usual
// grain.
type Channel struct {
	Name  string
	queue []Delivery
	busy  bool // a delivery of this channel has not returned yet
	order uint64
	after []int32 // steps that made a delivery due; for a Trail
	past  uint64  // names the context of its deliveries in a Trail
}

// Delivery is one act of the outside: a segment arrives, a lower driver completes, a process ends.
type Delivery struct {
	Text string   // constant, for the trace
	Obj  trace.ID // what it is about
	// Touches is what the delivery does something to, for a Trail. 0 means that it may touch anything,
	// else Run says what it touches besides.
	Touches trace.ID
	Run     func(k *K)
	// IRQL is the site that decides where Run is called: alternative 0 as a DPC at DISPATCH_LEVEL, 1 in a
	// system worker thread at PASSIVE_LEVEL. Nil means always DISPATCH_LEVEL.
	IRQL *Site
	// Passive means a worker thread in any case.
	Passive bool

	order *knowledge // for the race detector: what those knew who caused it
	after int32      // for a Trail: the step that posted it, from 1
}

// timeout is one armed deadline.
type timeout struct {
	at    int64
	seq   uint64
	index int // position in the heap + 1; 0 when not armed
	fire  func(m *Machine)
}

// clock is a heap of deadlines ordered by (time, order of insertion).
type clock struct {
	heap []*timeout
	seq  uint64
}

// threadState is the state of a thread as the scheduler sees it.
type threadState uint8

const (
	stReady   threadState = iota // may run; on a processor or not
	stWaiting                    // waits for objects or for time to pass
	stDone
)

// Thread is an execution context with a stack of its own. Its Object is signalled when it has ended.
type Thread struct {
	K
	Object  Object
	ID      trace.ID
	TID     uint32
	Process *Process
	Data    any // for the package above

	state     threadState
	onCPU     *cpu
	home      *cpu    // with Unbounded: its processor
	after     []int32 // steps that let it go on; for a Trail
	spin      *SpinLock
	coro      *stack
	body      func(k *K)
	active    *K       // the K to go on with: the thread's own or that of a DPC on its stack
	nest      *Channel // a delivery to make on this stack before going on
	nestDPC   bool     // run the DPC queue of onCPU before going on
	worker    bool
	exiting   bool // has ended, unwinds what is left of its stack
	idle      bool // stands for an idle processor, exists only to run DPCs and deliveries there
	waitAll   bool
	explained bool
	blocks    []waitBlock
	timer     timeout
	result    ntstatus.NTSTATUS
	since     int64
	why       string

	// Requests counts the IRPs bound to the thread, for the package above.
	Requests int

	how         WaitHow // of the present wait
	ending      bool    // is to end when it returns to user mode
	inNormal    bool    // a normal kernel APC runs in it
	alerted     bool
	userPending bool         // user APCs run at the next return to user mode
	user        []func(k *K) // user APCs
	mutants     []*Object    // that it owns
	suspends    int
	suspended   Object // not signalled while suspended
}

// Process is what a thread belongs to. The System process has PID 4.
type Process struct {
	ID     trace.ID
	PID    uint32
	Image  string
	Admin  bool
	Parent uint32 // id of the process that made it, 0 where nobody asked

	Object Object // signalled when its last thread has ended
	Data   any    // for the package above
}

// Object is what a thread can wait for.
type Object struct {
	Kind   ObjectKind
	ID     trace.ID
	Signal int32 // as SignalState: events 0 or 1, semaphores the count, mutexes 1 free, 0 and below owned
	Limit  int32
	Owner  *Thread // of a mutex
	Gone   bool    // memory is gone: stack frame left or block freed
	lock   *RWLock // whose grant this is
	mutant         // of a mutex

	waiters []*Thread
}

// ObjectKind is the kind of a dispatcher object.
type ObjectKind uint8

type waitBlock struct{ obj *Object }

// mutant is what mutexes and mutants differ in. A mutex of drivers keeps normal kernel APCs from its owner,
// whose end with it is fatal; a mutant does not, and is abandoned by an owner that ends.
type mutant struct {
	Mutant    bool
	Abandoned bool // given up by other means than its owner's release; the next owner is told
}

// stack is one pooled coroutine. Between two bodies it waits for the next one; it ends only when it is closed
// or when a body was unwound.
type stack struct {
	baton
	m     *Machine
	t     *Thread // what it runs; nil between two threads
	owner *Thread // t, until the hub has noticed that it ended
	dead  bool
	exits bool // the body ended its thread and unwinds

	goroutine uint64  // number of the goroutine it is
	g         uintptr // the same as currentG has it
}

const (
	altThread altKind = iota
	altDPC
	altDeliver
	altClock
)

// The kinds.
const (
	NoObject ObjectKind = iota
	NotificationEvent
	SynchronizationEvent
	MutexObject
	SemaphoreObject
	NotificationTimer
	SynchronizationTimer
	ThreadObject
	ProcessObject
)

// Scheduler is a Source that wants to know whom it lets go on. It answers sched/step in place of Choose.
type Scheduler interface {
	Source
	// Pick is asked with two options or more; a Scheduler of a machine with a Trail is asked at every step
	// and may answer Cut. The Moment is for use at once.
	Pick(m *Machine, at *Moment) int
}

// WaitHow is the mode of a wait: the parameters WaitMode and Alertable.
type WaitHow uint8

// Given is a routine that a driver gave the system to call.
type Given struct {
	Image uint16 // number of the driver
	Role  string // type of the routine: "KDEFERRED_ROUTINE"
	Fn    uintptr
	Entry uint8  // which of a table of routines, as in Frame.Entry
	Name  string // what the entry is for; "" where there is no table
}

// inlineCall is one of the calls that an address lies in: the function, and the line in it.
type inlineCall struct {
	fn   string
	line int
}

// madeAt is what is known of a statement that made a local variable.
type madeAt struct {
	pc   uintptr
	once bool // a call executes it at most once
}
