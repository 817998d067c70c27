package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
)

// A string that says more of its buffer than is true is the driver's mistake, and no crash.
func TestUNICODE_STRING_LongerThanItsBuffer(t *testing.T) {
	wrong := &irp.UNICODE_STRING{Length: 8, MaximumLength: 8, Buffer: make([]uint16, 2)}
	var n uint32
	for _, c := range []named[func(k *irql.K)]{
		{"copy from", func(k *irql.K) { irp.RtlCopyUnicodeString(k, room(k, 8), wrong) }},
		{"copy to", func(k *irql.K) { irp.RtlCopyUnicodeString(k, wrong, ustr(k, "abcd")) }},
		{"append", func(k *irql.K) { irp.RtlAppendUnicodeStringToString(k, room(k, 8), wrong) }},
		{"append to", func(k *irql.K) { irp.RtlAppendUnicodeToString(k, wrong, "a") }},
		{"compare", func(k *irql.K) { irp.RtlCompareUnicodeString(k, ustr(k, "a"), wrong, true) }},
		{"equal", func(k *irql.K) { irp.RtlEqualUnicodeString(k, wrong, ustr(k, "abcd"), true) }},
		{"prefix", func(k *irql.K) { irp.RtlPrefixUnicodeString(k, wrong, ustr(k, "abcd"), true) }},
		{"upcase", func(k *irql.K) { irp.RtlUpcaseUnicodeString(k, room(k, 8), wrong, false) }},
		{"number", func(k *irql.K) { irp.RtlUnicodeStringToInteger(k, wrong, 10, &n) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, goesOn := range []bool{false, true} {
				l := newLab(t, ke.Config{Continue: goesOn})
				l.run(c.do)
				assert.Len(t, l.found(), 1)
				assert.Len(t, l.findings(verify.POOL_011), 1)
			}
		})
	}
}

func TestRtlFreeUnicodeString_OfTheDriversOwnBuffer(t *testing.T) {
	l := newLab(t, ke.Config{})
	l.run(func(k *irql.K) { irp.RtlFreeUnicodeString(k, room(k, 2)) })
	assert.Len(t, l.findings(verify.POOL_007), 1)
}
