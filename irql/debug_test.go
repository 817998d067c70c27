package irql

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
)

// printed gives the texts of the events that a routine left.
func printed(m *ke.Machine, d ddi.ID) (texts []string) {
	for seq := range m.Log().Len() {
		if e := m.Log().At(seq); e != nil && e.What == trace.Call && e.Code == d {
			texts = append(texts, e.Text)
		}
	}
	return texts
}

func TestDbgPrint_IsAnEventInTheFormatOfC(t *testing.T) {
	m := clean(t, func(k *K) {
		DbgPrint(k, "%s: %u of %lu, %#I64x, %5d|%-3d|, 100%%\n", "test", uint32(3), uint32(4), uint64(0xbeef),
			7, 8)
		DbgPrintEx(k, DPFLTR_IHVNETWORK_ID, DPFLTR_ERROR_LEVEL, "%wZ is %ws", "this", "that")
		KdPrint(k, "not in a free build")
		KeRaiseIrqlToDpcLevel(k)
		DbgPrint(k, "%s %c %p", "narrow", 'x', nil)
		KeLowerIrql(k, PASSIVE_LEVEL)
	})
	assert.Equal(t, []string{"test: 3 of 4, 0xbeef,     7|8  |, 100%", "narrow x <nil>"},
		printed(m, ddi.DbgPrint))
	assert.Equal(t, []string{"this is that"}, printed(m, ddi.DbgPrintEx))
}

func TestKdPrint_InACheckedBuild(t *testing.T) {
	m := play(t, ke.Config{Checked: true}, func(k *K) {
		KdPrint(k, "one %d", 1)
		KdPrintEx(k, DPFLTR_DEFAULT_ID, DPFLTR_INFO_LEVEL, "two")
	})
	require.Empty(t, m.Findings())
	assert.Equal(t, []string{"one 1", "two"}, slices.Concat(printed(m, ddi.DbgPrint),
		printed(m, ddi.DbgPrintEx)))
}

// Rule: IRQL-001
func TestDbgPrint_UnicodeAboveItsLevel(t *testing.T) {
	for _, format := range []string{"%ws", "%wZ", "%S", "%C", "%ls", "%-10lc"} {
		trips(t, verify.IRQL_001, func(k *K) {
			KfRaiseIrql(k, APC_LEVEL)
			DbgPrint(k, "a "+format, "x")
		})
	}
	trips(t, verify.IRQL_001, func(k *K) {
		KfRaiseIrql(k, HIGH_LEVEL)
		DbgPrint(k, "above all devices")
	})
}

// kind asserts that the body ends with one finding of a kind that has no number.
func kind(t *testing.T, cfg ke.Config, name string, body func(k *K)) verify.Finding {
	t.Helper()
	m := play(t, cfg, func(k *K) {
		body(k)
		t.Error("went on")
	})
	require.Len(t, m.Findings(), 1)
	require.Equal(t, name, m.Findings()[0].Name())
	return m.Findings()[0]
}

func TestNT_ASSERT_IsAFindingInACheckedBuild(t *testing.T) {
	f := kind(t, ke.Config{Checked: true}, FailedAssertion, func(k *K) {
		NT_ASSERT(k, true)
		NT_ASSERTMSG(k, "the list is empty", false)
	})
	assert.Equal(t, uint32(0x1E), f.BugCheck)
	assert.Contains(t, f.Headline, "the list is empty")
	clean(t, func(k *K) { NT_ASSERT(k, false) })
}

func TestKdBreakPoint_IsAFindingInACheckedBuild(t *testing.T) {
	kind(t, ke.Config{Checked: true}, BreakPoint, KdBreakPoint)
	kind(t, ke.Config{Checked: true}, BreakPoint, func(k *K) { KdBreakPointWithStatus(k, 1) })
	kind(t, ke.Config{}, BreakPoint, DbgBreakPoint)
	kind(t, ke.Config{}, BreakPoint, func(k *K) { DbgBreakPointWithStatus(k, 1) })
	clean(t, func(k *K) { KdBreakPoint(k); KdBreakPointWithStatus(k, 2) })
}

func TestKeBugCheckEx_EndsEveryRun(t *testing.T) {
	f := kind(t, ke.Config{Continue: true}, BugCheck, func(k *K) { KeBugCheckEx(k, 0xE2, 1, 2, 3, 4) })
	assert.Equal(t, uint32(0xE2), f.BugCheck)
	assert.Equal(t, "0x3", f.Args[2].Value)
	kind(t, ke.Config{}, BugCheck, func(k *K) {
		KfRaiseIrql(k, HIGH_LEVEL)
		KeBugCheck(k, 0x12345678)
	})
}

func TestExRaiseStatus_IsCaughtWithRecover(t *testing.T) {
	clean(t, func(k *K) {
		for want, raise := range map[ntstatus.NTSTATUS]func(){
			ntstatus.STATUS_INVALID_PARAMETER:     func() { ExRaiseStatus(k, ntstatus.STATUS_INVALID_PARAMETER) },
			ntstatus.STATUS_ACCESS_VIOLATION:      func() { ExRaiseAccessViolation(k) },
			ntstatus.STATUS_DATATYPE_MISALIGNMENT: func() { ExRaiseDatatypeMisalignment(k) },
		} {
			func() {
				defer func() {
					e, ok := recover().(Exception)
					assert.True(t, ok)
					assert.Equal(t, want, e.Status)
				}()
				raise()
			}()
		}
	})
	trips(t, verify.IRQL_001, func(k *K) {
		KeRaiseIrqlToDpcLevel(k)
		ExRaiseStatus(k, ntstatus.STATUS_INVALID_PARAMETER)
	})
}

func TestExGetPreviousMode_OfAProgramAndOfADriver(t *testing.T) {
	m := ke.New(ke.Config{})
	t.Cleanup(m.Close)
	modes := map[string]KPROCESSOR_MODE{}
	m.NewThread("program", m.NewProcess("app.exe", false), func(k *K) {
		modes["program"] = ExGetPreviousMode(k)
	})
	m.NewThread("system", nil, func(k *K) {
		modes["system"] = ExGetPreviousMode(k)
		KeMemoryBarrier(k)
		YieldProcessor(k)
	})
	m.Run(nil)
	assert.Equal(t, map[string]KPROCESSOR_MODE{"program": UserMode, "system": KernelMode}, modes)
}
