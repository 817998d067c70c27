package report

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/verify"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// sample is the finding of the report printed in ux.md section 3.
func sample() (*verify.Finding, verify.Record, Options) {
	f := &verify.Finding{
		Rule: verify.IRP_001, Headline: "irp#7 completed a second time", BugCheck: 0x44,
		Text: "A driver completed an IRP that had already been completed. Usually two routines\n" +
			"each believe they own the packet: here the cancel routine and the work item.",
		Args: [4]verify.Arg{{Value: "irp#7", Meaning: "the IRP"}},
		Obj:  "irp#7", Driver: "redir.sys", AllowedIRQL: 2, Ctx: "work item 3 on thread 4.12",
		Time: 12_500, Seq: 412,
		Stack: []verify.Frame{
			{Driver: "redir.sys", Func: "(*driver).sendDone", File: "/home/u/redir/redir.go", Line: 88},
			{Driver: "redir.sys", Func: "(*driver).workItem", File: `C:\redir\redir.go`, Line: 71}},
		Places: []verify.Place{{Label: "first completion", Seq: 397, Time: 12_000, CPU: 1,
			Stack: []verify.Frame{{Driver: "redir.sys", Func: "(*driver).cancel", File: "redir.go",
				Line: 103}}}},
		Dump: []string{"!irp irp#7", "Irp is complete (was active with 2 stacks 1 is current)",
			" No Mdl: System buffer=pool#31: Thread 4.12:  Irp stack trace.   IoStatus STATUS_CANCELLED / 0",
			"     cmd                            flg cl  Device      File     Completion-Context",
			">[IRP_MJ_DEVICE_CONTROL(e), N/A(0)]   0 e1  dev#2       file#1   redir.sys!sendDone-ctx#9  " +
				"Success Error Cancel pending",
			`          \Driver\redir    Args: 00000004 00000008 0x00222000 ` +
				`(FUNCTION 0x800, METHOD_BUFFERED)`},
		Events: []string{
			"#381 +1.100ms cpu0 0  redir.sys  IoSetCancelRoutine(irp#7, cancel) -> nil",
			"#397 +1.200ms cpu1 0  redir.sys  IoCompleteRequest(irp#7) STATUS_CANCELLED",
			"  #412 +1.250ms cpu0 0  redir.sys  IoCompleteRequest(irp#7) STATUS_SUCCESS   <-- violation"},
		Fix: "take the cancel routine back first; if IoSetCancelRoutine(k, p, nil) returns nil, " +
			"the cancel routine owns the IRP.",
	}
	rec := verify.Record{ID: verify.IRP_001, Name: "DoubleCompletion", Package: "irp", BugCheck: 0x44,
		Why: "The second completion walks stack locations that belong to nobody any more."}
	opt := Options{Replay: []string{
		"go test -run '^TestCancelRace$' -sim.replay=kcs2:9d41c07e:0:4.2,9.1:5f1c2a77e0b3d846",
		"(kept in testdata/sim/TestCancelRace/5f1c2a77.sim)"}}
	return f, rec, opt
}

// golden compares with a file of testdata.
func golden(t *testing.T, file, got string) {
	t.Helper()
	file = "testdata/" + file
	if *rewrite {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Empty(t, cmp.Diff(string(want), got))
}

func text(f *verify.Finding, rec verify.Record, opt Options) string {
	var b strings.Builder
	Text(&b, f, rec, opt)
	return b.String()
}

// violation.golden is the sample of ux.md, plus the word fatal that rules.md 1.1 asks for, and with the
// true count.
func TestText_ViolationLooksLikeTheSample(t *testing.T) {
	golden(t, "violation.golden", text(sample()))
}

func TestText_ShortForm(t *testing.T) {
	f, rec, opt := sample()
	opt.Short = true
	f.Text = ""
	golden(t, "short.golden", text(f, rec, opt))
}

func TestText_HazardHasNoBox(t *testing.T) {
	f := &verify.Finding{Rule: verify.LOCK_013, Headline: "IoCallDriver with lock#3 held", Obj: "irp#2",
		Driver: "redir.sys", IRQL: 2, AllowedIRQL: verify.AnyIRQL, Time: 1,
		Seq: 9, Dump: []string{"!irp irp#2"},
		Stack: []verify.Frame{{Driver: "redir.sys", Func: "dispatch", File: "redir.go", Line: 7}}}
	rec := verify.Record{Name: "CallWithLock", Package: "irql", Why: "The callee may need the same lock."}
	golden(t, "hazard.golden", text(f, rec, Options{}))
}

// Where Windows has no bug check for an act, none is invented.
func TestText_ViolationWithoutBugCheck(t *testing.T) {
	f := &verify.Finding{Rule: verify.WFP_002, Headline: "FwpsCalloutRegister1 called at DISPATCH_LEVEL",
		IRQL: 2, Driver: "redir.sys", Seq: 3, Blocked: []string{"  thread 4.8 waits for event#1"},
		Places: []verify.Place{{Label: "now", Seq: 3},
			{Label: "raised", Seq: 2, Ctx: "thread 4.8", Event: "#2 KeRaiseIrql"}}}
	got := text(f, verify.Record{Name: "CallAbovePassive", Package: "fwps"}, Options{})
	golden(t, "nobugcheck.golden", got)
	assert.NotContains(t, got, "Arguments:")
	assert.Contains(t, got, "allowed <= 0")
}

// A rule that speaks of levels but has no highest one does not limit them to PASSIVE_LEVEL.
func TestText_NoLimitWhereNoneIsMeant(t *testing.T) {
	for rule, limited := range map[verify.RuleID]bool{
		verify.LOCK_010: false, verify.LOCK_005: false, verify.IRP_025: false, verify.IRP_052: false,
		verify.IRP_057: false, verify.WFP_005: false, verify.WFP_080: false, verify.IRQL_006: false,
		verify.IRQL_007: false, verify.IRQL_016: false, verify.POOL_013: false,
		verify.IRQL_001: true, verify.IRQL_015: true, verify.WSK_001: true, verify.WSK_093: true,
		verify.WFP_003: true, verify.WFP_004: true,
	} {
		f := &verify.Finding{Rule: rule, Headline: "x", IRQL: 2}
		got := text(f, verify.Record{}, Options{})
		if limited {
			assert.Contains(t, got, "allowed <= 0", "%v", rule)
		} else {
			assert.NotContains(t, got, "allowed", "%v", rule)
		}
		f.AllowedIRQL = 1
		assert.Contains(t, text(f, verify.Record{}, Options{}), "allowed <= 1", "%v", rule)
	}
}

func TestText_WithoutRecord(t *testing.T) {
	got := text(&verify.Finding{Rule: verify.IRP_040, Headline: "irp#1 is left"}, verify.Record{}, Options{})
	assert.True(t, strings.HasPrefix(got, "IRP-040: irp#1 is left\n"), got)
	assert.Contains(t, got, "\nIRP-040\n")
}

func TestExplain(t *testing.T) {
	_, rec, _ := sample()
	var b strings.Builder
	Explain(&b, rec, verify.Rule(verify.IRP_001))
	b.WriteString("----\n")
	alias := verify.Record{ID: verify.WSK_233, Name: "RedirectIoctlIrql", Package: "wsk",
		Alias: verify.WSK_093}
	Explain(&b, alias, verify.Rule(verify.WSK_233))
	b.WriteString("----\n")
	opaque := verify.Record{ID: verify.MDL_015, ByConstruction: "fields come out by value"}
	Explain(&b, opaque, verify.Rule(verify.MDL_015))
	b.WriteString("----\n")
	Explain(&b, verify.Record{}, verify.Rule(verify.LOCK_001))
	golden(t, "explain.golden", b.String())
}

func TestJSON_FieldOrderAndContent(t *testing.T) {
	f, _, _ := sample()
	got, err := JSON(f)
	require.NoError(t, err)
	golden(t, "finding.golden.json", string(got)+"\n")
	again, err := JSON(f)
	require.NoError(t, err)
	assert.Equal(t, got, again)
	var m map[string]any
	require.NoError(t, json.Unmarshal(got, &m))
	assert.Equal(t, "IRP-001", m["rule"])
	assert.Equal(t, 1.25e6, m["t_ns"])
	assert.NotContains(t, string(got), "/home/")
}

func TestWhen(t *testing.T) {
	for ticks, want := range map[int64]string{0: "+0.000ms", 12_500: "+1.250ms", 12_501: "+1.2501ms",
		-10: "-0.001ms", 600_000_000: "+60000.000ms"} {
		assert.Equal(t, want, when(ticks))
	}
}

func TestLevel(t *testing.T) {
	assert.Equal(t, "2 (DISPATCH_LEVEL)", level(2))
	assert.Equal(t, "5 (DIRQL)", level(5))
	assert.Equal(t, "15 (HIGH_LEVEL)", level(15))
	assert.Equal(t, "77", level(77))
}

func TestWrap(t *testing.T) {
	assert.Equal(t, []string{"ab cd", "efghijk", "l"}, wrap("ab cd efghijk l", 5))
	assert.Equal(t, []string{""}, wrap("", 5))
}

func TestText_WithoutAStackThePositionIsThatOfTheFirstPlace(t *testing.T) {
	f := &verify.Finding{Rule: verify.UNLOAD_001, Headline: "greedy.sys leaves 1 block",
		Places: []verify.Place{{Label: "allocated", Seq: 5,
			Stack: []verify.Frame{{Func: "lib"}, {Func: "entry", File: "/x/greedy.go", Line: 18}}}}}
	assert.True(t, strings.HasPrefix(text(f, verify.Record{}, Options{}), "greedy.go:18: UNLOAD-001"))
}

// Plain prints a page as Explain prints what the page begins with.
func TestPlain_IsThePageWithoutMarks(t *testing.T) {
	rec := verify.Record{ID: verify.IRP_001, Name: "DoubleCompletion", Package: "irp",
		Why: "Two owners [each] write *p `now` <b> \\n."}
	var page, plain, facts strings.Builder
	Markdown(&page, rec, verify.Rule(verify.IRP_001), "")
	Plain(&plain, page.String())
	Explain(&facts, rec, verify.Rule(verify.IRP_001))
	assert.Equal(t, facts.String(), plain.String())

	plain.Reset()
	Plain(&plain, "# A\n\n**WHY:** b\n\n**X:** c\n\n## Part\n\nSee [IRP-001](IRP-001.md) and `f`.\n\n"+
		"```go\na := b[0] // **c:** d\n\n# x\n```\n\n- one \\[1]\n- two\n")
	assert.Equal(t, "A\n\nWHY:            b\nX:              c\n\nPart\n\nSee IRP-001 and f.\n\n"+
		"    a := b[0] // **c:** d\n\n    # x\n\n- one [1]\n- two\n", plain.String())
}
