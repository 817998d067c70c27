package sim

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/sim/coverage"
)

// holder keeps reads until they are cancelled, answers writes at once and fails controls.
type holder struct{ dev *irp.DEVICE_OBJECT }

func (d *holder) entry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) {
		irp.IoDeleteSymbolicLink(k, `\DosDevices\Holder`)
		irp.IoDeleteDevice(k, d.dev)
	}
	s := irp.IoCreateDevice(k, drv, 0, `\Device\Holder`, 0, 0, false, &d.dev)
	if s != ntstatus.STATUS_SUCCESS {
		return s
	}
	s = irp.IoCreateSymbolicLink(k, `\DosDevices\Holder`, `\Device\Holder`)
	if s != ntstatus.STATUS_SUCCESS {
		irp.IoDeleteDevice(k, d.dev)
		return s
	}
	for _, major := range []int{irp.IRP_MJ_CREATE, irp.IRP_MJ_CLEANUP, irp.IRP_MJ_CLOSE, irp.IRP_MJ_WRITE} {
		drv.MajorFunction[major] = d.succeed
	}
	drv.MajorFunction[irp.IRP_MJ_READ] = d.hold
	return ntstatus.STATUS_SUCCESS
}

func (d *holder) succeed(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	p.IoStatus().Status = ntstatus.STATUS_SUCCESS
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	return ntstatus.STATUS_SUCCESS
}

func (d *holder) hold(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	var old irql.KIRQL
	irp.IoMarkIrpPending(k, p)
	// the cancel routine must not have ended the request before it is looked at
	irp.IoAcquireCancelSpinLock(k, &old)
	irp.IoSetCancelRoutine(k, p, d.cancel)
	gone := p.Cancel() && irp.IoSetCancelRoutine(k, p, nil) != nil
	irp.IoReleaseCancelSpinLock(k, old)
	if gone {
		d.end(k, p)
	}
	return ntstatus.STATUS_PENDING
}

func (d *holder) cancel(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
	irp.IoReleaseCancelSpinLock(k, p.CancelIrql())
	d.end(k, p)
}

func (d *holder) end(k *irql.K, p *irp.IRP) {
	*p.IoStatus() = irp.IO_STATUS_BLOCK{Status: ntstatus.STATUS_CANCELLED}
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
}

// holds opens the device, reads, cancels the read and writes.
func holds(m *Machine) {
	d := &holder{}
	if _, s := m.LoadStatus("holder.sys", d.entry); !ntstatus.NT_SUCCESS(s) {
		return
	}
	m.Process("app.exe").Go("main", func(u *User) {
		f, err := u.Open(`\\.\Holder`)
		if err != nil {
			return
		}
		op := f.StartRead(make([]byte, 8), 0)
		_ = op.Cancel()
		_, _ = op.Wait()
		_, _ = f.Write([]byte("x"))
		_ = f.Close()
	})
	m.Run()
	m.Unload("holder.sys")
}

const holdRow, succeedRow = "DRIVER_DISPATCH (*holder).hold", "DRIVER_DISPATCH (*holder).succeed"

func TestCoverage_RequestsAreFollowed(t *testing.T) {
	r := Explore(t, ExploreOptions{Options: Options{Collect: true}, Strategy: "faults1", Coverage: true},
		holds)
	require.NotNil(t, r.Coverage)
	count := func(ddi, kind, aspect, name string) uint64 {
		n, known := r.Coverage.Count(coverage.Key{Image: "holder.sys", DDI: ddi, Kind: kind, Aspect: aspect,
			Name: name})
		assert.True(t, known, "%s %s=%s", ddi, aspect, name)
		return n
	}
	assert.Positive(t, count(holdRow, "request", "returns", "pended"))
	assert.Zero(t, count(holdRow, "request", "returns", "inline"))
	assert.Positive(t, count(holdRow, "request", "completes", "cancelled"))
	assert.Zero(t, count(holdRow, "request", "completes", "success"))
	assert.Positive(t, count(holdRow, "request", "cancelled", "with a cancel routine"))
	assert.Positive(t, count(succeedRow, "request", "returns", "inline"))
	assert.Positive(t, count(succeedRow, "request", "completes", "success"))
	assert.Equal(t, uint64(1), count("IoCreateDevice", "fault", "fault", "STATUS_INSUFFICIENT_RESOURCES"))
	assert.Equal(t, uint64(1), count("IoCreateDevice", "status", "status", "STATUS_INSUFFICIENT_RESOURCES"))
	assert.Equal(t, uint64(r.Runs), r.Coverage.Runs)
	assert.Equal(t, uint64(r.Runs-1), count("IoCreateDevice", "fault", "fault", "succeeds"))
}

func TestCoverage_OffByDefaultAndWithoutEffect(t *testing.T) {
	o := ExploreOptions{Options: Options{Collect: true}, Runs: 50}
	off := Explore(t, o, holds)
	assert.Nil(t, off.Coverage)
	o.Coverage = true
	on := Explore(t, o, holds)
	assert.Equal(t, off.Traces, on.Traces)
	assert.Equal(t, off.Steps, on.Steps)
}

func TestCoverage_WorkersMakeNoDifference(t *testing.T) {
	var first string
	for _, workers := range []int{1, 2, 3} {
		r := Explore(t, ExploreOptions{Options: Options{Collect: true}, Runs: 60, Workers: workers,
			Coverage: true, KeepGoing: true}, holds)
		b, err := json.Marshal(r.Coverage)
		require.NoError(t, err)
		if first == "" {
			first = string(b)
		}
		assert.Equal(t, first, string(b), "%d workers", workers)
	}
}

// judge is a test that only remembers how it failed.
type judge struct {
	testing.TB
	run runTB
}

func (j *judge) Helper()                           {}
func (j *judge) Errorf(format string, args ...any) { j.run.Errorf(format, args...) }
func (j *judge) Fatal(args ...any)                 { j.Fatalf("%v", args...) }
func (j *judge) Fatalf(f string, args ...any)      { fatalf(&j.run, f, args...) }

// judged runs fn with a test of its own and gives what that said.
func judged(fn func(t testing.TB)) (messages []string) {
	j := &judge{}
	apart(&j.run, func() { fn(j) })
	return j.run.messages
}

func TestRequireCoverage(t *testing.T) {
	boring := Explore(t, ExploreOptions{Options: Options{Collect: true}, Runs: 1, Coverage: true}, holds)
	all := Explore(t, ExploreOptions{Options: Options{Collect: true}, Strategy: "faults1", Coverage: true},
		holds)
	faults := CoverageLevel{Faults: true, Cancel: true, Drivers: []string{"holder.sys"},
		Except: []string{succeedRow + " cancelled=with a cancel routine"}}
	assert.Empty(t, judged(func(t testing.TB) { all.RequireCoverage(t, faults) }))
	got := judged(func(t testing.TB) { boring.RequireCoverage(t, faults) })
	require.Len(t, got, 1)
	assert.Equal(t, `2 outcomes never came up in 1 runs:
  holder.sys: IoCreateDevice fault=STATUS_INSUFFICIENT_RESOURCES`+
		`   (-sim.fix="fault/IoCreateDevice=STATUS_INSUFFICIENT_RESOURCES" brings it about)
  holder.sys: IoCreateSymbolicLink fault=STATUS_INSUFFICIENT_RESOURCES`+
		`   (-sim.fix="fault/IoCreateSymbolicLink=STATUS_INSUFFICIENT_RESOURCES" brings it about)
Make more runs, let the scenario do more, or name in CoverageLevel.Except what cannot come up.`, got[0])
	faults.Except = append(faults.Except, "IoCreateDevice fault=never")
	got = judged(func(t testing.TB) { all.RequireCoverage(t, faults) })
	require.Len(t, got, 1)
	assert.Contains(t, got[0], `the level excepts "IoCreateDevice fault=never"`)
	none := Result{}
	got = judged(func(t testing.TB) { none.RequireCoverage(t, CoverageLevel{}) })
	require.Len(t, got, 1)
	assert.Contains(t, got[0], "set ExploreOptions.Coverage")
}

// idle registers what it can and does nothing: its routines are never called.
type idle struct{ device *irp.DEVICE_OBJECT }

func (d *idle) entry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.MajorFunction[irp.IRP_MJ_CREATE], drv.MajorFunction[irp.IRP_MJ_READ] = d.read, d.read
	drv.DriverUnload = func(*irql.K, *irp.DRIVER_OBJECT) {}
	var dpc irql.KDPC
	irql.KeInitializeDpc(k, &dpc, d.dpc, nil)
	return irp.IoCreateDevice(k, drv, 0, `\Device\Idle`, irp.FILE_DEVICE_UNKNOWN, 0, false, &d.device)
}

func (d *idle) read(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	*p.IoStatus() = irp.IO_STATUS_BLOCK{}
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	return ntstatus.STATUS_SUCCESS
}

func (*idle) dpc(*irql.K, *irql.KDPC, any, any, any) {}

// A driver that does nothing has not covered everything it knows.
func TestCoverage_ListsRoutinesThatWereNeverCalled(t *testing.T) {
	o := ExploreOptions{Options: Options{Collect: true}, Runs: 1, Coverage: true}
	r := Explore(t, o, func(m *Machine) { m.Load("idle.sys", new(idle).entry) })
	got := judged(func(t testing.TB) { r.RequireCoverage(t, CoverageLevel{}) })
	require.Len(t, got, 1)
	for _, never := range []string{"DRIVER_DISPATCH (*idle).read called=IRP_MJ_CREATE",
		"DRIVER_DISPATCH (*idle).read called=IRP_MJ_READ", "KDEFERRED_ROUTINE (*idle).dpc called=yes",
		"DRIVER_UNLOAD (*idle).entry.func1 called=yes"} {
		assert.Contains(t, got[0], "\n  idle.sys: "+never+"\n")
	}
	assert.Contains(t, got[0], "4 outcomes never came up in 1 runs")
	assert.Contains(t, r.Coverage.String(), "KDEFERRED_ROUTINE (*idle).dpc\n      never: called=yes\n")

	r = Explore(t, o, holds)
	got = judged(func(t testing.TB) { r.RequireCoverage(t, CoverageLevel{}) })
	assert.Empty(t, got, "one that was used has")
	n, known := r.Coverage.Count(coverage.Key{Image: "holder.sys", DDI: "DRIVER_CANCEL (*holder).cancel",
		Kind: "callback", Aspect: "called", Name: "yes"})
	assert.True(t, known)
	assert.Equal(t, uint64(1), n)
}

// Nor has one whose calls all failed.
func TestCoverage_ListsRoutinesThatNeverSucceeded(t *testing.T) {
	o := ExploreOptions{Options: Options{Collect: true, Pins: []Pin{{"fault/IoCreateDevice", "1"}}}, Runs: 1,
		Coverage: true}
	r := Explore(t, o, func(m *Machine) { m.LoadStatus("idle.sys", new(idle).entry) })
	got := judged(func(t testing.TB) { r.RequireCoverage(t, CoverageLevel{}) })
	require.Len(t, got, 1)
	assert.Contains(t, got[0], "\n  idle.sys: IoCreateDevice success=yes\n")
}
