package ntstatus

import (
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rows reads the generator's input once more, by other code than the generator's.
func rows(t *testing.T) (head map[string]int, rows [][]string) {
	t.Helper()
	text, err := os.ReadFile("testdata/ntstatus.tsv")
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	head = map[string]int{}
	for i, h := range strings.Split(lines[0], "\t") {
		head[h] = i
	}
	for _, l := range lines[1:] {
		rows = append(rows, strings.Split(l, "\t"))
	}
	return head, rows
}

func TestTable_EveryRowRoundTrips(t *testing.T) {
	head, rows := rows(t)
	require.Greater(t, len(rows), 2700)
	for _, r := range rows {
		v, err := strconv.ParseUint(r[head["value"]], 0, 32)
		require.NoError(t, err)
		s := NTSTATUS(v)
		want := r[head["name"]]
		if a := r[head["alias_of"]]; a != "" {
			want = a
		}
		assert.Equal(t, want, s.String())
		assert.Equal(t, r[head["severity"]], s.Severity().String(), want)
		assert.Equal(t, r[head["facility_name"]], FacilityName(s.Facility()), want)
		dos, err := strconv.ParseUint(r[head["win32_code"]], 10, 32)
		require.NoError(t, err)
		assert.Equal(t, uint32(dos), RtlNtStatusToDosError(s), want)
		if n := r[head["win32_name"]]; !strings.HasPrefix(n, "(") {
			assert.Equal(t, n, Win32ErrorName(uint32(dos)), want)
		}
		assert.NotEmpty(t, Message(s), want)
		assert.True(t, s.Known())
	}
}

func TestTable_IsSorted(t *testing.T) {
	for i := 1; i < len(table); i++ {
		require.Less(t, table[i-1].value, table[i].value)
	}
	for i := 1; i < len(win32Names); i++ {
		require.Less(t, win32Names[i-1].code, win32Names[i].code)
	}
}

// Reference: windows-driver-docs-pr/kernel/using-ntstatus-values.md
func TestSeverity_RulesOfTheFourMacros(t *testing.T) {
	for _, c := range []struct {
		s                         NTSTATUS
		success, info, warn, fail bool
	}{
		{STATUS_SUCCESS, true, false, false, false},
		{STATUS_PENDING, true, false, false, false},
		{0x3FFFFFFF, true, false, false, false},
		{STATUS_OBJECT_NAME_EXISTS, true, true, false, false},
		{0x7FFFFFFF, true, true, false, false},
		{STATUS_BUFFER_OVERFLOW, false, false, true, false},
		{0xBFFFFFFF, false, false, true, false},
		{STATUS_UNSUCCESSFUL, false, false, false, true},
		{0xFFFFFFFF, false, false, false, true},
	} {
		assert.Equal(t, c.success, NT_SUCCESS(c.s), c.s)
		assert.Equal(t, c.info, NT_INFORMATION(c.s), c.s)
		assert.Equal(t, c.warn, NT_WARNING(c.s), c.s)
		assert.Equal(t, c.fail, NT_ERROR(c.s), c.s)
	}
}

func TestParts_OfOneCode(t *testing.T) {
	s := STATUS_FWP_CANNOT_PEND
	assert.Equal(t, NTSTATUS(0xC0220103), s)
	assert.Equal(t, SeverityError, s.Severity())
	assert.Equal(t, uint16(0x022), s.Facility())
	assert.Equal(t, "FWP_ERROR_CODE", FacilityName(s.Facility()))
	assert.Equal(t, uint16(0x0103), s.Code())
	assert.False(t, s.Customer())
	assert.True(t, NTSTATUS(0xE0000001).Customer())
	assert.Empty(t, FacilityName(0xFFF))
}

func TestString_AliasAndUnknown(t *testing.T) {
	assert.Equal(t, "STATUS_SUCCESS", STATUS_WAIT_0.String())
	assert.Equal(t, STATUS_ABANDONED, STATUS_ABANDONED_WAIT_0)
	assert.Equal(t, "NTSTATUS(0xE000BEEF)", NTSTATUS(0xE000BEEF).String())
	assert.Equal(t, "NTSTATUS(0xFFFFFFFF)", NTSTATUS(0xFFFFFFFF).String())
	assert.Empty(t, Message(0xE000BEEF))
}

func TestRtlNtStatusToDosError_Samples(t *testing.T) {
	for s, want := range map[NTSTATUS]uint32{
		STATUS_SUCCESS:                0,
		STATUS_PENDING:                997,
		STATUS_INVALID_PARAMETER:      87,
		STATUS_ACCESS_DENIED:          5,
		STATUS_BUFFER_OVERFLOW:        234,
		STATUS_CANCELLED:              995,
		STATUS_INSUFFICIENT_RESOURCES: 1450,
		STATUS_FWP_CANNOT_PEND:        317,
		0xC0FFFFFF:                    317,
		0xE0001234:                    0xE0001234, // customer bit: unchanged
		0xD000000D:                    87,         // the HRESULT form of STATUS_INVALID_PARAMETER
		0x80070005:                    5,
	} {
		assert.Equal(t, want, RtlNtStatusToDosError(s), s)
	}
	assert.Equal(t, "ERROR_MR_MID_NOT_FOUND", Win32ErrorName(ERROR_MR_MID_NOT_FOUND))
	assert.Empty(t, Win32ErrorName(0xFFFFFFFF))
}

// An NTSTATUS in an `if err != nil` would treat STATUS_PENDING as a failure.
func TestNTSTATUS_IsNotAnError(t *testing.T) {
	e := reflect.TypeFor[error]()
	assert.False(t, reflect.TypeFor[NTSTATUS]().Implements(e))
	assert.False(t, reflect.TypeFor[*NTSTATUS]().Implements(e))
}

func TestString_DoesNotAllocate(t *testing.T) {
	var n int
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		n += len(STATUS_PENDING.String()) + len(STATUS_FWP_CANNOT_PEND.String()) +
			len(Message(STATUS_CANCELLED))
	}))
}

func BenchmarkString(b *testing.B) {
	for b.Loop() {
		_ = STATUS_FWP_CANNOT_PEND.String()
	}
}
