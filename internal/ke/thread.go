package ke

import (
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
)

// maxContexts is the limit of threads, workers and processors of one run, dead ones included.
const maxContexts = 1<<16 - 1

// NewThread makes a thread that is ready to run fn. p nil is the System process.
func (m *Machine) NewThread(name string, p *Process, fn func(k *K)) *Thread {
	if m.ctxs == maxContexts {
		panic(Misuse("more than " + utoa(maxContexts) + " contexts in one run"))
	}
	m.ctxs++
	if !m.running {
		m.Acts()
	}
	t := m.blankThread()
	t.ID, t.Process, t.body = m.NewID(trace.Thread), p, fn
	m.made++
	t.TID = uint32(4 * (2 + m.made))
	t.m, t.t, t.name, t.num, t.cpu = m, t, name, m.ctxs, m.cpus[0]
	t.K.actor = Actor(t.num)
	t.watch(m)
	if m.trail != nil {
		m.trail.names(t.K.actor.id())
		t.past = m.trail.canon[t.ID]
	}
	t.Object.Kind, t.Object.ID = ThreadObject, t.ID
	m.all = append(m.all, t)
	m.makeReady(t)
	if m.races != nil {
		m.races.fork(t)
	}
	return t
}

// blankThread gives a zero Thread, one of an earlier run with its buffers if there is any.
func (m *Machine) blankThread() *Thread {
	var t *Thread
	if n := len(m.retired); n > 0 {
		t = m.retired[n-1]
		m.retired = m.retired[:n-1]
		clear(t.Object.waiters[:cap(t.Object.waiters)])
		old := *t
		*t = Thread{blocks: old.blocks[:0], after: old.after[:0]}
		t.K.next, t.K.within = old.K.next[:0], old.K.within[:0]
		t.frames, t.locks, t.stack, t.apcs = old.frames[:0], old.locks[:0], old.stack[:0], old.apcs[:0]
		t.Object.waiters = old.Object.waiters[:0]
	} else {
		t = new(Thread)
	}
	m.born = append(m.born, t)
	return t
}

// makeReady puts t among the runnable threads, ordered by number.
func (m *Machine) makeReady(t *Thread) {
	t.state = stReady
	m.idle = 0
	if m.trail != nil {
		if n := m.trail.now(); n >= 0 {
			t.after = append(t.after, n)
		}
	}
	i := len(m.threads)
	m.threads = append(m.threads, t)
	for i > 0 && m.threads[i-1].num > t.num {
		m.threads[i] = m.threads[i-1]
		i--
	}
	m.threads[i] = t
}

// unready takes t from the runnable threads and from its processor.
func (m *Machine) unready(t *Thread, s threadState) {
	t.state = s
	for i, o := range m.threads {
		if o == t {
			m.threads = list.Cut(m.threads, i)
			break
		}
	}
	if t.onCPU != nil {
		t.onCPU.thread = nil
		t.onCPU = nil
	}
}

// main is what a thread's coroutine runs.
func (t *Thread) main() {
	k := &t.K
	if GoRaces {
		t.m.races.goesOn(k)
	}
	Log(k, trace.Event{What: trace.Start, Obj: t.ID, Text: k.name})
	if len(k.apcs) > 0 {
		DeliverAPCs(k)
	}
	t.body(k)
	if t.Requests > 0 {
		t.rundown(k)
	}
	endThread(k)
}

// rundown has the packages above end what is bound to the thread.
func (t *Thread) rundown(k *K) {
	for _, fn := range t.m.OnThreadEnd {
		fn(k)
	}
}

// ExitThread ends the running thread in the middle of its routine, as PsTerminateSystemThread does. The
// frames it is in are popped with their checks; deferred calls of the routine run, but cannot do anything. It
// does not return.
func ExitThread(k *K) {
	for len(k.frames) > 0 {
		Pop(k)
	}
	if k.t.Requests > 0 {
		k.t.rundown(k)
	}
	endThread(k)
	k.t.exiting, k.t.coro.exits = true, true
	k.m.cur = nil
	k.m.die()
}

func endThread(k *K) {
	t := k.t
	m := k.m
	Log(k, trace.Event{What: trace.End, Obj: t.ID})
	m.abandon(t)
	m.signalEnd(t)
	m.unready(t, stDone)
	for i, o := range m.all {
		if o == t {
			m.all = list.Cut(m.all, i)
			break
		}
	}
}

func (m *Machine) signalEnd(t *Thread) {
	t.Object.Signal = 1
	if t.ID != 0 {
		m.AddsOn(Sets(t.ID))
	}
	if m.races != nil {
		m.races.release(&t.K, &t.Object)
	}
	m.satisfy(&t.Object)
}

// Ended reports whether the thread has run to its end.
func (t *Thread) Ended() bool { return t.state == stDone }

// Name returns the thread's name.
func (t *Thread) Name() string { return t.name }

// Threads returns the live threads in order of creation.
func (m *Machine) Threads() []*Thread { return m.all }

// Timed reports whether a wait of the thread ends by time.
func (t *Thread) Timed() bool { return t.timer.index != 0 }

// Frames returns the callbacks the thread is in.
func (t *Thread) Frames() []Frame { return t.K.frames }

// KOf returns the thread's own K.
func KOf(t *Thread) *K { return &t.K }

// Waits says what a thread that cannot run waits for, and since when; ok is false when it can run.
func (t *Thread) Waits() (why string, on []*Object, since int64, ok bool) {
	if t.spin != nil {
		return "spins for " + t.spin.ID.String(), nil, t.since, true
	}
	if t.state != stWaiting {
		return "", nil, 0, false
	}
	for i := range t.blocks {
		on = append(on, t.blocks[i].obj)
	}
	return t.why, on, t.since, true
}

// QueueWork starts fn in a system worker thread at PASSIVE_LEVEL. Every item gets a pooled stack of its own,
// so that items may overtake each other from their first instruction on.
func (m *Machine) QueueWork(name string, fn func(k *K)) *Thread {
	t := m.NewThread(name, nil, fn)
	t.worker = true
	return t
}

// IsWorker reports whether k runs in a system worker thread.
func IsWorker(k *K) bool { return k.t.worker }
