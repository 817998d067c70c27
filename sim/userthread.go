package sim

import (
	"runtime"
	"slices"
	"time"

	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/irp"
)

// This file is about the threads of programs: how they return from the system, user APCs, suspension, and the
// end of threads and processes.

// leave is the return from the system, the last act of every call: user APCs run, and a thread that was told
// to end ends here.
func (u *User) leave() {
	if ke.Unwinds(u.k) {
		runtime.Goexit()
	}
	if ke.ReturnToUser(u.k) {
		return
	}
	u.p.threadEnds(u.k)
	ke.ExitThread(u.k)
}

// leaving is leave on the way out with a result.
func leaving[T any](u *User, result T) T {
	u.leave()
	return result
}

// threadEnds does what precedes the end of a thread of the process. With the last one the process ends.
func (p *Process) threadEnds(k *ke.K) {
	irp.Sim.EndThread(k)
	ke.Adds(k, ke.Swaps(p.p.ID))
	i := slices.Index(p.threads, ke.ThreadOf(k))
	p.threads = slices.Delete(p.threads, i, i+1)
	if len(p.threads) > 0 {
		return
	}
	for p.killed && len(p.sockets) > 0 {
		s := p.sockets[0]
		p.sockets = p.sockets[1:]
		s.Abort(k)
	}
	irp.Sim.ProcessEnds(k, p.p)
	p.told = false
	irp.Sim.EndProcess(k, p.p)
	ke.EndProcess(k, p.p)
}

// disown forgets a socket that was closed.
func (p *Process) disown(s *tcpip.Socket) {
	if i := slices.Index(p.sockets, s); i >= 0 {
		p.sockets = slices.Delete(p.sockets, i, i+1)
	}
}

// Kill ends the process from outside, as the task manager does: the test calls it while the machine does not
// run. Every thread ends where it next would return to user mode; a wait in UserMode ends for that, one of a
// driver in KernelMode does not. Then the thread's requests are cancelled and waited for, and with the last
// thread handles are closed and connections reset. In the program of another process use User.Kill.
func (p *Process) Kill() {
	if p.m.ke.Running() {
		panic(ke.Misuse("Process.Kill called inside of the run: use User.Kill, or User.Exit"))
	}
	p.m.ke.Acts()
	p.kill()
	p.m.stopped = true
}

func (p *Process) kill() {
	p.killed = true
	for _, t := range p.threads {
		p.m.ke.EndSoon(t)
	}
}

// Kill is TerminateProcess, for another process or the own one; the latter does not return.
func (u *User) Kill(p *Process) {
	u.here("TerminateProcess")
	ke.Point(u.k, ke.Writes(p.p.ID))
	ke.Note(u.k, "TerminateProcess", p.p.ID)
	p.kill()
	u.leave()
}

// Exit is ExitProcess. It does not return.
func (u *User) Exit() { u.Kill(u.p) }

// target stops the test when t cannot be the target of call.
func (u *User) target(call string, t *Thread) *ke.Thread {
	u.here(call)
	if t.u == nil {
		panic(ke.Misuse(call + " on a thread that is not one of a process: only Process.Go makes such"))
	}
	ke.Point(u.k, ke.Swaps(t.t.ID))
	return t.t
}

// Terminate is TerminateThread.
func (u *User) Terminate(t *Thread) {
	target := u.target("TerminateThread", t)
	ke.Note(u.k, "TerminateThread", target.ID)
	u.p.m.ke.EndSoon(target)
	u.leave()
}

// QueueAPC is QueueUserAPC: fn runs in t, in its next alertable wait (SleepEx). False: t has ended.
func (u *User) QueueAPC(t *Thread, fn func(u *User)) bool {
	target := u.target("QueueUserAPC", t)
	ke.Note(u.k, "QueueUserAPC", target.ID)
	return leaving(u, ke.QueueUserAPC(u.k, target, func(*ke.K) { fn(t.u) }))
}

// Alert is NtAlertThread: the present alertable wait of t ends with STATUS_ALERTED, or its next one.
func (u *User) Alert(t *Thread) {
	target := u.target("NtAlertThread", t)
	ke.Note(u.k, "NtAlertThread", target.ID)
	ke.Alert(u.k, target)
	u.leave()
}

// Suspend is SuspendThread: t stops, wherever it is, unless in a critical region, with a mutex, or at
// APC_LEVEL or above. It returns how often t was suspended before.
func (u *User) Suspend(t *Thread) int {
	return leaving(u, ke.Suspend(u.k, u.target("SuspendThread", t)))
}

// Resume is ResumeThread: it takes one Suspend back and returns how often t was suspended before.
func (u *User) Resume(t *Thread) int {
	return leaving(u, ke.Resume(u.k, u.target("ResumeThread", t)))
}

// SleepEx is SleepEx with an alertable wait; a negative time is for ever. It reports whether an APC or an
// alert ended it, which is what WAIT_IO_COMPLETION says.
func (u *User) SleepEx(d time.Duration) bool {
	u.here("SleepEx")
	const how = ke.WaitUser | ke.WaitAlertable
	if d >= 0 {
		return leaving(u, ke.SleepAs(u.k, how, -int64(d/100)) != 0)
	}
	return leaving(u, ke.WaitAs(u.k, how, nil, false, nil, "SleepEx") != 0)
}
