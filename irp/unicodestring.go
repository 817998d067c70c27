package irp

import (
	"fmt"
	gounicode "unicode"
	"unicode/utf16"
	"unicode/utf8"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
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
	return s.Buffer[:min(int(s.Length/2), len(s.Buffer))]
}

// source reports POOL-011 for a string that is longer than its buffer, and gives its text.
func (s *UNICODE_STRING) source(k *irql.K, d ddi.ID) []uint16 {
	if s != nil && int(s.Length/2) > len(s.Buffer) {
		s.beyond(k, d, "Length", s.Length)
	}
	return s.units()
}

// destination is source for a string with room for more. It gives how many characters there is room for.
func (s *UNICODE_STRING) destination(k *irql.K, d ddi.ID) int {
	if int(s.MaximumLength/2) > len(s.Buffer) {
		s.beyond(k, d, "MaximumLength", s.MaximumLength)
	}
	return min(int(s.MaximumLength/2), len(s.Buffer))
}

func (s *UNICODE_STRING) beyond(k *irql.K, d ddi.ID, member string, n uint16) {
	ke.Report(k, verify.Finding{Rule: verify.POOL_011, Case: "UNICODE_STRING", Obj: d.String(),
		AllowedIRQL: verify.AnyIRQL,
		Headline: fmt.Sprintf("%v with a UNICODE_STRING whose %s is %d, of a buffer of %d bytes", d, member,
			n, 2*len(s.Buffer))})
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
// IRQL: any, for text that is not pageable.
// Ownership: the text must stay as long as the string is used.
// Rules: none.
// Not modelled: pageable text; NULL.
// Reference: wdm/nf-wdm-rtlinitunicodestring.
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
// IRQL: any.
// Ownership: the buffer must stay as long as the string is used.
// Rules: none.
// Reference: wdm/nf-wdm-rtlinitemptyunicodestring.
func RtlInitEmptyUnicodeString(k *irql.K, unicodeString *UNICODE_STRING, buffer []uint16,
	bufferSize uint16) {
	ke.Enter(k, ddi.RtlInitEmptyUnicodeString)
	*unicodeString = UNICODE_STRING{MaximumLength: bufferSize, Buffer: buffer}
}

// RtlCopyUnicodeString copies as much of a text as there is room for, and a zero behind it if that fits, too.
// A nil source is an empty text.
//
// IRQL: any, for text that is not pageable.
// Ownership: none.
// Rules: POOL-011.
// Not modelled: pageable text.
// Reference: wdm/nf-wdm-rtlcopyunicodestring.
func RtlCopyUnicodeString(k *irql.K, destinationString, sourceString *UNICODE_STRING) {
	ke.Enter(k, ddi.RtlCopyUnicodeString)
	d, u := destinationString, sourceString.source(k, ddi.RtlCopyUnicodeString)
	n := min(len(u), d.destination(k, ddi.RtlCopyUnicodeString))
	d.Length = 0
	d.add(u[:n])
}

// add appends text, for which there is room, and a zero if that fits, too.
func (s *UNICODE_STRING) add(u []uint16) {
	at := int(s.Length / 2)
	copy(s.Buffer[at:at+len(u)], u)
	s.Length += uint16(2 * len(u))
	if at += len(u); s.Length+1 < s.MaximumLength && at < len(s.Buffer) {
		s.Buffer[at] = 0
	}
}

// appends is add for text that may be too long.
func (s *UNICODE_STRING) appends(k *irql.K, d ddi.ID, u []uint16) ntstatus.NTSTATUS {
	if int(s.Length/2)+len(u) > s.destination(k, d) {
		return ntstatus.STATUS_BUFFER_TOO_SMALL
	}
	s.add(u)
	return ntstatus.STATUS_SUCCESS
}

// RtlAppendUnicodeToString appends a text that ends with a zero. STATUS_BUFFER_TOO_SMALL: there is no room,
// and nothing was appended.
//
// IRQL: not stated; PASSIVE_LEVEL for pageable text.
// Ownership: none.
// Rules: POOL-011.
// Not modelled: pageable text; NULL.
// Reference: wdm/nf-wdm-rtlappendunicodetostring.
func RtlAppendUnicodeToString(k *irql.K, destination *UNICODE_STRING, source string) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.RtlAppendUnicodeToString)
	return destination.appends(k, ddi.RtlAppendUnicodeToString, utf16.Encode([]rune(source)))
}

// RtlAppendUnicodeStringToString appends a string to another one. STATUS_BUFFER_TOO_SMALL: there is no room,
// and nothing was appended.
//
// IRQL: not stated; PASSIVE_LEVEL for pageable text.
// Ownership: none.
// Rules: POOL-011.
// Not modelled: pageable text.
// Reference: wdm/nf-wdm-rtlappendunicodestringtostring.
func RtlAppendUnicodeStringToString(k *irql.K, destination, source *UNICODE_STRING) ntstatus.NTSTATUS {
	const d = ddi.RtlAppendUnicodeStringToString
	ke.Enter(k, d)
	return destination.appends(k, d, source.source(k, d))
}

// RtlCompareUnicodeString compares two strings: negative, 0 or positive as the first one is less, equal or
// greater.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: none.
// Rules: IRQL-001, POOL-011.
// Not modelled: the tables of the system's language.
// Reference: wdm/nf-wdm-rtlcompareunicodestring.
func RtlCompareUnicodeString(k *irql.K, string1, string2 *UNICODE_STRING, caseInSensitive bool) int32 {
	const d = ddi.RtlCompareUnicodeString
	ke.Enter(k, d)
	a, b := string1.source(k, d), string2.source(k, d)
	for i := range min(len(a), len(b)) {
		if x, y := folded(a[i], caseInSensitive), folded(b[i], caseInSensitive); x != y {
			return int32(x) - int32(y)
		}
	}
	return int32(len(a)) - int32(len(b))
}

// RtlEqualUnicodeString says whether two strings are equal.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: none.
// Rules: IRQL-001, POOL-011.
// Not modelled: the tables of the system's language.
// Reference: wdm/nf-wdm-rtlequalunicodestring.
func RtlEqualUnicodeString(k *irql.K, string1, string2 *UNICODE_STRING, caseInSensitive bool) bool {
	const d = ddi.RtlEqualUnicodeString
	ke.Enter(k, d)
	a, b := string1.source(k, d), string2.source(k, d)
	return len(a) == len(b) && begins(a, b, caseInSensitive)
}

// RtlPrefixUnicodeString says whether the second string begins with the first one.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: none.
// Rules: IRQL-001, POOL-011.
// Not modelled: the tables of the system's language.
// Reference: ntddk/nf-ntddk-rtlprefixunicodestring.
func RtlPrefixUnicodeString(k *irql.K, string1, string2 *UNICODE_STRING, caseInSensitive bool) bool {
	const d = ddi.RtlPrefixUnicodeString
	ke.Enter(k, d)
	return begins(string1.source(k, d), string2.source(k, d), caseInSensitive)
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
		ke.Report(k, verify.Finding{Rule: verify.POOL_007, Case: "string of the driver", Obj: d.String(),
			AllowedIRQL: verify.AnyIRQL,
			Headline:    "RtlFreeUnicodeString on a string whose buffer no Rtl routine has allocated"})
	}
	*unicodeString = UNICODE_STRING{}
}
