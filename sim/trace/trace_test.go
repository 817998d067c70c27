package trace

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ddi"
	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

func golden(t *testing.T, file, got string) {
	t.Helper()
	file = filepath.Join("testdata", file)
	if *rewrite {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Empty(t, cmp.Diff(string(want), got))
}

func irp(n uint64) trace.ID { return trace.MakeID(trace.IRP, n) }
func dev(n uint64) trace.ID { return trace.MakeID(trace.Device, n) }

// story is the run that scheduling.md 15 shows: a lower driver completes on another processor before the
// caller goes on.
func story() (*trace.Log, *Names) {
	pending, pool := uint32(ntstatus.STATUS_PENDING), trace.MakeID(trace.Pool, 2)
	log := &trace.Log{}
	log.Reset(-1)
	for _, e := range []trace.Event{
		{What: trace.Switch, Ctx: 3},
		{What: trace.Start, Ctx: 3, Obj: trace.MakeID(trace.Thread, 1), Text: "dispatch"},
		{What: trace.Enter, Ctx: 3, Text: "dispatch", Obj: irp(1), Fn: 1, Driver: 1},
		{What: trace.Call, Ctx: 3, Code: ddi.IoCallDriver, Obj: dev(1), Obj2: irp(1), Driver: 1},
		{What: trace.Return, Ctx: 3, Code: ddi.IoCallDriver, Status: pending, Flags: trace.HasStatus,
			Driver: 1},
		{What: trace.Clock, Time: 12_500},
		{What: trace.Switch, Ctx: 2, CPU: 1, Time: 12_500},
		{What: trace.Enter, Ctx: 2, CPU: 1, IRQL: 2, Time: 12_500, Text: "DPC", Fn: 2, Driver: 2},
		{What: trace.Call, Ctx: 2, CPU: 1, IRQL: 2, Time: 12_500, Code: ddi.IoCompleteRequest, Obj: irp(1),
			Flags: trace.HasStatus, Driver: 2},
		{What: trace.Call, Ctx: 2, CPU: 1, IRQL: 2, Time: 12_500, Code: ddi.ExFreePoolWithTag, Obj: pool,
			A: 0x74736574, Flags: trace.HasA | trace.HexA, Driver: 2},
		{What: trace.Leave, Ctx: 2, CPU: 1, IRQL: 2, Time: 12_500, Text: "DPC", Driver: 2},
		{What: trace.Wake, Ctx: 3, Time: 12_500, Obj: trace.MakeID(trace.Thread, 1)},
		{What: trace.Switch, Ctx: 3, Time: 12_500},
		{What: trace.Note, Ctx: 3, Time: 12_501, Text: "reads", Obj: trace.MakeID(trace.Pool, 2), Driver: 1},
		{What: trace.Finding, Ctx: 3, Time: 12_501, A: 11, Flags: trace.HasA, Driver: 1},
	} {
		log.Add(&e)
	}
	return log, &Names{
		Context: func(n uint16) string { return []string{"", "", "DPC on processor 1", "dispatch"}[n] },
		Driver:  func(n uint16) string { return []string{"", "top.sys", "net.sys"}[n] },
		Func:    func(pc uintptr) string { return []string{"", "(*driver).ioctl", "(*net).done"}[pc] },
		Rule:    func(uint64) string { return "POOL-011 irp/UseAfterFree" },
		Source:  func(seq uint64) string { return "top.go:" + string(rune('0'+seq%10)) },
		Remark:  func(seq uint64) string { return map[uint64]string{7: "choice 4.1"}[seq] },
		Marks:   func(seq uint64) string { return map[uint64]string{10: "freed", 15: "violation"}[seq] },
	}
}

func TestTimeline_OneLanePerContext(t *testing.T) {
	log, n := story()
	var b bytes.Buffer
	require.NoError(t, (&Timeline{Names: n}).Print(&b, log))
	golden(t, "timeline.golden", b.String())
}

func TestTimeline_NarrowHasOneTitlePerLine(t *testing.T) {
	log, n := story()
	var b bytes.Buffer
	require.NoError(t, (&Timeline{Names: n, Width: 72}).Print(&b, log))
	golden(t, "narrow.golden", b.String())
	for l := range strings.Lines(b.String()) {
		assert.LessOrEqual(t, len(strings.TrimSuffix(l, "\n")), 72, l)
	}
}

func TestTimeline_ColourOnlyWhenAsked(t *testing.T) {
	log, n := story()
	var b bytes.Buffer
	require.NoError(t, (&Timeline{Names: n}).Print(&b, log))
	assert.NotContains(t, b.String(), "\x1b")
	b.Reset()
	require.NoError(t, (&Timeline{Names: n, Color: true}).Print(&b, log))
	assert.Contains(t, b.String(), "\x1b[31m")
}

func TestUseColor_NeverForFilesAndNeverWithNO_COLOR(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "x"))
	require.NoError(t, err)
	defer f.Close()
	assert.False(t, UseColor(f))
	// The null device is a character device, as a terminal is.
	if null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		defer null.Close()
		t.Setenv("NO_COLOR", "1")
		assert.False(t, UseColor(null))
	}
}

func TestTimeline_SaysWhatIsMissing(t *testing.T) {
	log := &trace.Log{}
	log.Reset(4)
	for range 9 {
		log.Add(&trace.Event{What: trace.Note, Ctx: 1, Text: "x"})
	}
	var b bytes.Buffer
	require.NoError(t, (&Timeline{}).Print(&b, log))
	assert.Contains(t, b.String(), "... (5 earlier events)")
	assert.Contains(t, b.String(), "context 1")
}

func TestWriteJSONL_HeaderThenOneObjectPerEvent(t *testing.T) {
	log, n := story()
	var b bytes.Buffer
	h := Header{Scenario: "story", Seed: 7, Token: "kcs2:1:0::1", Drivers: []string{"top.sys", "net.sys"}}
	require.NoError(t, WriteJSONL(&b, h, log, n))
	golden(t, "trace.golden.jsonl", b.String())
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	require.Len(t, lines, 1+int(log.Len()))
	for i, l := range lines {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(l), &m), "line %d", i+1)
	}
}

func TestLine_Forms(t *testing.T) {
	for want, e := range map[string]trace.Event{
		"IoCallDriver(dev#1, irp#2) STATUS_PENDING": {What: trace.Call, Code: ddi.IoCallDriver, Obj: dev(1),
			Obj2: irp(2), Status: uint32(ntstatus.STATUS_PENDING), Flags: trace.HasStatus},
		"IoCallDriver returns STATUS_SUCCESS": {What: trace.Return, Code: ddi.IoCallDriver,
			Flags: trace.HasStatus},
		"KeRaiseIrql(2, 0xff)": {What: trace.Call, Code: ddi.KeRaiseIrql, A: 2, B: 255,
			Flags: trace.HasA | trace.HasB | trace.HexB},
		"} STATUS_SUCCESS": {What: trace.Leave, Flags: trace.HasStatus},
		"SYN arrives peer#3": {What: trace.Deliver, Text: "SYN arrives",
			Obj: trace.MakeID(trace.Peer, 3)},
		"context 4 goes on": {What: trace.Switch, Ctx: 4},
		"thread#9 ends":     {What: trace.End, Obj: trace.MakeID(trace.Thread, 9)},
	} {
		assert.Equal(t, want, Line(&e, &Names{}))
	}
}

func TestWhen(t *testing.T) {
	assert.Equal(t, "+0.000ms", When(0))
	assert.Equal(t, "+1.250ms", When(12_500))
	assert.Equal(t, "+1.2501ms", When(12_501))
}
