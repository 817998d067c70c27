package sim

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/irp"
	"calloutsim/ntstatus"
)

// This file is about the beginning of processes, of which drivers may be told
// (PsSetCreateProcessNotifyRoutine).

// creation tells drivers that the process begins, if its first thread is made from outside the run and a
// driver wants to know: in a thread of the System process, which stands for whoever creates it. The object
// returned is signalled when all know; nil: nobody needs to.
func (p *Process) creation(first bool) *ke.Object {
	if !first || p.told || !irp.Sim.WatchesProcesses(p.m.ke) {
		return nil
	}
	p.told = true
	done := &ke.Object{Kind: ke.NotificationEvent, ID: p.m.ke.NewID(trace.KEvent)}
	p.m.ke.NewThread("creation of "+p.p.Image, nil, func(k *ke.K) {
		p.refuse(irp.Sim.ProcessCreated(k, p.p))
		ke.SetSignal(k, done, 1)
	})
	return done
}

func (p *Process) refuse(s ntstatus.NTSTATUS) {
	if !ntstatus.NT_SUCCESS(s) {
		p.refused = s
	}
}

// awaits blocks a thread of the process until drivers know of it.
func (p *Process) awaits(k *ke.K, created *ke.Object) {
	if created != nil {
		objs := [1]*ke.Object{created}
		ke.Wait(k, objs[:], false, nil, "the creation of its process")
	}
}

// Refused is the status with which a driver's notify routine forbade the process, whose threads then never
// began; STATUS_SUCCESS when none did.
func (p *Process) Refused() ntstatus.NTSTATUS { return p.refused }

// Spawn is CreateProcess: drivers are told in the calling thread. The new process does nothing until Go gives
// it threads. The error says that a driver forbade it.
func (u *User) Spawn(image string, opts ...ProcessOptions) (*Process, error) {
	u.here("CreateProcess")
	p := u.p.m.Process(image, opts...)
	p.told = true
	ke.Note(u.k, "CreateProcess", p.p.ID)
	s := irp.Sim.ProcessCreated(u.k, p.p)
	p.refuse(s)
	return leaving(u, p), win32("CreateProcess", s)
}
