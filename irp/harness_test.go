package irp_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/subsystems"
	"calloutsim/internal/trial"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Short names for what nearly every test says.
const (
	ok      = ntstatus.STATUS_SUCCESS
	pending = ntstatus.STATUS_PENDING
	failed  = ntstatus.STATUS_UNSUCCESSFUL
	stop    = ntstatus.STATUS_MORE_PROCESSING_REQUIRED
	resume  = ntstatus.STATUS_SUCCESS // STATUS_CONTINUE_COMPLETION is another name of it
)

// named is one case of a table.
type named[F any] struct {
	name string
	do   F
}

// lab is one machine with small drivers, loaded through their DriverEntry.
type lab struct {
	t      *testing.T
	m      *ke.Machine
	client *irp.DRIVER_OBJECT // the driver that makes the requests
	image  *ke.Image
}

// driver is one driver with one device.
type driver struct {
	l     *lab
	obj   *irp.DRIVER_OBJECT
	dev   *irp.DEVICE_OBJECT
	below *irp.DEVICE_OBJECT // what the device is attached to, nil for the lowest
	kept  *irp.IRP           // what the driver holds pending
}

// dispatch is a dispatch routine that knows its driver.
type dispatch func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS

func newLab(t *testing.T, cfg ke.Config) *lab {
	t.Helper()
	if cfg.Events == 0 {
		cfg.Events = -1
	}
	cfg.Stacks = cfg.Stacks || recorder != nil
	cfg.Subsystems = subsystems.All()
	m := ke.New(cfg)
	t.Cleanup(m.Close)
	return labOn(t, m)
}

// labOn is newLab on a machine that is new or reset.
func labOn(t *testing.T, m *ke.Machine) *lab {
	t.Helper()
	recorded(t, m)
	l := &lab{t: t, m: m}
	l.client = l.load("client.sys", nil, func(_ *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
		drv.DriverUnload = func(*irql.K, *irp.DRIVER_OBJECT) {}
		drv.DriverExtension.AddDevice = isPnp
		return ok
	})
	l.image = l.client.Image()
	return l
}

func (l *lab) load(name string, want *ntstatus.NTSTATUS, entry irp.DRIVER_INITIALIZE) *irp.DRIVER_OBJECT {
	l.t.Helper()
	drv := irp.Sim.LoadDriver(l.m, name, entry)
	l.m.Run(nil)
	s, done := drv.EntryStatus()
	if want == nil {
		require.True(l.t, done, "DriverEntry of %s has not returned: %v", name, l.m.Findings())
		require.Equal(l.t, ok, s)
	}
	return drv
}

// stack loads one driver per routine, the top first, and attaches their devices to each other.
func (l *lab) stack(routines ...dispatch) []*driver {
	l.t.Helper()
	out := make([]*driver, len(routines))
	for i := len(routines) - 1; i >= 0; i-- {
		d := &driver{l: l}
		var target *irp.DEVICE_OBJECT
		if i+1 < len(routines) {
			target = out[i+1].dev
		}
		d.obj = l.load(fmt.Sprintf("drv%d.sys", i), nil, d.entry(routines[i], target))
		out[i] = d
	}
	return out
}

func (d *driver) entry(fn dispatch, target *irp.DEVICE_OBJECT) irp.DRIVER_INITIALIZE {
	return func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
		for i := range drv.MajorFunction {
			drv.MajorFunction[i] = func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
				return fn(k, d, p)
			}
		}
		drv.DriverUnload = func(*irql.K, *irp.DRIVER_OBJECT) {}
		drv.DriverExtension.AddDevice = isPnp
		s := irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &d.dev)
		if s == ok && target != nil {
			d.below = irp.IoAttachDeviceToDeviceStack(k, d.dev, target)
		}
		return s
	}
}

// isPnp makes a driver one that plug and play keeps loaded: it may use IoSetCompletionRoutine (IRP-044).
func isPnp(*irql.K, *irp.DRIVER_OBJECT, *irp.DEVICE_OBJECT) ntstatus.NTSTATUS { return ok }

// as runs fn in a system thread of the driver to which img belongs.
func (l *lab) as(img *ke.Image, fn func(k *irql.K)) *ke.Thread {
	return l.m.NewThread("thread of "+img.Name, nil, func(k *irql.K) {
		ke.Push(k, ke.Frame{Kind: ke.FrameThread, Image: img})
		fn(k)
		ke.Pop(k)
	})
}

// run lets the client do fn and the machine come to rest, and makes the checks of the end of the run.
func (l *lab) run(fn func(k *irql.K)) {
	l.t.Helper()
	client := l.as(l.image, fn)
	l.rest()
	if len(l.found()) == 0 {
		require.True(l.t, client.Ended(), "the client waits for ever")
	}
}

// begin is run without the checks: something is to follow.
func (l *lab) begin(fn func(k *irql.K)) {
	l.t.Helper()
	l.as(l.image, fn)
	l.m.Run(nil)
}

func (l *lab) rest() {
	l.m.Run(nil)
	l.m.RunEndChecks()
}

// later runs fn as code of d once the present context has given up its processor.
func (d *driver) later(fn func(k *irql.K)) { d.l.as(d.obj.Image(), fn) }

// completeLater has d complete p from a thread of its own.
func (d *driver) completeLater(p *irp.IRP, s ntstatus.NTSTATUS) {
	d.later(func(k *irql.K) { complete(k, p, s) })
}

// findings are those of the run; notes count only when a test asks for their rule.
func (l *lab) findings(rule verify.RuleID) (out []*verify.Finding) {
	for i := range l.m.Findings() {
		if f := &l.m.Findings()[i]; f.Severity() > verify.Note || f.Rule == rule {
			out = append(out, f)
		}
	}
	return out
}

// found says which rules were broken, in words that read well in a failure.
func (l *lab) found() []string {
	var out []string
	for _, f := range l.findings(verify.NoRule) {
		out = append(out, f.Rule.String()+": "+f.Headline)
	}
	return out
}

// expect says that exactly one rule was broken, and which; the record's bug check goes with it.
func (l *lab) expect(rule verify.RuleID) *verify.Finding {
	l.t.Helper()
	found := l.findings(rule)
	require.Len(l.t, found, 1, "%q", l.found())
	f := found[0]
	require.Equal(l.t, rule.String(), f.Rule.String(), f.Headline)
	return f
}

// silent says that no rule was broken.
func (l *lab) silent() {
	l.t.Helper()
	require.Empty(l.t, l.found())
}

// trips runs a scenario that breaks one rule under every schedule and checks that the finding agrees with the
// rule's record.
func trips(t *testing.T, rule verify.RuleID, scenario func(l *lab), pins ...ke.Pin) *verify.Finding {
	t.Helper()
	f := tripsEach(t, rule, scenario, pins...)
	agrees(t, f)
	return f
}

// agrees compares a finding with the record of its rule.
func agrees(t *testing.T, f *verify.Finding) {
	t.Helper()
	r := record(f.Rule)
	require.NotNil(t, r, "no record of %v", f.Rule)
	assert.Equal(t, fmt.Sprintf("0x%X", r.BugCheck), fmt.Sprintf("0x%X", f.BugCheck), "bug check")
	assert.NotEmpty(t, f.Headline)
	assert.NotEmpty(t, f.Obj)
}

// tripsEach is trips without a look at the finding, which is that of the boring schedule.
func tripsEach(t *testing.T, rule verify.RuleID, scenario func(l *lab),
	pins ...ke.Pin) (first *verify.Finding) {
	t.Helper()
	play := walks(t, scenario, pins...)
	trial.Breaks(t, func(number int) bool {
		f := play(number).expect(rule)
		if number == 0 {
			first = kept(f)
		}
		return true
	})
	return first
}

// race says why a scenario breaks its rule under some schedules only, and what the driver breaks instead
// where another context was faster.
type race struct {
	reason string
	rules  []verify.RuleID
	quiet  bool // nothing may be wrong as well
}

// tripsMostly is trips where it is up to the schedule whether the act happens.
func tripsMostly(t *testing.T, rule verify.RuleID, r race, scenario func(l *lab)) *verify.Finding {
	t.Helper()
	f := tripsMost(t, rule, r, scenario)
	agrees(t, f)
	return f
}

// tripsMost is tripsMostly without a look at the finding, which is that of the boring schedule.
func tripsMost(t *testing.T, rule verify.RuleID, r race, scenario func(l *lab)) (first *verify.Finding) {
	t.Helper()
	play := walks(t, scenario)
	trial.MostlyBreaks(t, r.reason, func(number int) bool {
		l := play(number)
		found := l.findings(rule)
		switch {
		case len(found) == 0 && r.quiet:
			return false
		case len(found) == 1 && slices.Contains(r.rules, found[0].Rule):
			return false
		}
		f := l.expect(rule)
		if number == 0 {
			first = kept(f)
		}
		return true
	})
	return first
}

// tripsAs is trips where the case has another code than the record's.
func tripsAs(t *testing.T, rule verify.RuleID, bugCheck uint32, sub string,
	scenario func(l *lab)) *verify.Finding {
	t.Helper()
	f := tripsEach(t, rule, scenario)
	assert.Equal(t, fmt.Sprintf("0x%X", bugCheck), fmt.Sprintf("0x%X", f.BugCheck), "bug check")
	assert.Equal(t, sub, f.Args[0].Value, "sub-code")
	return f
}

// passes runs the repaired form of a scenario.
func passes(t *testing.T, scenario func(l *lab), pins ...ke.Pin) {
	t.Helper()
	play := walks(t, scenario, pins...)
	trial.Keeps(t, func(number int) { play(number).silent() })
}

// avoids is passes for the repaired form of what breaks a rule that is a note, which silent does not see.
func avoids(t *testing.T, rule verify.RuleID, scenario func(l *lab)) {
	t.Helper()
	play := walks(t, scenario)
	trial.Keeps(t, func(number int) {
		l := play(number)
		l.silent()
		require.Empty(t, l.findings(rule))
	})
}

// walks plays a scenario under the schedules of package trial, one after the other on one machine.
func walks(t *testing.T, scenario func(l *lab), pins ...ke.Pin) func(number int) *lab {
	m := ke.New(ke.Config{Subsystems: subsystems.All()})
	t.Cleanup(m.Close)
	return func(number int) *lab {
		t.Helper()
		m.Reset(ke.Config{Events: -1, Source: trial.Walk(number), Pins: pins, Stacks: recorder != nil,
			Subsystems: subsystems.All()})
		l := labOn(t, m)
		scenario(l)
		return l
	}
}

// kept is a copy of a finding that outlives the run.
func kept(f *verify.Finding) *verify.Finding {
	c := *f
	return &c
}

func record(rule verify.RuleID) *verify.Record {
	rules := irp.Subsystem.Rules
	for i := range rules {
		if rules[i].ID == rule {
			return &rules[i]
		}
	}
	return nil
}

// --- dispatch routines ---

// complete ends p with s and returns s.
func complete(k *irql.K, p *irp.IRP, s ntstatus.NTSTATUS) ntstatus.NTSTATUS {
	p.IoStatus().Status = s
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	return s
}

// completes is a driver that ends every request at once.
func completes(s ntstatus.NTSTATUS) dispatch {
	return func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS { return complete(k, p, s) }
}

// pends is a driver that marks the request and ends it later.
func pends(s ntstatus.NTSTATUS) dispatch {
	return func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
		irp.IoMarkIrpPending(k, p)
		d.completeLater(p, s)
		return pending
	}
}

// keeps is a driver that marks the request and holds it; the test ends it.
func keeps(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
	irp.IoMarkIrpPending(k, p)
	d.kept = p
	return pending
}

// skips is a driver that forwards and forgets.
func skips(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
	irp.IoSkipCurrentIrpStackLocation(k, p)
	return irp.IoCallDriver(k, d.below, p)
}

// forward copies the location, sets a routine for every case and sends p down.
func forward(k *irql.K, d *driver, p *irp.IRP, routine irp.IO_COMPLETION_ROUTINE) ntstatus.NTSTATUS {
	irp.IoCopyCurrentIrpStackLocationToNext(k, p)
	if routine != nil {
		irp.IoSetCompletionRoutine(k, p, routine, d, true, true, true)
	}
	return irp.IoCallDriver(k, d.below, p)
}

// forwards is a driver that forwards with a routine, nil for none.
func forwards(routine irp.IO_COMPLETION_ROUTINE) dispatch {
	return func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS { return forward(k, d, p, routine) }
}

// --- completion routines ---

// propagate is the routine of a driver that forwarded and lets the climb go on.
func propagate(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, _ any) ntstatus.NTSTATUS {
	if p.PendingReturned() {
		irp.IoMarkIrpPending(k, p)
	}
	return resume
}

// freeIt is the routine of a creator: it frees the IRP and stops the climb.
func freeIt(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, _ any) ntstatus.NTSTATUS {
	irp.IoFreeIrp(k, p)
	return stop
}

// stopIt is a routine that stops the climb and leaves everything else to whoever called for it.
func stopIt(*irql.K, *irp.DEVICE_OBJECT, *irp.IRP, any) ntstatus.NTSTATUS { return stop }

// --- requests of the client ---

// request makes an IRP for dev with the given routine of its creator and a device control in the first
// location.
func request(k *irql.K, dev *irp.DEVICE_OBJECT, routine irp.IO_COMPLETION_ROUTINE, context any) *irp.IRP {
	p := irp.IoAllocateIrp(k, dev.StackSize, false)
	prepare(k, p, routine, context)
	return p
}

func prepare(k *irql.K, p *irp.IRP, routine irp.IO_COMPLETION_ROUTINE, context any) {
	irp.IoGetNextIrpStackLocation(k, p).SetMajorFunction(irp.IRP_MJ_DEVICE_CONTROL)
	if routine != nil {
		irp.IoSetCompletionRoutine(k, p, routine, context, true, true, true)
	}
}

// send makes a request that frees itself and sends it to the top of the stack.
func (l *lab) send(d *driver) (s ntstatus.NTSTATUS) {
	l.run(func(k *irql.K) { s = irp.IoCallDriver(k, d.dev, request(k, d.dev, freeIt, nil)) })
	return s
}

// through sends one request through a stack of drivers made for it.
func (l *lab) through(routines ...dispatch) ntstatus.NTSTATUS { return l.send(l.stack(routines...)[0]) }

const ioctlTest = 0x222000 // METHOD_BUFFERED

// ioctl makes a device control request that is bound to the thread.
func ioctl(k *irql.K, dev *irp.DEVICE_OBJECT, event *irql.KEVENT, iosb *irp.IO_STATUS_BLOCK) *irp.IRP {
	irql.KeInitializeEvent(k, event, irql.NotificationEvent, false)
	return irp.IoBuildDeviceIoControlRequest(k, ioctlTest, dev, nil, 0, nil, 0, false, event, iosb)
}

func waitFor(k *irql.K, event *irql.KEVENT) {
	irql.KeWaitForSingleObject(k, event, irql.Executive, irql.KernelMode, false, nil)
}
