// Package pendfirewall is a firewall that asks a program about each connection. ask.sys pends the connect at
// ALE_AUTH_CONNECT_V4 and tells the service by completing a request that it keeps outstanding; the service
// answers by a control code; the driver stores the decision and completes the operation, and the
// reauthorisation that follows finds the decision.
//
//	connect -> classifyFn: FwpsPendOperation0 -> question --IoctlNext--> service
//	           (held)                           decision <--IoctlAnswer- service
//	           FwpsCompleteOperation0 -> classifyFn again: permit or block -> SYN, or an error
//
// Without a service everything is blocked. What a service that goes has not answered is blocked as well.
package pendfirewall

import (
	"encoding/binary"

	"calloutsim/fwps"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// The names of the device, for drivers and for programs.
const (
	deviceName = `\Device\Ask`
	linkName   = `\DosDevices\Ask`
	Path       = `\\.\Ask`
)

// The control codes of the service.
var (
	// IoctlNext asks for the next question. It stays outstanding until there is one.
	IoctlNext = irp.CTL_CODE(irp.FILE_DEVICE_UNKNOWN, 0x801, irp.METHOD_BUFFERED, irp.FILE_READ_ACCESS)
	// IoctlAnswer answers one.
	IoctlAnswer = irp.CTL_CODE(irp.FILE_DEVICE_UNKNOWN, 0x802, irp.METHOD_BUFFERED, irp.FILE_WRITE_ACCESS)
)

// A question is its number, the process and the remote port, as three ULONGs; an answer is the number of the
// question and 1 for a permit, 0 for a block.
const (
	QuestionSize = 12
	AnswerSize   = 8
)

var tag = irp.Tag("AskF")

// question is a connect that is held. It lies in pool, so that losing it shows as a leak.
type question struct {
	id       uint32
	pid      uint32
	port     uint32
	endpoint uint64
	ctx      irql.HANDLE // completion context
	told     bool        // to the service
	decided  bool
	permit   bool
}

// Firewall is ask.sys.
type Firewall struct {
	Defect Defect

	device  *irp.DEVICE_OBJECT
	engine  irql.HANDLE
	callout uint32
	serving irql.EX_RUNDOWN_REF // held while classifyFn asks; run down while there is no service
	service int32               // 1 while a service has the device open
	lock    irql.KSPIN_LOCK     // guards what follows
	waiting []*irp.IRP          // requests for a question, oldest first; each has a cancel routine
	held    []*irp.Typed[question]
	nextID  uint32

	Permitted, Blocked int32 // what was decided by the service, or for it
}

// DriverEntry makes the device, the callout and its filter.
func (d *Firewall) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.MajorFunction[irp.IRP_MJ_CREATE] = d.create
	drv.MajorFunction[irp.IRP_MJ_CLOSE] = d.close
	drv.MajorFunction[irp.IRP_MJ_CLEANUP] = d.cleanup
	drv.MajorFunction[irp.IRP_MJ_DEVICE_CONTROL] = d.control
	drv.DriverUnload = d.unload
	irql.KeInitializeSpinLock(k, &d.lock)
	irql.ExInitializeRundownProtection(k, &d.serving)
	irql.ExWaitForRundownProtectionRelease(k, &d.serving) // nobody to ask yet
	s := irp.IoCreateDevice(k, drv, 0, deviceName, irp.FILE_DEVICE_UNKNOWN, irp.FILE_DEVICE_SECURE_OPEN,
		false, &d.device)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	if s = irp.IoCreateSymbolicLink(k, linkName, deviceName); ntstatus.NT_SUCCESS(s) {
		if s = d.register(k); ntstatus.NT_SUCCESS(s) {
			return s
		}
		irp.IoDeleteSymbolicLink(k, linkName)
	}
	irp.IoDeleteDevice(k, d.device)
	return s
}

// register registers the callout and adds its filter, or does neither.
func (d *Firewall) register(k *irql.K) ntstatus.NTSTATUS {
	c := fwps.FWPS_CALLOUT1{CalloutKey: calloutKey, ClassifyFn: d.classifyFn1, NotifyFn: notifyFn1}
	s := fwps.FwpsCalloutRegister1(k, d.device, &c, &d.callout)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	if s = d.addFilter(k); !ntstatus.NT_SUCCESS(s) {
		d.unregister(k)
	}
	return s
}

func (d *Firewall) unregister(k *irql.K) {
	for fwps.FwpsCalloutUnregisterById0(k, d.callout) == ntstatus.STATUS_DEVICE_BUSY {
		due := int64(-10_000)
		irql.KeDelayExecutionThread(k, irql.KernelMode, false, &due)
	}
}

// unload is called when no service has the device open, so nothing is held; a decision may still wait for the
// reauthorisation that takes it.
func (d *Firewall) unload(k *irql.K, _ *irp.DRIVER_OBJECT) {
	d.removeFilter(k)
	d.unregister(k)
	for _, q := range d.held {
		irp.Free(k, q, tag)
	}
	irp.IoDeleteSymbolicLink(k, linkName)
	irp.IoDeleteDevice(k, d.device)
}

func notifyFn1(*irql.K, fwps.FWPS_CALLOUT_NOTIFY_TYPE, *fwps.GUID, *fwps.FWPS_FILTER1) ntstatus.NTSTATUS {
	return ntstatus.STATUS_SUCCESS
}

// classifyFn1 asks about a connect, or gives the answer.
func (d *Firewall) classifyFn1(k *irql.K, in *fwps.FWPS_INCOMING_VALUES0,
	meta *fwps.FWPS_INCOMING_METADATA_VALUES0, _, _ any, _ *fwps.FWPS_FILTER1, _ uint64,
	out *fwps.FWPS_CLASSIFY_OUT0) {
	if out.Rights&fwps.FWPS_RIGHT_ACTION_WRITE == 0 {
		return // somebody heavier has decided
	}
	endpoint := meta.TransportEndpointHandle()
	flags := in.IncomingValue(fwps.FWPS_FIELD_ALE_AUTH_CONNECT_V4_FLAGS).Value().Uint32()
	reason := in.IncomingValue(fwps.FWPS_FIELD_ALE_AUTH_CONNECT_V4_REAUTHORIZE_REASON).Value().Uint32()
	again := flags&fwps.FWP_CONDITION_FLAG_IS_REAUTHORIZE != 0
	permit, decided := d.decision(k, endpoint)
	switch {
	case decided:
	case again && reason != fwps.FWP_CONDITION_REAUTHORIZE_REASON_CLASSIFY_COMPLETION:
		permit = true // a connection that stands; it was asked about
	case d.ask(k, in, meta, endpoint):
		out.ActionType = fwps.FWP_ACTION_BLOCK // what the pend wants; the answer comes with the completion
		out.Rights &^= fwps.FWPS_RIGHT_ACTION_WRITE
		if d.Defect != AbsorbMissing {
			out.Flags |= fwps.FWPS_CLASSIFY_OUT_FLAG_ABSORB
		}
		return
	}
	out.ActionType = fwps.FWP_ACTION_PERMIT
	if !permit {
		out.ActionType = fwps.FWP_ACTION_BLOCK
		out.Rights &^= fwps.FWPS_RIGHT_ACTION_WRITE
	}
}

// ask pends the connect and makes a question of it; false when nobody can be asked.
func (d *Firewall) ask(k *irql.K, in *fwps.FWPS_INCOMING_VALUES0, meta *fwps.FWPS_INCOMING_METADATA_VALUES0,
	endpoint uint64) bool {
	if !fwps.FWPS_IS_METADATA_FIELD_PRESENT(meta, fwps.FWPS_METADATA_FIELD_COMPLETION_HANDLE) ||
		!irql.ExAcquireRundownProtection(k, &d.serving) {
		return false
	}
	defer irql.ExReleaseRundownProtection(k, &d.serving)
	t := irp.New[question](k, irp.POOL_FLAG_NON_PAGED, tag)
	if t == nil {
		return false
	}
	q := t.Get()
	q.endpoint, q.pid = endpoint, uint32(meta.ProcessId())
	q.port = uint32(in.IncomingValue(fwps.FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_REMOTE_PORT).Value().Uint16())
	if s := fwps.FwpsPendOperation0(k, meta.CompletionHandle(), &q.ctx); !ntstatus.NT_SUCCESS(s) {
		irp.Free(k, t, tag)
		return false
	}
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	d.nextID++
	q.id = d.nextID
	d.held = append(d.held, t)
	irql.KeReleaseSpinLock(k, &d.lock, old)
	d.deliver(k)
	return true
}

// decision takes the decision about a connect, if there is one.
func (d *Firewall) decision(k *irql.K, endpoint uint64) (permit, decided bool) {
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	t := d.take(func(q *question) bool { return q.decided && q.endpoint == endpoint })
	irql.KeReleaseSpinLock(k, &d.lock, old)
	if t == nil {
		return false, false
	}
	permit = t.Get().permit
	irp.Free(k, t, tag)
	count := &d.Blocked
	if permit {
		count = &d.Permitted
	}
	irql.InterlockedIncrement(k, count)
	return permit, true
}

// take takes a question off the list. The lock is held.
func (d *Firewall) take(is func(q *question) bool) *irp.Typed[question] {
	for i, t := range d.held {
		if is(t.Get()) {
			d.held = append(d.held[:i], d.held[i+1:]...)
			return t
		}
	}
	return nil
}

// answer stores a decision and completes the operation. The question stays on the list for the
// reauthorisation. False: there is no such question, or it is decided.
func (d *Firewall) answer(k *irql.K, permit bool, is func(q *question) bool) bool {
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	var found *question
	for _, t := range d.held {
		if q := t.Get(); is(q) && (!q.decided || d.Defect == CompletedTwice) {
			found = q
			break
		}
	}
	if found == nil {
		irql.KeReleaseSpinLock(k, &d.lock, old)
		return false
	}
	ctx := found.ctx
	found.permit = permit
	found.decided = d.Defect != StoredTooLate
	if d.Defect == CompletedUnderLock {
		fwps.FwpsCompleteOperation0(k, ctx, nil)
		irql.KeReleaseSpinLock(k, &d.lock, old)
		return true
	}
	irql.KeReleaseSpinLock(k, &d.lock, old)
	fwps.FwpsCompleteOperation0(k, ctx, nil) // the question may be gone when this returns
	if d.Defect == StoredTooLate {
		found.decided = true
	}
	return true
}

func (q *question) bytes() (b [QuestionSize]byte) {
	binary.LittleEndian.PutUint32(b[:], q.id)
	binary.LittleEndian.PutUint32(b[4:], q.pid)
	binary.LittleEndian.PutUint32(b[8:], q.port)
	return b
}
