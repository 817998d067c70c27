package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

func ustr(k *irql.K, s string) *irp.UNICODE_STRING {
	u := &irp.UNICODE_STRING{}
	irp.RtlInitUnicodeString(k, u, s)
	return u
}

func room(k *irql.K, n int) *irp.UNICODE_STRING {
	u := &irp.UNICODE_STRING{}
	irp.RtlInitEmptyUnicodeString(k, u, make([]uint16, n), uint16(2*n))
	return u
}

func TestRtlInitUnicodeString_CountsBytes(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			u := ustr(k, "añb")
			assert.Equal(t, uint16(6), u.Length)
			assert.Equal(t, uint16(8), u.MaximumLength)
			assert.Equal(t, "añb", u.String())
			assert.Zero(t, ustr(k, "").MaximumLength)
		})
	})
}

func TestRtlCopyUnicodeString_CutsOffAndAppendsDoNot(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			u := room(k, 4)
			irp.RtlCopyUnicodeString(k, u, ustr(k, "abcdef"))
			assert.Equal(t, "abcd", u.String())
			irp.RtlCopyUnicodeString(k, u, ustr(k, "ab"))
			assert.Equal(t, uint16(0), u.Buffer[2], "a zero where it fits")
			assert.Equal(t, ntstatus.STATUS_BUFFER_TOO_SMALL, irp.RtlAppendUnicodeToString(k, u, "cde"))
			assert.Equal(t, ok, irp.RtlAppendUnicodeToString(k, u, "c"))
			assert.Equal(t, ok, irp.RtlAppendUnicodeStringToString(k, u, ustr(k, "d")))
			assert.Equal(t, "abcd", u.String())
			irp.RtlCopyUnicodeString(k, u, nil)
			assert.Zero(t, u.Length)
		})
	})
}

func TestRtlEqualUnicodeString_AndItsKind(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			a, b := ustr(k, `\Device\Foo`), ustr(k, `\DEVICE\foo`)
			assert.False(t, irp.RtlEqualUnicodeString(k, a, b, false))
			assert.True(t, irp.RtlEqualUnicodeString(k, a, b, true))
			assert.True(t, irp.RtlPrefixUnicodeString(k, ustr(k, `\device`), a, true))
			assert.False(t, irp.RtlPrefixUnicodeString(k, a, ustr(k, `\device`), true))
			assert.Zero(t, irp.RtlCompareUnicodeString(k, a, b, true))
			assert.Positive(t, irp.RtlCompareUnicodeString(k, a, b, false))
			assert.Negative(t, irp.RtlCompareUnicodeString(k, ustr(k, "a"), ustr(k, "ab"), false))
			assert.Equal(t, uint16('Ä'), irp.RtlUpcaseUnicodeChar(k, 'ä'))
			assert.Equal(t, uint16('ä'), irp.RtlDowncaseUnicodeChar(k, 'Ä'))
		})
	})
}

func TestRtlIntegerToUnicodeString_AndBack(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			u := room(k, 8)
			assert.Equal(t, ok, irp.RtlIntegerToUnicodeString(k, 48879, 16, u))
			assert.Equal(t, "BEEF", u.String())
			assert.Equal(t, ntstatus.STATUS_BUFFER_OVERFLOW, irp.RtlIntegerToUnicodeString(k, 512, 2, u))
			assert.Equal(t, ntstatus.STATUS_INVALID_PARAMETER, irp.RtlIntegerToUnicodeString(k, 1, 7, u))
			numbers := map[string]uint32{" 12x": 12, "0x1F": 31, "0b101": 5, "-1": 0xFFFFFFFF, "": 0}
			for text, want := range numbers {
				n := uint32(99)
				assert.Equal(t, ok, irp.RtlUnicodeStringToInteger(k, ustr(k, text), 0, &n))
				assert.Equal(t, want, n, text)
			}
		})
	})
}

func TestRtlUpcaseUnicodeString_Allocates(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			var u irp.UNICODE_STRING
			assert.Equal(t, ok, irp.RtlUpcaseUnicodeString(k, &u, ustr(k, "shout"), true))
			assert.Equal(t, "SHOUT", u.String())
			irp.RtlFreeUnicodeString(k, &u)
			assert.Equal(t, ntstatus.STATUS_BUFFER_OVERFLOW,
				irp.RtlUpcaseUnicodeString(k, room(k, 2), ustr(k, "shout"), false))
		})
	}, ke.Pin{Site: "fault/RtlUpcaseUnicodeString"})
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			assert.Equal(t, ntstatus.STATUS_NO_MEMORY,
				irp.RtlUpcaseUnicodeString(k, new(irp.UNICODE_STRING), ustr(k, "a"), true))
		})
	}, ke.Pin{Site: "fault/RtlUpcaseUnicodeString", Alt: 1})
}
