package ke

import "calloutsim/internal/trace"

var (
	siteStep = Site{Name: "sched/step", Spec: "scheduling.md 4, 7.1"}
	siteWake = Site{Name: "sched/wake", Spec: "scheduling.md R3"}
)

// canTake reports whether c can switch threads or start a DPC: it is below DISPATCH_LEVEL.
func (c *cpu) canTake() bool { return !c.inDPC && c.irqlOf() < Dispatch }

// enumerate lists what can happen next, the boring alternative first: self if it can go on, then the other
// threads by number, then DPC queues by processor, then deliveries by channel. The clock, if timers race,
// comes after them.
func (m *Machine) enumerate(self *Thread) []alternative {
	a := m.alts[:0]
	spinners := false
	if self != nil {
		if self.awaits() {
			spinners = true
		} else {
			a = append(a, alternative{kind: altThread, t: self})
		}
	}
	taker := false
	for _, c := range m.cpus {
		taker = taker || c.canTake()
	}
	for _, t := range m.threads {
		switch {
		case t == self:
		case t.onCPU == nil && !taker && !m.wide:
		case t.spin != nil && t.spin.held:
		case t.awaits():
			spinners = true
		default:
			a = append(a, alternative{kind: altThread, t: t})
		}
	}
	if m.queued > 0 {
		for _, c := range m.cpus {
			if len(c.dpcs) > 0 && c.canTake() {
				a = append(a, alternative{kind: altDPC, c: c})
			}
		}
	}
	if taker || m.wide {
		for _, ch := range m.chans {
			a = append(a, alternative{kind: altDeliver, ch: ch})
		}
	}
	if len(a) == 0 && spinners {
		a = m.spinners(a)
	}
	m.alts = a
	return a
}

// awaits reports whether t, or the DPC on its stack, is about to take a spin lock that is held, which it need
// not begin to in an Unbounded machine: nobody would notice. A thread with a DPC in its queue is another
// matter, because the DPC waits while it spins.
func (t *Thread) awaits() bool {
	k := t.active
	if k == nil || k.wants == nil || !k.wants.held {
		return false
	}
	return k.isDPC || len(k.cpu.dpcs) == 0
}

// spinners lists the threads that would spin, for when nobody else is left.
func (m *Machine) spinners(a []alternative) []alternative {
	for _, t := range m.threads {
		if t.awaits() {
			a = append(a, alternative{kind: altThread, t: t})
		}
	}
	return a
}

// decide picks what happens next; nil: nobody can run, or the run was cut and the machine is dead. The
// result holds until the next enumerate.
func (m *Machine) decide(self *Thread) *alternative {
	if m.race {
		return m.decideOrTick(self)
	}
	a := m.enumerate(self)
	if len(a) == 0 {
		return nil
	}
	return m.ask(a, self, false)
}

// decideOrTick is decide when timers race. That the clock moves on is no step of anybody, so it asks again;
// when nobody can run it is the hub that moves the clock.
func (m *Machine) decideOrTick(self *Thread) *alternative {
	for {
		a := m.enumerate(self)
		if m.mayTick() {
			a = append(a, alternative{kind: altClock})
			m.alts = a
		}
		switch {
		case len(a) == 0, len(a) == 1 && a[0].kind == altClock:
			return nil
		}
		x := m.ask(a, self, false)
		if x == nil || x.kind != altClock {
			return x
		}
		m.AddsOn(Unknown)
		m.tick()
	}
}

// Stall keeps the processor busy until virtual time has moved on by d.
func Stall(k *K, d int64) {
	t, m := k.t, k.m
	if d <= 0 {
		return
	}
	CheckFunctions(k)
	busy := &SpinLock{held: true}
	m.arm(&timeout{at: m.now + d, fire: func(*Machine) { busy.held = false }})
	for busy.held {
		t.spin, t.since = busy, m.now
		m.next = nil
		m.park(k)
		t.spin = nil
	}
}

// park gives up the baton; it returns when k is to go on. DPCs and deliveries that interrupt the thread run
// in here.
func (m *Machine) park(k *K) {
	t := k.t
	for {
		t.active = k
		m.rest.release()
		t.coro.park() // resume keeps m.cur
		if m.dead {
			m.die()
		}
		if GoRaces {
			m.races.goesOn(k)
		}
		if !t.nestDPC && t.nest == nil {
			break
		}
		m.runNested(t, k)
		t.active = k
		if m.trail != nil {
			t.after = append(t.after, m.trail.now()) // k could not go on before the interruption was over
		}
		a := m.decide(t)
		if a == nil {
			m.leave()
		}
		if a.kind == altThread && a.t == t {
			break
		}
		m.next = a
	}
	if len(t.apcs) > 0 && !k.isDPC {
		woken := t.result // an APC may wait as well
		DeliverAPCs(k)
		t.result = woken
	}
}

func (m *Machine) runNested(t *Thread, k *K) {
	if t.nestDPC {
		t.nestDPC = false
		m.runDPCs(t.onCPU, k, t.onCPU.queue)
		return
	}
	ch := t.nest
	t.nest = nil
	m.begin(ch, t.onCPU, k)
}

// Run lets the machine go on until nothing can run any more, the run has ended with a violation, or until
// (asked whenever a context gave up its processor) says so. It is the hub: called from outside, never from
// driver code.
func (m *Machine) Run(until func() bool) {
	m.private = false
	m.run(until)
}

// RunTo is Run up to a point that the simulator itself waits for. Nothing is looked at there, and nothing but
// what the caller does next (Acts) depends on when it came.
func (m *Machine) RunTo(until func() bool) {
	m.private = true
	m.run(until)
}

// Acts is called before something is done to a machine, or asked of it, from outside. If contexts could still
// go on when it was stopped, that comes right after the step it was stopped after, and may touch anything.
func (m *Machine) Acts() {
	if m.midway {
		m.midway = false
		m.AddsOn(Unknown)
	}
}

func (m *Machine) run(until func() bool) {
	if m.running {
		panic(Misuse("Run called from inside the machine: simulated code cannot run the machine it runs in"))
	}
	m.running, m.midway = true, false
	if m.races != nil {
		m.races.start()
	}
	defer func() { m.running = false }()
	for !m.hub(until) {
		m.drop(m.in) // the thread ended by being unwound
		m.in = nil
	}
	m.cur = nil
	if m.races != nil {
		m.races.rest()
	}
	if m.dead {
		m.kill()
	}
	if c := m.crash; c != nil {
		m.crash = nil
		panic(c)
	}
}

// hub gives the baton away and takes it back until there is nothing more to do. It returns false when a
// thread was unwound, which leaves it by a panic; one deferred call for all switches keeps a switch cheap.
func (m *Machine) hub(until func() bool) (done bool) {
	defer catchKilled(&m.in)
	for !m.dead {
		if until != nil && until() {
			m.midway = true
			if !m.private {
				m.Acts() // the condition may have looked at anything
			}
			break
		}
		a := m.next
		m.next = nil
		if a == nil {
			a = m.decide(nil)
		}
		if m.dead {
			break
		}
		if a == nil {
			if !m.advance() {
				m.stuck()
				m.rests()
				break
			}
			continue
		}
		m.apply(a)
	}
	return true
}

// apply makes the alternative happen: one resume of one coroutine.
func (m *Machine) apply(a *alternative) {
	t := a.t
	switch a.kind {
	case altThread:
		if t.onCPU == nil {
			m.place(t, m.takerFor(t))
		}
	case altDPC:
		t = m.host(a.c)
		t.nestDPC = true
	case altDeliver:
		t = m.host(m.takerFor(nil))
		t.nest = a.ch
	}
	m.resume(t)
}

// taker is the processor that takes a thread or a delivery: an idle one, else the one that ran last, else the
// first that is below DISPATCH_LEVEL. Which of them it is makes no difference to the drivers but for the
// processor's number.
func (m *Machine) taker() *cpu {
	var best *cpu
	for _, c := range m.cpus {
		switch {
		case !c.canTake():
		case c.thread == nil:
			return c
		case best == nil, m.last != nil && c == m.last.onCPU:
			best = c
		}
	}
	if best == nil {
		panic("internal error: no processor can take what was chosen")
	}
	return best
}

// place makes t the current thread of c; who was current there stays ready.
func (m *Machine) place(t *Thread, c *cpu) {
	if c.thread != nil {
		c.thread.onCPU = nil
	}
	c.thread, t.onCPU, t.K.cpu = t, c, c
}

// host is the thread whose stack serves a DPC or delivery on c: the current one, or the processor's idle
// thread.
func (m *Machine) host(c *cpu) *Thread {
	if c.thread != nil {
		return c.thread
	}
	if c.idle == nil {
		c.idle = &Thread{idle: true}
		c.idle.K = K{m: m, t: c.idle, cpu: c, name: "Idle processor " + utoa(uint64(c.num)),
			num: uint16(c.num) + 1, actor: Actor(c.num) + 1}
		c.idle.body = func(k *K) { m.runNested(k.t, k) }
	}
	t := c.idle
	m.place(t, c)
	m.makeReady(t)
	return t
}

func (m *Machine) resume(t *Thread) {
	if t.coro == nil {
		t.coro = m.getStack()
		t.active = &t.K
		t.coro.t, t.coro.owner = t, t
	}
	m.cur = t.active
	if t != m.last {
		m.last = t
		if !t.idle {
			record(t.active, trace.Switch, 0, 0, 0, 0, 0, 0)
		}
	}
	s := t.coro
	m.in, m.onG = s, s.g
	if !s.switchTo() {
		m.drop(s)
	}
	m.rest.acquire()
	m.in = nil
	m.cur = nil
}

// drop takes the coroutine from a thread that has ended.
func (m *Machine) drop(s *stack) {
	m.rest.acquire()
	s.owner.coro, s.owner = nil, nil
	m.putStack(s)
}

// kill unwinds every context that still has a stack.
func (m *Machine) kill() {
	m.dead, m.killing = true, true
	m.cur = nil
	for _, t := range m.all {
		m.unwind(t)
	}
	for _, c := range m.cpus {
		if c.idle != nil {
			m.unwind(c.idle)
		}
	}
	m.killing = false
}

func (m *Machine) unwind(t *Thread) {
	for t.coro != nil {
		s := t.coro
		m.in = s
		if !unwindStep(s) {
			m.drop(s)
		}
		m.in = nil
	}
}

func unwindStep(s *stack) (alive bool) {
	defer catchKilled(&s)
	return s.switchTo()
}
