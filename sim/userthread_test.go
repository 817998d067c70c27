package sim

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// sleeper is a driver whose ioctl waits in its dispatch routine, in the mode a test asks for.
type sleeper struct {
	talker
	mode      irql.KPROCESSOR_MODE
	alertable bool
	critical  bool
	event     irql.KEVENT
	status    ntstatus.NTSTATUS // of the wait
	heard     []uint8
}

func (d *sleeper) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, path string) ntstatus.NTSTATUS {
	s := d.talker.DriverEntry(k, drv, path)
	irql.KeInitializeEvent(k, &d.event, irql.NotificationEvent, false)
	for i, fn := range drv.MajorFunction {
		if fn != nil {
			drv.MajorFunction[i] = d.note(fn)
		}
	}
	drv.MajorFunction[irp.IRP_MJ_DEVICE_CONTROL] = d.note(d.sleep)
	return s
}

func (d *sleeper) note(fn irp.DRIVER_DISPATCH) irp.DRIVER_DISPATCH {
	return func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
		d.heard = append(d.heard, irp.IoGetCurrentIrpStackLocation(k, p).MajorFunction())
		return fn(k, dev, p)
	}
}

func (d *sleeper) sleep(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	if d.critical {
		irql.KeEnterCriticalRegion(k)
	}
	d.status = irql.KeWaitForSingleObject(k, &d.event, irql.Executive, d.mode, d.alertable, nil)
	if d.critical {
		irql.KeLeaveCriticalRegion(k)
	}
	return done(k, p, d.status, 0)
}

// TestKill_ByTheModeOfTheDriversWait: the end of a thread ends a wait in UserMode, alertable or not, and one
// that is alertable; where kernel APCs are disabled and in a plain KernelMode wait it has to be waited for.
// windows-driver-docs: windows-driver-docs-pr/kernel/waits-and-apcs.md
func TestKill_ByTheModeOfTheDriversWait(t *testing.T) {
	for _, c := range []struct {
		mode                irql.KPROCESSOR_MODE
		alertable, critical bool
		want                ntstatus.NTSTATUS
	}{
		{irql.UserMode, false, false, ntstatus.STATUS_USER_APC},
		{irql.UserMode, true, false, ntstatus.STATUS_USER_APC},
		{irql.KernelMode, true, false, ntstatus.STATUS_USER_APC},
		{irql.KernelMode, false, false, ntstatus.STATUS_SUCCESS},
		{irql.UserMode, true, true, ntstatus.STATUS_SUCCESS},
	} {
		m := New(t, Options{Pins: []Pin{{"wait/AlertableInKernelMode", "0"}}})
		d := &sleeper{mode: c.mode, alertable: c.alertable, critical: c.critical}
		m.Load("sleeper.sys", d.DriverEntry)
		app := m.Process("app.exe")
		after := false
		th := app.Go("main", func(u *User) {
			h, err := u.Open(`\\.\Talker`)
			require.NoError(t, err)
			_, _ = h.Ioctl(ioctlHold, nil, nil)
			after = true
		})
		m.Run()
		app.Kill()
		m.Run()
		freed := c.want == ntstatus.STATUS_USER_APC
		assert.Equal(t, freed, th.Ended(), "%+v", c)
		if !freed {
			m.Process("helper.exe").Go("main", func(u *User) {
				irql.KeSetEvent(u.k, &d.event, 0, false)
			})
			m.Run()
		}
		assert.True(t, th.Ended(), "%+v", c)
		assert.Equal(t, c.want, d.status, "%+v", c)
		assert.False(t, after, "the program does not go on")
		assert.Equal(t, []uint8{irp.IRP_MJ_CREATE, irp.IRP_MJ_DEVICE_CONTROL, irp.IRP_MJ_CLEANUP,
			irp.IRP_MJ_CLOSE}, d.heard)
		m.Unload("sleeper.sys")
	}
}

// noUserFaults keeps the world around the driver working.
var noUserFaults = Options{Pins: []Pin{{"fault/OpenDevice", "0"}, {"fault/UserRequest", "0"},
	{"fault/SystemBuffer", "0"}, {"fault/IoCreateDevice", "0"}, {"fault/IoCreateSymbolicLink", "0"}}}

// TestKill_AtAnyTime: whatever the program does when it happens, nothing of it is left.
func TestKill_AtAnyTime(t *testing.T) {
	Explore(t, ExploreOptions{Runs: 100, Options: noUserFaults}, func(m *Machine) {
		d := new(talker)
		m.Load("talker.sys", d.DriverEntry)
		app := m.Process("app.exe")
		work := func(sync bool) func(u *User) {
			return func(u *User) {
				for range 2 {
					h, err := u.Open(`\\.\Talker`, OpenOptions{Synchronous: sync})
					require.NoError(m, err)
					h.StartIoctlEx(ioctlHold, nil, nil, func(u *User, _ int, _ error) { u.Yield() })
					_, _ = h.Write([]byte("text"))
					u.SleepEx(time.Millisecond)
					_ = h.Close()
				}
			}
		}
		threads := []*Thread{app.Go("one", work(false)), app.Go("two", work(false)),
			app.Go("three", work(true))}
		m.Process("taskmgr.exe").Go("main", func(u *User) {
			for range 3 {
				u.Yield()
			}
			u.Suspend(threads[1])
			u.Kill(app)
		})
		m.Run()
		for _, th := range threads {
			assert.True(m, th.Ended())
		}
		assert.Empty(m, d.held)
		m.Unload("talker.sys")
	})
}

// TestKill_CancelsWhatIsOutstanding: an overlapped request and a synchronous one; then handles close.
func TestKill_CancelsWhatIsOutstanding(t *testing.T) {
	Explore(t, ExploreOptions{Runs: 30, Options: noUserFaults}, func(m *Machine) {
		d := new(talker)
		m.Load("talker.sys", d.DriverEntry)
		app := m.Process("app.exe")
		var over, sync *Thread
		var p *Pending
		over = app.Go("overlapped", func(u *User) {
			h, err := u.Open(`\\.\Talker`)
			require.NoError(m, err)
			p = h.StartIoctl(ioctlHold, nil, nil)
			_, _ = p.Wait()
			assert.Fail(m, "unreachable")
		})
		sync = app.Go("synchronous", func(u *User) {
			h, err := u.Open(`\\.\Talker`, OpenOptions{Synchronous: true})
			require.NoError(m, err)
			_, _ = h.Ioctl(ioctlHold, nil, nil)
			assert.Fail(m, "unreachable")
		})
		m.Run()
		assert.Len(m, d.held, 2)
		m.Process("taskmgr.exe").Go("main", func(u *User) {
			u.Kill(app)
		})
		m.Run()
		assert.True(m, over.Ended())
		assert.True(m, sync.Ended())
		assert.Equal(m, ntstatus.STATUS_CANCELLED, p.Status())
		assert.Empty(m, d.held)
		m.Unload("talker.sys")
	})
}

// TestKill_WhileTheDriverKeepsTheRequest: five minutes later the I/O manager gives it up. Rule IRP-027 says
// whose fault it is.
func TestKill_WhileTheDriverKeepsTheRequest(t *testing.T) {
	m := New(t, Options{Collect: true})
	d := new(talker)
	m.Load("stubborn.sys", func(k *irql.K, drv *irp.DRIVER_OBJECT, path string) ntstatus.NTSTATUS {
		s := d.DriverEntry(k, drv, path)
		drv.MajorFunction[irp.IRP_MJ_DEVICE_CONTROL] = func(k *irql.K, _ *irp.DEVICE_OBJECT,
			p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoMarkIrpPending(k, p)
			return ntstatus.STATUS_PENDING
		}
		return s
	})
	app := m.Process("app.exe")
	th := app.Go("main", func(u *User) {
		h, err := u.Open(`\\.\Talker`)
		require.NoError(t, err)
		_, _ = h.Ioctl(ioctlHold, nil, nil)
	})
	m.Run()
	app.Kill()
	start := uptime(m)
	m.Run()
	assert.True(t, th.Ended())
	assert.GreaterOrEqual(t, uptime(m)-start, 5*time.Minute)
	assert.Contains(t, m.Rules(), "IRP-027")
}

// TestKill_ResetsConnections: the peer of a killed process sees a reset.
func TestKill_ResetsConnections(t *testing.T) {
	m := New(t)
	addr := netip.MustParseAddrPort("127.0.0.1:8866")
	app := m.Process("server.exe")
	app.Serve(addr)
	m.Run()
	var errRecv error
	c := m.Process("client.exe").Go("main", func(u *User) {
		s, err := u.Dial(addr)
		require.NoError(t, err)
		_, errRecv = s.Recv(make([]byte, 1))
	})
	m.Run()
	assert.False(t, c.Ended())
	app.Kill()
	m.Run()
	assert.True(t, c.Ended())
	assert.Error(t, errRecv)
	assert.PanicsWithError(t, "Go: server.exe was killed; make another process",
		func() { app.Go("again", func(*User) {}) })
}

func TestExit_EndsTheOtherThreads(t *testing.T) {
	m := New(t)
	app := m.Process("app.exe")
	deferred := 0
	other := app.Go("other", func(u *User) {
		defer func() { deferred++; u.Sleep(time.Second); deferred++ }()
		u.Sleep(time.Hour)
		assert.Fail(t, "unreachable")
	})
	never := app.Go("main", func(u *User) {
		u.Sleep(time.Millisecond)
		u.Exit()
		assert.Fail(t, "unreachable")
	})
	m.Run()
	assert.True(t, other.Ended())
	assert.True(t, never.Ended())
	assert.Equal(t, 1, deferred, "deferred calls run, but cannot do anything")
	assert.Less(t, uptime(m), time.Second)
}

func TestTerminate_OneThread(t *testing.T) {
	m := New(t)
	app := m.Process("app.exe")
	one := app.Go("one", func(u *User) { u.Sleep(time.Hour) })
	two := app.Go("two", func(u *User) {
		u.Terminate(one)
		u.Sleep(time.Millisecond)
		assert.True(t, one.Ended())
		assert.False(t, u.QueueAPC(one, func(*User) {}))
	})
	m.Run()
	assert.True(t, two.Ended())
}

// TestStartIoctlEx_CompletesByUserAPC: only in an alertable wait, in the thread that asked.
// windows-driver-docs: windows-driver-docs-pr/ifs/performing-completion-processing-for-an-i-o-operation.md
func TestStartIoctlEx_CompletesByUserAPC(t *testing.T) {
	m := New(t)
	d := new(talker)
	m.Load("talker.sys", d.DriverEntry)
	m.Process("app.exe").Go("main", func(u *User) {
		h, err := u.Open(`\\.\Talker`)
		require.NoError(t, err)
		calls, in := 0, make([]byte, 4)
		hold := h.StartIoctlEx(ioctlHold, nil, nil, func(u *User, n int, err error) {
			calls++
			assert.NoError(t, err)
			assert.Zero(t, n)
			u.Yield()
		})
		h.StartWriteEx([]byte("text"), 0, func(_ *User, n int, err error) {
			calls += 10
			assert.NoError(t, err)
			assert.Equal(t, 4, n)
		})
		h.StartReadEx(in, 0, func(_ *User, n int, err error) {
			calls += 100
			assert.Equal(t, "text", string(in[:n]))
		})
		h.StartIoctlEx(1, nil, nil, func(*User, int, error) { assert.Fail(t, "the call itself failed") })
		assert.True(t, hold.Done(), "the write completed it")
		u.Sleep(time.Millisecond)
		assert.Zero(t, calls, "not alertable")
		assert.True(t, u.SleepEx(time.Hour))
		assert.Equal(t, 111, calls)
		assert.False(t, u.SleepEx(time.Millisecond))
		h.StartIoctlEx(ioctlHold, nil, nil, func(*User, int, error) { assert.Fail(t, "the thread ends") })
	})
	m.Run()
	assert.Less(t, uptime(m), time.Second)
	m.Unload("talker.sys")
}

// TestQueueAPC_EndsAlertableWaitsOfDrivers: the driver completes with STATUS_USER_APC, the APC runs when the
// program has returned.
func TestQueueAPC_EndsAlertableWaitsOfDrivers(t *testing.T) {
	for _, c := range []struct {
		mode      irql.KPROCESSOR_MODE
		alertable bool
		pin       string
		want      ntstatus.NTSTATUS
		delivered bool
	}{
		{irql.UserMode, true, "0", ntstatus.STATUS_USER_APC, true},
		{irql.KernelMode, true, "0", ntstatus.STATUS_USER_APC, false},
		{irql.KernelMode, true, "1", ntstatus.STATUS_PENDING, false},
		{irql.UserMode, false, "0", ntstatus.STATUS_PENDING, false},
		{irql.KernelMode, false, "0", ntstatus.STATUS_PENDING, false},
	} {
		m := New(t, Options{Collect: true, Pins: []Pin{{"wait/AlertableInKernelMode", c.pin}}})
		d := &sleeper{mode: c.mode, alertable: c.alertable}
		d.status = ntstatus.STATUS_PENDING
		m.Load("sleeper.sys", d.DriverEntry)
		app := m.Process("app.exe")
		delivered := false
		th := app.Go("main", func(u *User) {
			h, err := u.Open(`\\.\Talker`)
			require.NoError(t, err)
			_, err = h.Ioctl(ioctlHold, nil, nil)
			require.NoError(t, err)
			assert.Equal(t, c.delivered, delivered)
		})
		app.Go("second", func(u *User) {
			assert.True(t, u.QueueAPC(th, func(*User) { delivered = true }))
		})
		m.Run()
		assert.Equal(t, c.want, d.status, "%+v", c)
		assert.Equal(t, c.want == ntstatus.STATUS_USER_APC, th.Ended())
	}
}

// TestAlert_EndsAlertableWaits: whatever the mode.
func TestAlert_EndsAlertableWaits(t *testing.T) {
	for _, mode := range []irql.KPROCESSOR_MODE{irql.KernelMode, irql.UserMode} {
		m := New(t)
		d := &sleeper{mode: mode, alertable: true, critical: true}
		m.Load("sleeper.sys", d.DriverEntry)
		app := m.Process("app.exe")
		th := app.Go("main", func(u *User) {
			h, err := u.Open(`\\.\Talker`)
			require.NoError(t, err)
			_, err = h.Ioctl(ioctlHold, nil, nil)
			require.NoError(t, err)
			assert.True(t, u.SleepEx(-1), "alerted before the wait")
		})
		app.Go("second", func(u *User) {
			u.Alert(th)
			u.Sleep(time.Millisecond)
			u.Alert(th)
		})
		m.Run()
		assert.Equal(t, ntstatus.STATUS_ALERTED, d.status)
		assert.True(t, th.Ended())
		m.Unload("sleeper.sys")
	}
}

// TestSuspend_NotInACriticalRegion: a thread that holds a lock there goes on until it leaves.
// windows-driver-docs: windows-driver-docs-pr/kernel/critical-regions-and-guarded-regions.md
func TestSuspend_NotInACriticalRegion(t *testing.T) {
	for _, critical := range []bool{false, true} {
		m := New(t)
		d := &sleeper{critical: critical}
		d.status = ntstatus.STATUS_PENDING
		m.Load("sleeper.sys", d.DriverEntry)
		app := m.Process("app.exe")
		th := app.Go("main", func(u *User) {
			h, err := u.Open(`\\.\Talker`)
			require.NoError(t, err)
			_, _ = h.Ioctl(ioctlHold, nil, nil)
		})
		app.Go("second", func(u *User) {
			assert.Equal(t, 0, u.Suspend(th))
			assert.Equal(t, 1, u.Suspend(th))
			irql.KeSetEvent(u.k, &d.event, 0, false)
			u.Sleep(time.Second)
			assert.Equal(t, critical, d.status == ntstatus.STATUS_SUCCESS)
			assert.False(t, th.Ended())
			assert.Equal(t, 2, u.Resume(th))
			u.Sleep(time.Second)
			assert.False(t, th.Ended())
			assert.Equal(t, 1, u.Resume(th))
			assert.Equal(t, 0, u.Resume(th))
		})
		m.Run()
		assert.True(t, th.Ended())
		m.Unload("sleeper.sys")
	}
}

// TestSuspend_ThenKill: a suspended thread ends all the same.
func TestSuspend_ThenKill(t *testing.T) {
	m := New(t)
	app := m.Process("app.exe")
	th := app.Go("main", func(u *User) { u.Sleep(time.Hour) })
	m.Process("other.exe").Go("main", func(u *User) { u.Suspend(th) })
	m.Run()
	assert.False(t, th.Ended())
	app.Kill()
	m.Run()
	assert.True(t, th.Ended())
}

func uptime(m *Machine) time.Duration { return time.Duration(m.ke.Uptime()) * 100 }

// outcomes is how a scenario of programs can end, found by an exhaustive search.
func outcomes(t *testing.T, strategy string, scenario func(m *Machine) string) map[string]bool {
	seen := map[string]bool{}
	r := Explore(t, ExploreOptions{Strategy: strategy, Runs: 200_000, Faults: -1},
		func(m *Machine) { seen[scenario(m)] = true })
	assert.True(t, r.Complete, "%s: %s", strategy, r.Covered)
	return seen
}

// TestExplore_ThreadsOfPrograms: reducing the search loses no way in which APCs, alerts, suspension and the
// end of threads can meet a wait.
func TestExplore_ThreadsOfPrograms(t *testing.T) {
	for name, act := range map[string]func(u *User, th *Thread){
		"APC":   func(u *User, th *Thread) { u.QueueAPC(th, func(u *User) {}) },
		"alert": func(u *User, th *Thread) { u.Alert(th) },
		"end":   func(u *User, th *Thread) { u.Terminate(th) },
		"suspend": func(u *User, th *Thread) {
			u.Suspend(th)
			u.Alert(th)
			u.Resume(th)
		},
	} {
		scenario := func(m *Machine) string {
			interrupted, slept, done, acted := false, false, false, false
			app := m.Process("app.exe")
			one := app.Go("one", func(u *User) {
				u.Yield()
				interrupted = u.SleepEx(0) // no wait: it depends on who was first
				slept = true
				u.Yield()
				done = true
			})
			app.Go("two", func(u *User) {
				act(u, one)
				acted = true
			})
			app.Go("three", func(u *User) { u.Yield() })
			m.Run()
			return fmt.Sprint(interrupted, slept, done, acted, one.Ended())
		}
		plain := outcomes(t, "dfs", scenario)
		assert.Greater(t, len(plain), 1, name)
		assert.Equal(t, plain, outcomes(t, "dpor", scenario), name)
		t.Logf("%s: %d ways to end", name, len(plain))
	}
}
