package verify

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// table reads one of the inputs without its heading.
func table(t *testing.T, file string) [][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var rows [][]string
	for _, l := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		rows = append(rows, strings.Split(l, "\t"))
	}
	return rows
}

func TestRules_EveryRowRoundTrips(t *testing.T) {
	word := map[string]Severity{"error": Error, "ERROR": Error, "FATAL": Error, "contract": Error,
		"warning": Warning, "WARN": Warning, "advisory": Warning, "note": Note, "INFO": Note}
	rows := append(table(t, "rules.tsv"), table(t, "rules_wsk_wfp_full.tsv")...)
	require.Len(t, rows, 192+213+190)
	require.Len(t, Rules(), len(rows))
	for i, f := range rows {
		id, ok := ByNumber(f[0])
		require.True(t, ok, f[0])
		assert.Equal(t, Rules()[i], id)
		assert.Equal(t, f[0], id.String())
		assert.Equal(t, word[f[1]], id.Severity(), f[0])
		if f[1] == "FATAL" {
			assert.True(t, id.Fatal(), f[0])
		}
		row := Rule(id)
		assert.Equal(t, id, row.ID)
		assert.Equal(t, strings.TrimRight(f[2], "."), strings.TrimRight(row.Claim, "."), f[0])
		assert.NotEmpty(t, row.Detect, f[0])
		assert.NotEmpty(t, row.Source, f[0])
	}
}

func TestRule_Samples(t *testing.T) {
	r := Rule(LOCK_001)
	assert.Equal(t, []string{"0xF"}, r.BugChecks)
	assert.Equal(t, []uint32{0x40006, 0x40009}, r.C4)
	assert.Equal(t, []uint32{0x204}, Rule(IRP_019).C9[1:])
	assert.Equal(t, []string{"DoubleCompletion"}, Rule(IRP_001).SDV)
	assert.Equal(t, []string{"ConnectRedirectPendClassify"}, Rule(WFP_066).Static)
	assert.Equal(t, "wsk.md 24.D (N:sio-query-wfp-connection-redirect-context)", Rule(WSK_093).Source)
	assert.Equal(t, "wfp.md 20.1 (section 19)", Rule(WFP_002).Source)
	assert.Equal(t, "deadlock, bugcheck under Verifier", Rule(WFP_004).WindowsReport)
	assert.Equal(t, Row{}, Rule(NoRule))
	assert.Equal(t, "WSK", WSK_097.Family())
	_, ok := ByNumber("IRP-999")
	assert.False(t, ok)
	_, ok = ByNumber("")
	assert.False(t, ok)
}

// Reference: rules.md 1.1 and 1.2.
func TestFatal_OnlyErrorsAndNotWhatVectorsContinue(t *testing.T) {
	for _, id := range Rules() {
		if id.Fatal() {
			assert.Equal(t, Error, id.Severity(), id)
		}
	}
	for _, id := range []RuleID{IRP_006, IRP_007, IRP_011, IRP_015, NoRule} {
		assert.False(t, id.Fatal(), id)
	}
	assert.True(t, IRP_001.Fatal())
	assert.True(t, WSK_097.Fatal())
}

func TestSeverity_DoesNotAllocate(t *testing.T) {
	var n int
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if IRP_001.Fatal() {
			n += int(IRP_001.Severity()) + len(IRP_001.String())
		}
	}))
}

func TestBugChecks_EveryRowIsFound(t *testing.T) {
	for _, f := range table(t, "bugcheck_names.tsv") {
		assert.Equal(t, f[1], BugCheckName(code(f[0])))
		_, ok := BugCheck(code(f[0]))
		assert.True(t, ok, f[0])
	}
	for _, f := range table(t, "bugchecks.tsv") {
		found := false
		for _, r := range BugCheckVariants(code(f[0])) {
			found = found || r.Variant == f[2] && r.Params[3] == f[6] && r.When == f[7]
		}
		assert.True(t, found, f[0]+" "+f[2])
		assert.Equal(t, f[1], BugCheckName(code(f[0])))
	}
	assert.Empty(t, BugCheckName(0xFFFFFF))
	_, ok := BugCheck(0xFFFFFF)
	assert.False(t, ok)
}

func TestSubCodes_EveryRowIsFound(t *testing.T) {
	for _, f := range table(t, "verifier_c4.tsv") {
		s, ok := VerifierC4(code(f[0]))
		require.True(t, ok, f[0])
		assert.Equal(t, f[1], s.Meaning)
	}
	for _, f := range table(t, "iov_c9.tsv") {
		s, ok := IoVerifierC9(code(f[0]))
		require.True(t, ok, f[0])
		assert.Equal(t, f[3], s.Meaning)
	}
	_, ok := IoVerifierC9(0xFFFF)
	assert.False(t, ok)
}

// What a rule refers to must exist, or a report would print a code without a name.
func TestRules_ReferToKnownCodes(t *testing.T) {
	for _, id := range Rules() {
		r := Rule(id)
		for _, c := range r.BugChecks {
			c, _, _ = strings.Cut(c, "/")
			assert.NotEmpty(t, BugCheckName(code(c)), "%v %s", id, c)
		}
		for _, c := range r.C4 {
			_, ok := VerifierC4(c)
			assert.True(t, ok, "%v C4 %#x", id, c)
		}
		for _, c := range r.C9 {
			_, ok := IoVerifierC9(c)
			assert.True(t, ok, "%v C9 %#x", id, c)
		}
	}
}

func TestSignature_LeavesOutWhatChanges(t *testing.T) {
	f := Finding{Rule: IRP_001, Obj: "irp#7", Driver: "redir.sys", Seq: 412, Stack: []Frame{
		{"redir.sys", "(*driver).sendDone", "redir.go", 88},
		{"redir.sys", "(*driver).workItem", "redir.go", 71}}}
	want := "IRP-001|irp|redir.sys|(*driver).sendDone < (*driver).workItem"
	assert.Equal(t, want, f.Signature())
	f.Obj, f.Seq, f.Stack[0].Line = "irp#9", 5, 90
	assert.Equal(t, want, f.Signature())
	f.Driver = "other.sys"
	assert.NotEqual(t, want, f.Signature())
	assert.Equal(t, "IRP-040||", (&Finding{Rule: IRP_040}).Signature())
}

func TestFullName(t *testing.T) {
	assert.Equal(t, "irp/DoubleCompletion", (&Record{Name: "DoubleCompletion", Package: "irp"}).FullName())
	assert.Empty(t, (&Record{Package: "irp"}).FullName())
}
