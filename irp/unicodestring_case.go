package irp

import (
	gounicode "unicode"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var siteUpcase = ke.Site{Name: "fault/RtlUpcaseUnicodeString", Alts: faultAlts, Spec: "irp.md 19.2"}

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
