// Package ntstatus holds the kernel's status codes.
//
// Modelled: the type, every STATUS_*, DBG_* and RPC_NT_* constant of the shared table, the four NT_* tests,
// the fields packed into a code, and the translation to Win32 errors. Not modelled: message text as Windows
// prints it; Message gives ours. The package lies below everything else and imports nothing of this module,
// so RtlNtStatusToDosError takes no K and its IRQL limit is not checked.
//
// NTSTATUS deliberately is not an error: most non-zero values are not failures, and STATUS_PENDING is neither
// success in the ordinary sense nor failure.
package ntstatus

//go:generate go run gen.go

// NTSTATUS is the result of a kernel routine. The zero value is STATUS_SUCCESS; values compare with ==.
//
// Bits 31..30 hold the severity, bit 29 marks codes that are not Microsoft's, bits 27..16 hold the facility
// and bits 15..0 the code proper.
type NTSTATUS uint32

// Severity is the top two bits of a status.
type Severity uint8

// The four severities, in the order of their bit patterns.
const (
	SeveritySuccess Severity = iota
	SeverityInformational
	SeverityWarning
	SeverityError
)

// ERROR_MR_MID_NOT_FOUND is the Win32 error that stands for every status without a translation.
const ERROR_MR_MID_NOT_FOUND uint32 = 317

// Bits of a status that RtlNtStatusToDosError looks at.
const (
	customerBit  = 0x20000000
	reservedBit  = 0x10000000
	topNibble    = 0xF0000000
	facilityMask = 0x0FFF
)

// NT_SUCCESS reports whether status is a success or informational value. STATUS_PENDING is one.
//
// IRQL: any level.
// Reference: kernel/using-ntstatus-values.
func NT_SUCCESS(status NTSTATUS) bool { return int32(status) >= 0 }

// NT_INFORMATION reports whether status is informational (0x40000000 to 0x7FFFFFFF).
//
// IRQL: any level.
// Reference: kernel/using-ntstatus-values.
func NT_INFORMATION(status NTSTATUS) bool { return status>>30 == NTSTATUS(SeverityInformational) }

// NT_WARNING reports whether status is a warning (0x80000000 to 0xBFFFFFFF). A warning fails NT_SUCCESS and
// yet may come with data, as STATUS_BUFFER_OVERFLOW does.
//
// IRQL: any level.
// Reference: kernel/using-ntstatus-values.
func NT_WARNING(status NTSTATUS) bool { return status>>30 == NTSTATUS(SeverityWarning) }

// NT_ERROR reports whether status is an error (0xC0000000 and above).
//
// IRQL: any level.
// Reference: kernel/using-ntstatus-values.
func NT_ERROR(status NTSTATUS) bool { return status>>30 == NTSTATUS(SeverityError) }

// String gives the canonical constant name; an alias such as STATUS_WAIT_0 prints as the name it stands for.
// It allocates nothing for known values; unknown ones print as NTSTATUS(0xE0001234).
func (s NTSTATUS) String() string {
	if i := find(s); i >= 0 {
		return table[i].name
	}
	return "NTSTATUS(0x" + hex8(uint32(s)) + ")"
}

// Severity gives the top two bits.
func (s NTSTATUS) Severity() Severity { return Severity(s >> 30) }

// Customer reports whether the code was defined by somebody other than Microsoft.
func (s NTSTATUS) Customer() bool { return s&customerBit != 0 }

// Facility gives the number of the component that owns the code; FacilityName names it.
func (s NTSTATUS) Facility() uint16 { return uint16(s>>16) & facilityMask }

// Code gives the low 16 bits, which are unique within one facility and severity.
func (s NTSTATUS) Code() uint16 { return uint16(s) }

// Known reports whether the table has a name for s.
func (s NTSTATUS) Known() bool { return find(s) >= 0 }

// String gives the word the status tables use for the severity.
func (v Severity) String() string {
	switch v {
	case SeveritySuccess:
		return "SUCCESS"
	case SeverityInformational:
		return "INFORMATIONAL"
	case SeverityWarning:
		return "WARNING"
	}
	return "ERROR"
}

// FacilityName names a facility as the headers do, without the FACILITY_ prefix; unknown numbers give "".
func FacilityName(facility uint16) string { return facilityName(facility) }

// Message says in our words what a status means; "" for unknown values. Aliases share the text of their
// canonical name.
func Message(status NTSTATUS) string {
	if i := find(status); i >= 0 {
		return table[i].message
	}
	return ""
}

// RtlNtStatusToDosError translates a status into the Win32 error that a program sees from GetLastError.
//
// IRQL: <= APC_LEVEL on Windows; not checked here, because this package lies below K.
// Not modelled: the side effect of storing the status in the thread's environment block.
// Reference: ntifs/nf-ntifs-rtlntstatustodoserror;
// the treatment of codes outside the table follows wine-mirror/wine: dlls/ntdll/error.c.
func RtlNtStatusToDosError(status NTSTATUS) uint32 {
	if status&customerBit != 0 {
		return uint32(status) // an application's own code travels unchanged
	}
	if status&topNibble == topNibble&^customerBit {
		status &^= reservedBit // 0xD.......: an NTSTATUS that was wrapped as HRESULT
	}
	if i := find(status); i >= 0 {
		return table[i].win32
	}
	if hi := status >> 16; hi == 0xC001 || hi == 0x8007 {
		return uint32(status & 0xFFFF) // already carries a Win32 error in its low half
	}
	return ERROR_MR_MID_NOT_FOUND
}

// Win32ErrorName names a Win32 error that some status translates to; "" for all others.
func Win32ErrorName(code uint32) string {
	lo, hi := 0, len(win32Names)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if win32Names[mid].code < code {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(win32Names) && win32Names[lo].code == code {
		return win32Names[lo].name
	}
	return ""
}

// info is one canonical status. Invariant: table is sorted by value and holds each value once.
type info struct {
	value   NTSTATUS
	win32   uint32
	name    string
	message string
}

// win32Name is one Win32 error. Invariant: win32Names is sorted by code and holds each code once.
type win32Name struct {
	code uint32
	name string
}

// find gives the index of s in table, or -1. It is written out, because sort.Search would take a closure and
// this runs for every status that is printed or traced.
func find(s NTSTATUS) int {
	lo, hi := 0, len(table)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if table[mid].value < s {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(table) && table[lo].value == s {
		return lo
	}
	return -1
}

// hex8 prints v with eight upper-case hexadecimal digits.
func hex8(v uint32) string {
	const digits = "0123456789ABCDEF"
	var b [8]byte
	for i := range b {
		b[i] = digits[v>>(28-4*i)&0xF]
	}
	return string(b[:])
}
