package sim

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// NULL that a driver dereferences, or hands to a routine that does, is the driver's fault at the driver's
// line, with the bug check that Windows would show for it.
func TestNull_IsTheDriversFault(t *testing.T) {
	raised := func(fn func(k *ke.K)) func(k *ke.K) {
		return func(k *ke.K) {
			var old irql.KIRQL
			irql.KeRaiseIrql(k, irql.DISPATCH_LEVEL, &old)
			fn(k)
		}
	}
	own := func(*ke.K) {
		var p *struct{ n int }
		p.n++
	}
	member := func(*ke.K) { (*irp.Buffer)(nil).Load32(0) }
	routine := func(k *ke.K) { irql.KeSetEvent(k, nil, 0, false) }
	mdl := func(k *ke.K) { irp.MmGetSystemAddressForMdlSafe(k, nil, irp.NormalPagePriority) }
	context := func(*ke.K) {
		var context any
		irp.Sim.Holder(context.(*irp.IRP))
	}
	for _, c := range []struct {
		name  string
		fn    func(k *ke.K)
		rule  string
		check uint32
		says  string
	}{
		{"in its own code", own, ke.NullDereference, 0x1E, "NULL is dereferenced"},
		{"in its own code, high", raised(own), "IRQL-008", 0xD1, "NULL is dereferenced"},
		{"a member", member, ke.NullDereference, 0x1E, "Load32"},
		{"a member, high", raised(member), "IRQL-008", 0xD1, "Load32"},
		{"in a routine", routine, ke.NullDereference, 0x1E, "KeSetEvent is given NULL"},
		{"an MDL", mdl, ke.NullDereference, 0x1E, "is given NULL where an MDL is expected"},
		{"an MDL, high", raised(mdl), "IRQL-008", 0xA, "is given NULL where an MDL is expected"},
		{"a context", context, ke.NullDereference, 0x1E, "NULL is dereferenced"},
		{"in a routine, high", raised(routine), "IRQL-008", 0xA, "KeSetEvent is given NULL"},
	} {
		for _, goesOn := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				m := New(t, Options{Collect: true, Continue: goesOn})
				m.Thread("oops.sys", c.fn)
				m.Run()
				require.Equal(t, []string{c.rule}, m.Rules())
				f := m.Findings()[0]
				assert.Equal(t, c.check, f.BugCheck)
				assert.Contains(t, f.Headline, c.says)
				assert.Equal(t, "oops.sys", f.Driver)
				assert.Equal(t, "null_test.go", f.Stack[0].File)
				assert.True(t, m.Ended())
			})
		}
	}
}

// A program that gives no buffer gives none to the driver: the routine has to look at the lengths first.
func TestNull_SystemBufferOfARequestWithoutBuffers(t *testing.T) {
	m := New(t, Options{Collect: true})
	var dev *irp.DEVICE_OBJECT
	m.Load("dev.sys", func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
		end := func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
			return ntstatus.STATUS_SUCCESS
		}
		drv.MajorFunction[irp.IRP_MJ_CREATE] = end
		drv.MajorFunction[irp.IRP_MJ_DEVICE_CONTROL] = func(k *irql.K, d *irp.DEVICE_OBJECT,
			p *irp.IRP) ntstatus.NTSTATUS {
			p.AssociatedIrp().SystemBuffer.Load32(0)
			return end(k, d, p)
		}
		s := irp.IoCreateDevice(k, drv, 0, `\Device\Dev`, irp.FILE_DEVICE_UNKNOWN, 0, false, &dev)
		irp.IoCreateSymbolicLink(k, `\DosDevices\Dev`, `\Device\Dev`)
		return s
	})
	m.Process("app.exe").Go("main", func(u *User) {
		if h, err := u.Open(`\\.\Dev`); err == nil {
			h.Ioctl(0x222000, nil, nil)
		}
	})
	m.Run()
	require.Equal(t, []string{ke.NullDereference}, m.Rules())
	f := m.Findings()[0]
	assert.Equal(t, uint32(0x1E), f.BugCheck)
	assert.Equal(t, "dev.sys", f.Driver)
	assert.Contains(t, m.Report(), "NULL dereference")
}

// A driver without a DriverEntry, or a thread without a routine, is called at NULL.
func TestNull_RoutineThatIsNotThere(t *testing.T) {
	for name, act := range map[string]func(m *Machine){
		"DriverEntry": func(m *Machine) { m.LoadStatus("oops.sys", nil) },
		"thread": func(m *Machine) {
			m.Thread("oops.sys", func(k *ke.K) {
				var h irql.HANDLE
				irql.PsCreateSystemThread(k, &h, 0, nil, 0, nil, nil, nil)
			})
		},
		"DPC": func(m *Machine) {
			m.Thread("oops.sys", func(k *ke.K) {
				d := &irql.KDPC{}
				irql.KeInitializeDpc(k, d, nil, nil)
				irql.KeInsertQueueDpc(k, d, nil, nil)
			})
		},
		"work item": func(m *Machine) {
			m.Thread("oops.sys", func(k *ke.K) { irp.IoQueueWorkItem(k, nil, nil, irp.DelayedWorkQueue, nil) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := New(t, Options{Collect: true})
			act(m)
			m.Run()
			require.NotEmpty(t, m.Rules())
			f := m.Findings()[0]
			assert.NotZero(t, f.BugCheck)
			assert.Equal(t, "oops.sys", f.Driver, f.Headline)
		})
	}
}
