package ddi

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAll_AgreesWithTheArrays(t *testing.T) {
	all := All()
	require.Len(t, all, 3355+75)
	max := map[string]uint8{"PASSIVE_LEVEL": 0, "APC_LEVEL": 1, "DISPATCH_LEVEL": 2, "DIRQL": 12,
		"CLOCK_LEVEL": 13, "IPI_LEVEL": 14, "PROFILE_LEVEL": 15, "HIGH_LEVEL": 15}
	seen := map[ID]bool{}
	for _, e := range all {
		if !e.numbered() {
			assert.Equal(t, None, e.ID, e.Name)
			continue
		}
		require.NotEqual(t, None, e.ID, e.Name)
		assert.Equal(t, e.Name, e.ID.String())
		if seen[e.ID] {
			continue // the second row of a name does not count
		}
		seen[e.ID] = true
		want, limited := max[e.MaxIRQL]
		if !limited {
			want = NoLimit
		}
		assert.Equal(t, want, MaxIRQL(e.ID), e.Name)
		assert.LessOrEqual(t, MinIRQL(e.ID), MaxIRQL(e.ID), e.Name)
		if e.ParamsListed {
			assert.Len(t, e.Params, CParams(e.ID), e.Name)
		} else {
			assert.Equal(t, -1, CParams(e.ID), e.Name)
		}
	}
	assert.Len(t, seen, count-1)
}

func TestLimits_Samples(t *testing.T) {
	for _, c := range []struct {
		id       ID
		name     string
		max, min uint8
		params   int
	}{
		{None, "None", NoLimit, 0, -1},
		{IoCallDriver, "IoCallDriver", 2, 0, 2},
		{IofCallDriver, "IofCallDriver", 2, 0, 2},
		{IoMarkIrpPending, "IoMarkIrpPending", NoLimit, 0, 1},
		{KeReleaseSpinLock, "KeReleaseSpinLock", 2, 2, 2},
		{KeAcquireSpinLockAtDpcLevel, "KeAcquireSpinLockAtDpcLevel", 15, 2, 1},
		{PsCreateSystemThread, "PsCreateSystemThread", 0, 0, 7},
		{ExAcquireFastMutex, "ExAcquireFastMutex", 1, 0, 1},
		{FwpsPendClassify0, "FwpsPendClassify0", 2, 0, 4},
		{PFN_WSK_SEND, "PFN_WSK_SEND", 2, 0, 4},
		{PFN_WSK_SEND_MESSAGES, "PFN_WSK_SEND_MESSAGES", NoLimit, 0, 7},
		{DbgPrintEx, "DbgPrintEx", 12, 0, CParams(DbgPrintEx)},
		{VDbgPrintEx, "vDbgPrintEx", 12, 0, 4},
	} {
		assert.Equal(t, c.name, c.id.String())
		assert.Equal(t, c.max, MaxIRQL(c.id), c.name)
		assert.Equal(t, c.min, MinIRQL(c.id), c.name)
		assert.Equal(t, c.params, CParams(c.id), c.name)
	}
	assert.Equal(t, "ddi.ID(out of range)", ID(65535).String())
}

func TestLookup_FirstRowOfAName(t *testing.T) {
	e, ok := Lookup("ExFreePool")
	require.True(t, ok)
	assert.Equal(t, "ntddk.h", e.Header)
	assert.Equal(t, ExFreePool, e.ID)
	assert.NotEmpty(t, e.Condition)

	e, ok = Lookup("FwpmCalloutAdd0")
	require.True(t, ok)
	want := []Param{{"engineHandle", "in", false}, {"callout", "in", false},
		{"sd", "in", true}, {"id", "out", true}}
	assert.Empty(t, cmp.Diff(want, e.Params))

	e, ok = Lookup("D3COLD_REQUEST_CORE_POWER_RAIL") // its directions stand behind two colons
	require.True(t, ok)
	assert.Equal(t, Param{"CorePowerRailNeeded", "in", false}, e.Params[1])

	for _, none := range []string{"", "IoCallDrive", "NoSuchRoutine"} {
		_, ok = Lookup(none)
		assert.False(t, ok, none)
		_, ok = ByName(none)
		assert.False(t, ok, none)
	}
}

func TestString_DoesNotAllocate(t *testing.T) {
	var n int
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		n += len(IoCallDriver.String()) + int(MaxIRQL(IoCallDriver)) + CParams(IoCallDriver)
	}))
}

func TestEntry_Page(t *testing.T) {
	e, ok := Lookup("IoFreeIrp")
	require.True(t, ok)
	assert.Equal(t, "https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iofreeirp", e.Page())
	assert.Empty(t, (&Entry{}).Page())
	assert.Equal(t, "wdm.h", (&Entry{Path: "wdm.h"}).Page())
}
