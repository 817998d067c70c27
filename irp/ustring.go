package irp

import (
	"unicode/utf16"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// UNICODE_STRING is counted text: Length and MaximumLength are bytes, and there need be no zero behind it.
// Buffer is memory of the driver. The zero UNICODE_STRING is empty and has no room.
//
// A PCWSTR, text that ends with a zero, is a Go string here, which cannot be NULL: the empty string stands
// for both.
type UNICODE_STRING struct {
	Length        uint16
	MaximumLength uint16
	Buffer        []uint16

	block *Buffer // the pool behind it, where an Rtl routine has allocated it
}

// maxUnicode is the longest text in bytes: what is even and fits with its zero.
const maxUnicode = 0xFFFC

// String gives the text.
func (s *UNICODE_STRING) String() string { return string(utf16.Decode(s.units())) }

// units is the text without what lies behind it.
func (s *UNICODE_STRING) units() []uint16 {
	if s == nil {
		return nil
	}
	return s.Buffer[:s.Length/2]
}

// unicode makes a string of the system's.
func unicode(text string) *UNICODE_STRING {
	s := &UNICODE_STRING{}
	s.set(text)
	return s
}

// set makes s refer to a text, cut off where it is too long, with a zero behind it.
func (s *UNICODE_STRING) set(text string) {
	u := utf16.Encode([]rune(text))
	u = u[:min(len(u), maxUnicode/2)]
	*s = UNICODE_STRING{Length: uint16(2 * len(u)), MaximumLength: uint16(2*len(u) + 2), Buffer: append(u, 0)}
}

// RtlInitUnicodeString makes a string refer to a text that ends with a zero.
//
// IRQL: any, for text that is not pageable. Ownership: the text must stay as long as the string is used.
// Rules: none. Not modelled: pageable text; NULL. Reference: wdm/nf-wdm-rtlinitunicodestring.
func RtlInitUnicodeString(k *irql.K, destinationString *UNICODE_STRING, sourceString string) {
	ke.Enter(k, ddi.RtlInitUnicodeString)
	if sourceString == "" {
		*destinationString = UNICODE_STRING{}
		return
	}
	destinationString.set(sourceString)
}

// RtlInitEmptyUnicodeString gives a string without text a buffer of bufferSize bytes.
//
// IRQL: any. Ownership: the buffer must stay as long as the string is used. Rules: none. Reference:
// wdm/nf-wdm-rtlinitemptyunicodestring.
func RtlInitEmptyUnicodeString(k *irql.K, unicodeString *UNICODE_STRING, buffer []uint16,
	bufferSize uint16) {
	ke.Enter(k, ddi.RtlInitEmptyUnicodeString)
	*unicodeString = UNICODE_STRING{MaximumLength: bufferSize, Buffer: buffer}
}

// RtlCopyUnicodeString copies as much of a text as there is room for, and a zero behind it if that fits, too.
// A nil source is an empty text.
//
// IRQL: any, for text that is not pageable. Ownership: none. Rules: none. Not modelled: pageable text.
// Reference: wdm/nf-wdm-rtlcopyunicodestring.
func RtlCopyUnicodeString(k *irql.K, destinationString, sourceString *UNICODE_STRING) {
	ke.Enter(k, ddi.RtlCopyUnicodeString)
	d, u := destinationString, sourceString.units()
	n := min(len(u), int(d.MaximumLength/2))
	d.Length = 0
	d.add(u[:n])
}

// add appends text, for which there is room, and a zero if that fits, too.
func (s *UNICODE_STRING) add(u []uint16) {
	at := int(s.Length / 2)
	copy(s.Buffer[at:at+len(u)], u)
	s.Length += uint16(2 * len(u))
	if s.Length+1 < s.MaximumLength {
		s.Buffer[at+len(u)] = 0
	}
}

// appends is add for text that may be too long.
func (s *UNICODE_STRING) appends(u []uint16) ntstatus.NTSTATUS {
	if int(s.Length)+2*len(u) > int(s.MaximumLength) {
		return ntstatus.STATUS_BUFFER_TOO_SMALL
	}
	s.add(u)
	return ntstatus.STATUS_SUCCESS
}

// RtlAppendUnicodeToString appends a text that ends with a zero. STATUS_BUFFER_TOO_SMALL: there is no room,
// and nothing was appended.
//
// IRQL: not stated; PASSIVE_LEVEL for pageable text. Ownership: none. Rules: none. Not modelled: pageable
// text; NULL. Reference: wdm/nf-wdm-rtlappendunicodetostring.
func RtlAppendUnicodeToString(k *irql.K, destination *UNICODE_STRING, source string) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.RtlAppendUnicodeToString)
	return destination.appends(utf16.Encode([]rune(source)))
}

// RtlAppendUnicodeStringToString appends a string to another one. STATUS_BUFFER_TOO_SMALL: there is no room,
// and nothing was appended.
//
// IRQL: not stated; PASSIVE_LEVEL for pageable text. Ownership: none. Rules: none. Not modelled: pageable
// text. Reference: wdm/nf-wdm-rtlappendunicodestringtostring.
func RtlAppendUnicodeStringToString(k *irql.K, destination, source *UNICODE_STRING) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.RtlAppendUnicodeStringToString)
	return destination.appends(source.units())
}

// RtlCompareUnicodeString compares two strings: negative, 0 or positive as the first one is less, equal or
// greater.
//
// IRQL: PASSIVE_LEVEL. Ownership: none. Rules: IRQL-001. Not modelled: the tables of the system's language.
// Reference: wdm/nf-wdm-rtlcompareunicodestring.
func RtlCompareUnicodeString(k *irql.K, string1, string2 *UNICODE_STRING, caseInSensitive bool) int32 {
	ke.Enter(k, ddi.RtlCompareUnicodeString)
	a, b := string1.units(), string2.units()
	for i := range min(len(a), len(b)) {
		if x, y := folded(a[i], caseInSensitive), folded(b[i], caseInSensitive); x != y {
			return int32(x) - int32(y)
		}
	}
	return int32(len(a)) - int32(len(b))
}

// RtlEqualUnicodeString says whether two strings are equal.
//
// IRQL: PASSIVE_LEVEL. Ownership: none. Rules: IRQL-001. Not modelled: the tables of the system's language.
// Reference: wdm/nf-wdm-rtlequalunicodestring.
func RtlEqualUnicodeString(k *irql.K, string1, string2 *UNICODE_STRING, caseInSensitive bool) bool {
	ke.Enter(k, ddi.RtlEqualUnicodeString)
	return string1.Length == string2.Length && begins(string1.units(), string2.units(), caseInSensitive)
}

// RtlPrefixUnicodeString says whether the second string begins with the first one.
//
// IRQL: PASSIVE_LEVEL. Ownership: none. Rules: IRQL-001. Not modelled: the tables of the system's language.
// Reference: ntddk/nf-ntddk-rtlprefixunicodestring.
func RtlPrefixUnicodeString(k *irql.K, string1, string2 *UNICODE_STRING, caseInSensitive bool) bool {
	ke.Enter(k, ddi.RtlPrefixUnicodeString)
	return begins(string1.units(), string2.units(), caseInSensitive)
}

func begins(with, u []uint16, fold bool) bool {
	if len(u) < len(with) {
		return false
	}
	for i := range with {
		if folded(with[i], fold) != folded(u[i], fold) {
			return false
		}
	}
	return true
}
