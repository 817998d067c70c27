package sim

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// watchdog is a driver that keeps a list of the processes there are.
type watchdog struct {
	lock   irql.FAST_MUTEX
	heard  []string
	forbid bool
	leave  bool // leaves its routines registered
	images []string
	gone   bool // its DriverUnload has removed the routines
	late   bool // a routine ran afterwards
}

func (w *watchdog) note(k *irql.K, format string, args ...any) {
	irql.ExAcquireFastMutex(k, &w.lock)
	w.heard = append(w.heard, fmt.Sprintf(format, args...))
	w.late = w.late || w.gone
	irql.ExReleaseFastMutex(k, &w.lock)
}

func (w *watchdog) create(k *irql.K, parent, pid irql.HANDLE, create bool) {
	w.note(k, "%d made %d: %v, apcs off %v, level %v", parent, pid, create, irql.KeAreApcsDisabled(k),
		irql.KeGetCurrentIrql(k))
}

func (w *watchdog) createEx(k *irql.K, process *irql.KPROCESS, pid irql.HANDLE,
	info *irp.PS_CREATE_NOTIFY_INFO) {
	if info == nil {
		w.note(k, "%d ends", irql.PsGetProcessId(k, process))
		return
	}
	w.note(k, "%d begins: %v", pid, info.ImageFileName)
	if w.forbid {
		info.CreationStatus = ntstatus.STATUS_ACCESS_DENIED
	}
}

func (w *watchdog) load(_ *irql.K, name *irp.UNICODE_STRING, pid irql.HANDLE, info *irp.IMAGE_INFO) {
	w.images = append(w.images, fmt.Sprintf("%d %v %v", pid, name, info.SystemModeImage))
}

func (w *watchdog) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	irql.ExInitializeFastMutex(k, &w.lock)
	drv.DriverUnload = w.unload
	if s := irp.PsSetCreateProcessNotifyRoutine(k, w.create, false); !ntstatus.NT_SUCCESS(s) {
		return s
	}
	s := irp.PsSetCreateProcessNotifyRoutineEx2(k, irp.PsCreateProcessNotifySubsystems,
		irp.PCREATE_PROCESS_NOTIFY_ROUTINE_EX(w.createEx), false)
	if !ntstatus.NT_SUCCESS(s) {
		irp.PsSetCreateProcessNotifyRoutine(k, w.create, true)
		return s
	}
	if s = irp.PsSetLoadImageNotifyRoutine(k, w.load); !ntstatus.NT_SUCCESS(s) {
		irp.PsSetCreateProcessNotifyRoutine(k, w.create, true)
		irp.PsSetCreateProcessNotifyRoutineEx(k, w.createEx, true)
	}
	return s
}

func (w *watchdog) unload(k *irql.K, _ *irp.DRIVER_OBJECT) {
	if w.leave {
		return
	}
	irp.PsSetCreateProcessNotifyRoutine(k, w.create, true)
	irp.PsSetCreateProcessNotifyRoutineEx(k, w.createEx, true)
	irp.PsRemoveLoadImageNotifyRoutine(k, w.load)
	w.gone = true
}

// Reference: ntddk/nf-ntddk-pssetcreateprocessnotifyroutine, nf-ntddk-pssetloadimagenotifyroutine.
func TestPsSetCreateProcessNotifyRoutine_TellsOfProcessesThatComeAndGo(t *testing.T) {
	m := New(t)
	w := &watchdog{}
	m.Load("dog.sys", w.DriverEntry)
	m.Load("other.sys", func(*irql.K, *irp.DRIVER_OBJECT, string) ntstatus.NTSTATUS { return 0 })
	app := m.Process("app.exe")
	var child *Process
	app.Go("main", func(u *User) {
		var err error
		child, err = u.Spawn(`\??\C:\child.exe`)
		require.NoError(t, err)
		child.Go("main", func(*User) { w.heard = append(w.heard, "child runs") })
	})
	m.Run()
	a, c := app.PID(), child.PID()
	assert.ElementsMatch(t, []string{
		fmt.Sprintf("4 made %d: true, apcs off true, level PASSIVE_LEVEL", a),
		fmt.Sprintf(`%d begins: \Device\HarddiskVolume1\app.exe`, a),
		fmt.Sprintf("%d made %d: true, apcs off true, level PASSIVE_LEVEL", a, c),
		fmt.Sprintf(`%d begins: \??\C:\child.exe`, c),
		"child runs",
		fmt.Sprintf("%d made %d: false, apcs off true, level PASSIVE_LEVEL", a, c),
		fmt.Sprintf("%d ends", c),
		fmt.Sprintf("4 made %d: false, apcs off true, level PASSIVE_LEVEL", a),
		fmt.Sprintf("%d ends", a),
	}, w.heard)
	assert.Equal(t, []string{`0 \SystemRoot\System32\drivers\other.sys true`,
		fmt.Sprintf(`%d \Device\HarddiskVolume1\app.exe false`, a),
		fmt.Sprintf(`%d \SystemRoot\System32\ntdll.dll false`, a)}, w.images[:3])
	m.Unload("dog.sys")
}

func TestPsSetCreateProcessNotifyRoutineEx_MayForbidAProcess(t *testing.T) {
	m := New(t)
	m.Load("dog.sys", (&watchdog{forbid: true}).DriverEntry)
	ran, app := false, m.Process("app.exe")
	app.Go("main", func(*User) { ran = true })
	m.Run()
	assert.False(t, ran)
	assert.Equal(t, ntstatus.STATUS_ACCESS_DENIED, app.Refused())
	m.Unload("dog.sys")
}

// The removal waits for calls under way: after it no routine runs, in whatever order.
func TestPsSetCreateProcessNotifyRoutine_RemovalDrains(t *testing.T) {
	for _, o := range []ExploreOptions{{Runs: 200}, {Strategy: "dpor", Faults: -1}} {
		Explore(t, o, func(m *Machine) {
			w := &watchdog{}
			drv, s := m.LoadStatus("dog.sys", w.DriverEntry)
			if drv == nil || !ntstatus.NT_SUCCESS(s) {
				return
			}
			m.Process("app.exe").Go("main", func(*User) {})
			m.Unload("dog.sys")
			m.Run()
			require.False(m, w.late)
		})
	}
}

func TestPsSetCreateProcessNotifyRoutine_LeftRegistered(t *testing.T) {
	m := New(t, Options{Collect: true})
	m.Load("dog.sys", (&watchdog{leave: true}).DriverEntry)
	m.Unload("dog.sys")
	m.Run()
	require.Len(t, m.Findings(), 3)
	assert.Equal(t, "UNLOAD-008", m.Findings()[0].Name())
}
