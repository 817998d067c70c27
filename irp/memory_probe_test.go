package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// probes runs both routines over memory and says what they raise.
func probes(t *testing.T, want ntstatus.NTSTATUS, b *irp.Buffer, length uint64, alignment uint32, k *irql.K,
	writes ...ntstatus.NTSTATUS) {
	t.Helper()
	for name, probe := range map[string]func(*irql.K, *irp.Buffer, uint64, uint32){
		"ProbeForRead": irp.ProbeForRead, "ProbeForWrite": irp.ProbeForWrite,
	} {
		s := want
		if name == "ProbeForWrite" && len(writes) > 0 {
			s = writes[0]
		}
		run := func() { probe(k, b, length, alignment) }
		if s == ok {
			assert.NotPanics(t, run, name)
			continue
		}
		assert.PanicsWithValue(t, irql.Exception{Status: s, Routine: name}, run)
	}
}

func TestProbeForReadAndWrite(t *testing.T) {
	const denied, crooked = ntstatus.STATUS_ACCESS_VIOLATION, ntstatus.STATUS_DATATYPE_MISALIGNMENT
	passes(t, func(l *lab) {
		u := pool.AllocUser(l.m, 64)
		l.run(func(k *irql.K) {
			own := alloc(k, 64)
			probes(t, ok, u, 64, 8, k)
			probes(t, crooked, u.Slice(4, 60), 60, 8, k)
			probes(t, ok, u.Slice(4, 60), 60, 4, k)
			probes(t, denied, own, 64, 1, k)
			probes(t, ok, own, 0, 1, k) // nothing is looked at
			probes(t, ok, u.Slice(1, 63), 0, 8, k)
			probes(t, denied, u, 1<<63, 1, k)
			probes(t, ok, u, 65, 1, k, denied) // what lies behind is a program's, too, if anything does
			probes(t, ok, nil, 1, 1, k, denied)
			mdl := locked(k, u, irp.IoWriteAccess)
			probes(t, denied, irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping), 64, 1, k)
			irp.MmUnlockPages(k, mdl)
			irp.IoFreeMdl(k, mdl)
			free(k, own)
		})
	})
	passes(t, func(l *lab) {
		u := pool.AllocUser(l.m, 64)
		l.run(func(k *irql.K) { probes(t, ok, u, 64, 1, k, denied) })
	}, ke.Pin{Site: "fault/ProbeForWrite", Name: "STATUS_ACCESS_VIOLATION"})
}

func TestProbeForWrite_AtDispatch(t *testing.T) {
	tripsEach(t, verify.IRQL_001, func(l *lab) {
		u := pool.AllocUser(l.m, 64)
		l.run(func(k *irql.K) {
			at(k, irql.DISPATCH_LEVEL, func() { irp.ProbeForWrite(k, u, 64, 1) })
		})
	})
}
