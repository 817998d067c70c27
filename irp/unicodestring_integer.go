package irp

import (
	"strconv"
	"strings"
	"unicode/utf16"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// RtlIntegerToUnicodeString writes a number with a base of 2, 8, 10 or 16; 0 is 10.
// STATUS_INVALID_PARAMETER: another base; STATUS_BUFFER_OVERFLOW: there is no room.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: none.
// Rules: IRQL-001.
// Reference: wdm/nf-wdm-rtlintegertounicodestring.
func RtlIntegerToUnicodeString(k *irql.K, value, base uint32, s *UNICODE_STRING) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.RtlIntegerToUnicodeString)
	switch base {
	case 0:
		base = 10
	case 2, 8, 10, 16:
	default:
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	text := utf16.Encode([]rune(strings.ToUpper(strconv.FormatUint(uint64(value), int(base)))))
	if len(text) > s.destination(k, ddi.RtlIntegerToUnicodeString) {
		return ntstatus.STATUS_BUFFER_OVERFLOW
	}
	s.Length = 0
	s.add(text)
	return ntstatus.STATUS_SUCCESS
}

// RtlUnicodeStringToInteger reads a number: blanks, a sign, with base 0 one of 0x, 0o and 0b, and as many
// digits as follow. STATUS_INVALID_PARAMETER: another base than 0, 2, 8, 10 and 16.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: none.
// Rules: IRQL-001.
// Reference: wdm/nf-wdm-rtlunicodestringtointeger.
func RtlUnicodeStringToInteger(k *irql.K, s *UNICODE_STRING, base uint32, value *uint32) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.RtlUnicodeStringToInteger)
	s.source(k, ddi.RtlUnicodeStringToInteger)
	text := strings.TrimLeft(s.String(), " \t\r\n")
	negative := strings.HasPrefix(text, "-")
	if negative || strings.HasPrefix(text, "+") {
		text = text[1:]
	}
	switch base {
	case 0:
		base, text = prefixedBase(text)
	case 2, 8, 10, 16:
	default:
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	n := uint32(0)
	for _, c := range text {
		d, err := strconv.ParseUint(string(c), int(base), 32)
		if err != nil {
			break
		}
		n = n*base + uint32(d)
	}
	if negative {
		n = -n
	}
	*value = n
	return ntstatus.STATUS_SUCCESS
}

func prefixedBase(text string) (uint32, string) {
	switch {
	case strings.HasPrefix(text, "0x"):
		return 16, text[2:]
	case strings.HasPrefix(text, "0o"):
		return 8, text[2:]
	case strings.HasPrefix(text, "0b"):
		return 2, text[2:]
	}
	return 10, text
}
