package irp

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	gounicode "unicode"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var siteUpcase = ke.Site{Name: "fault/RtlUpcaseUnicodeString", Alts: faultAlts, Spec: "irp.md 19.2"}

// folded is a character as comparisons see it. Characters beyond the first plane have no case, as in Windows.
func folded(c uint16, fold bool) uint16 {
	if !fold {
		return c
	}
	return mapped16(c, gounicode.ToUpper)
}

func mapped16(c uint16, to func(rune) rune) uint16 {
	if utf16.IsSurrogate(rune(c)) {
		return c
	}
	if r := to(rune(c)); r < utf8.RuneSelf || r <= 0xFFFF && !utf16.IsSurrogate(r) {
		return uint16(r)
	}
	return c
}

// RtlUpcaseUnicodeChar gives the upper case of a character.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: IRQL-001.
// Not modelled: the tables of the system's language.
// Reference: wdm/nf-wdm-rtlupcaseunicodechar.
func RtlUpcaseUnicodeChar(k *irql.K, sourceCharacter uint16) uint16 {
	ke.Enter(k, ddi.RtlUpcaseUnicodeChar)
	return mapped16(sourceCharacter, gounicode.ToUpper)
}

// RtlDowncaseUnicodeChar gives the lower case of a character.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: none.
// Rules: IRQL-001.
// Not modelled: the tables of the system's language.
// Reference: wdm/nf-wdm-rtldowncaseunicodechar.
func RtlDowncaseUnicodeChar(k *irql.K, sourceCharacter uint16) uint16 {
	ke.Enter(k, ddi.RtlDowncaseUnicodeChar)
	return mapped16(sourceCharacter, gounicode.ToLower)
}

// RtlUpcaseUnicodeString copies a text in upper case into a string, with a buffer from paged pool if asked
// for. STATUS_BUFFER_OVERFLOW: there is no room; STATUS_NO_MEMORY: there is no pool.
//
// IRQL: <= APC_LEVEL.
// Ownership: with allocateDestinationString, RtlFreeUnicodeString.
// Rules: IRQL-001, UNLOAD-001.
// Not modelled: the tables of the system's language.
// Reference: ntddk/nf-ntddk-rtlupcaseunicodestring.
func RtlUpcaseUnicodeString(k *irql.K, destinationString, sourceString *UNICODE_STRING,
	allocateDestinationString bool) ntstatus.NTSTATUS {
	const d = ddi.RtlUpcaseUnicodeString
	ke.Enter(k, d)
	u := sourceString.source(k, d)
	if allocateDestinationString {
		if !destinationString.allocate(k, d, &siteUpcase, len(u)) {
			return ntstatus.STATUS_NO_MEMORY
		}
	} else if len(u) > destinationString.destination(k, d) {
		return ntstatus.STATUS_BUFFER_OVERFLOW
	}
	for i, c := range u {
		destinationString.Buffer[i] = folded(c, true)
	}
	destinationString.Length = uint16(2 * len(u))
	return ntstatus.STATUS_SUCCESS
}

// allocate gives s room for n characters in paged pool of the acting driver.
func (s *UNICODE_STRING) allocate(k *irql.K, d ddi.ID, site *ke.Site, n int) bool {
	r := pool.Request{DDI: d, Kind: pool.Paged, Size: 2 * n, Tag: Tag("Strg")}
	if ke.Fails(k, site) {
		noPool(k, &r, false)
		return false
	}
	block := pool.Alloc(k, &r)
	if block == nil {
		noPool(k, &r, false)
		return false
	}
	*s = UNICODE_STRING{MaximumLength: uint16(2 * n), Buffer: make([]uint16, n), block: block}
	return true
}

// RtlFreeUnicodeString frees the buffer that an Rtl routine has allocated, and makes the string empty.
//
// IRQL: <= APC_LEVEL.
// Ownership: the buffer is gone.
// Rules: IRQL-001, and those of ExFreePool.
// Not modelled: a later use of a copy of the string.
// Reference: wdm/nf-wdm-rtlfreeunicodestring.
func RtlFreeUnicodeString(k *irql.K, unicodeString *UNICODE_STRING) {
	const d = ddi.RtlFreeUnicodeString
	ke.Enter(k, d)
	if unicodeString.block != nil {
		pool.Free(k, d, unicodeString.block, 0)
	} else if unicodeString.Buffer != nil {
		ke.Report(k, verify.Finding{Rule: verify.POOL_007, Obj: d.String(), BugCheck: 0xC2,
			AllowedIRQL: verify.AnyIRQL,
			Headline:    "RtlFreeUnicodeString on a string whose buffer no Rtl routine has allocated",
			Fix:         "free your own buffer in your own way."})
	}
	*unicodeString = UNICODE_STRING{}
}

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
