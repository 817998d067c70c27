package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// noNotifyFaults keeps the routines that register from failing.
var noNotifyFaults = []ke.Pin{{Site: "fault/PsSetCreateProcessNotifyRoutine"},
	{Site: "fault/PsSetCreateProcessNotifyRoutineEx"}, {Site: "fault/PsSetLoadImageNotifyRoutine"},
	{Site: "fault/PsSetLoadImageNotifyRoutineEx"}}

func onProcess(*irql.K, irql.HANDLE, irql.HANDLE, bool) {}

func onProcessEx(*irql.K, *irql.KPROCESS, irql.HANDLE, *irp.PS_CREATE_NOTIFY_INFO) {}

func onImage(*irql.K, *irp.UNICODE_STRING, irql.HANDLE, *irp.IMAGE_INFO) {}

// Rule: UNLOAD-008
func TestPsSetCreateProcessNotifyRoutine_RegisteredAtUnload(t *testing.T) {
	register := []func(k *irql.K) ntstatus.NTSTATUS{
		func(k *irql.K) ntstatus.NTSTATUS { return irp.PsSetCreateProcessNotifyRoutine(k, onProcess, false) },
		func(k *irql.K) ntstatus.NTSTATUS {
			return irp.PsSetCreateProcessNotifyRoutineEx(k, onProcessEx, false)
		},
		func(k *irql.K) ntstatus.NTSTATUS { return irp.PsSetLoadImageNotifyRoutine(k, onImage) },
	}
	for _, fn := range register {
		trips(t, verify.UNLOAD_008, func(l *lab) {
			l.begin(func(k *irql.K) { assert.Equal(l.t, ok, fn(k)) })
			irp.Sim.UnloadDriver(l.m, l.client)
			l.rest()
		}, noNotifyFaults...)
	}
}

// Near miss: UNLOAD-008
func TestPsSetCreateProcessNotifyRoutine_RemovedBeforeUnload(t *testing.T) {
	passes(t, func(l *lab) {
		l.begin(func(k *irql.K) {
			assert.Equal(t, ok, irp.PsSetCreateProcessNotifyRoutine(k, onProcess, false))
			assert.Equal(t, ok, irp.PsSetCreateProcessNotifyRoutineEx(k, onProcessEx, false))
			assert.Equal(t, ntstatus.STATUS_INVALID_PARAMETER,
				irp.PsSetCreateProcessNotifyRoutine(k, onProcess, false), "registered already")
			assert.Equal(t, ok, irp.PsSetLoadImageNotifyRoutineEx(k, onImage, 0))
			assert.Equal(t, ok, irp.PsSetCreateProcessNotifyRoutine(k, onProcess, true))
			assert.Equal(t, ntstatus.STATUS_PROCEDURE_NOT_FOUND,
				irp.PsSetCreateProcessNotifyRoutine(k, onProcess, true))
			assert.Equal(t, ok, irp.PsSetCreateProcessNotifyRoutineEx2(k, irp.PsCreateProcessNotifySubsystems,
				onProcessEx, true))
			assert.Equal(t, ok, irp.PsRemoveLoadImageNotifyRoutine(k, onImage))
			assert.Equal(t, ntstatus.STATUS_PROCEDURE_NOT_FOUND,
				irp.PsRemoveLoadImageNotifyRoutine(k, onImage))
		})
		irp.Sim.UnloadDriver(l.m, l.client)
		l.rest()
	}, noNotifyFaults...)
}

// A process routine that removes itself waits for itself.
func TestPsSetCreateProcessNotifyRoutine_RemovedByItself(t *testing.T) {
	l := newLab(t, ke.Config{})
	var routine irp.PCREATE_PROCESS_NOTIFY_ROUTINE
	routine = func(k *irql.K, _, _ irql.HANDLE, _ bool) {
		irp.PsSetCreateProcessNotifyRoutine(k, routine, true)
	}
	l.begin(func(k *irql.K) { irp.PsSetCreateProcessNotifyRoutine(k, routine, false) })
	p := l.m.NewProcess("app.exe", false)
	l.m.NewThread("creator", nil, func(k *irql.K) { irp.Sim.ProcessCreated(k, p) })
	l.rest()
	assert.Len(t, l.findings(verify.LOCK_026), 1)
}

func TestPsSetCreateProcessNotifyRoutine_NoRoom(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			assert.Equal(t, ntstatus.STATUS_INVALID_PARAMETER,
				irp.PsSetCreateProcessNotifyRoutine(k, onProcess, false))
			assert.Equal(t, ntstatus.STATUS_INSUFFICIENT_RESOURCES,
				irp.PsSetLoadImageNotifyRoutine(k, onImage))
		})
	}, ke.Pin{Site: "fault/PsSetCreateProcessNotifyRoutine", Alt: 1},
		ke.Pin{Site: "fault/PsSetLoadImageNotifyRoutine", Alt: 1})
}

func TestSeLocateProcessImageName_GivesABlockOfPool(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			p := l.m.NewProcess("app.exe", false)
			var name *irp.Typed[irp.UNICODE_STRING]
			assert.Equal(t, ok, irp.SeLocateProcessImageName(k, irql.Sim.ProcessObject(k, p), &name))
			assert.Equal(t, `\Device\HarddiskVolume1\app.exe`, name.Get().String())
			irp.ExFreePool(k, name.Handle())
		})
	}, ke.Pin{Site: "fault/SeLocateProcessImageName"})
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			var name *irp.Typed[irp.UNICODE_STRING]
			p := irp.IoGetCurrentProcess(k)
			assert.Equal(t, ntstatus.STATUS_INSUFFICIENT_RESOURCES,
				irp.SeLocateProcessImageName(k, p, &name))
		})
	}, ke.Pin{Site: "fault/SeLocateProcessImageName", Alt: 1})
}
