package ke

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
)

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

// refused passes on that a call failed.
func (m *Machine) refused(k *K, e *trace.Event) {
	switch e.What {
	case trace.Call:
		m.Refused(k, e.Code.String(), ntstatus.NTSTATUS(e.Status))
	case trace.Note:
		m.Refused(k, e.Text, ntstatus.NTSTATUS(e.Status))
	}
}

// Stack returns the program counters recorded with event seq, if Config.Stacks was on.
func (m *Machine) Stack(seq uint64) []uintptr {
	if seq >= uint64(len(m.stacks)) {
		return nil
	}
	return m.stacks[seq]
}
