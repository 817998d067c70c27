package irql

import (
	"fmt"
	"strings"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
)

// Filter levels of DbgPrintEx. They select no messages here: all are shown.
const (
	DPFLTR_ERROR_LEVEL   uint32 = 0
	DPFLTR_WARNING_LEVEL uint32 = 1
	DPFLTR_TRACE_LEVEL   uint32 = 2
	DPFLTR_INFO_LEVEL    uint32 = 3
)

// Components of DbgPrintEx that drivers use.
const (
	DPFLTR_IHVDRIVER_ID  uint32 = 77
	DPFLTR_IHVNETWORK_ID uint32 = 80
	DPFLTR_DEFAULT_ID    uint32 = 101
)

// DbgPrint sends a message to the debugger: here an event, and a line in the log of the test. The format is
// that of C; what its arguments are Go knows, so that lengths such as %lu and %I64x mean nothing more.
//
// IRQL: <= DIRQL; PASSIVE_LEVEL for the formats of Unicode text, %C, %S, %lc, %ls, %wc, %ws and %wZ.
// Ownership: none.
// Rules: IRQL-001.
// Not modelled: filters; the length limit of 512 bytes.
// Reference: wdm/nf-wdm-dbgprint.
func DbgPrint(k *K, format string, arguments ...any) uint32 {
	return print(k, ddi.DbgPrint, format, arguments)
}

// DbgPrintEx is DbgPrint for messages of a component and level.
//
// IRQL: <= DIRQL; PASSIVE_LEVEL for the formats of Unicode text.
// Ownership: none.
// Rules: IRQL-001.
// Not modelled: filters: componentId and level select nothing; the length limit of 512 bytes.
// Reference: wdm/nf-wdm-dbgprintex.
func DbgPrintEx(k *K, componentId, level uint32, format string, arguments ...any) uint32 {
	return print(k, ddi.DbgPrintEx, format, arguments)
}

// KdPrint is DbgPrint in checked builds, and nothing in others. The double parentheses of the macro are not
// needed.
//
// IRQL: as DbgPrint.
// Ownership: none.
// Rules: IRQL-001.
// Not modelled: filters.
// Reference: wdm/nf-wdm-kdprint.
func KdPrint(k *K, format string, arguments ...any) {
	if checkedBuild(k, ddi.KdPrint) {
		print(k, ddi.DbgPrint, format, arguments)
	}
}

// KdPrintEx is DbgPrintEx in checked builds, and nothing in others.
//
// IRQL: as DbgPrintEx.
// Ownership: none.
// Rules: IRQL-001.
// Not modelled: filters.
// Reference: wdm/nf-wdm-kdprintex.
func KdPrintEx(k *K, componentId, level uint32, format string, arguments ...any) {
	if checkedBuild(k, ddi.KdPrintEx) {
		print(k, ddi.DbgPrintEx, format, arguments)
	}
}

// checkedBuild enters a routine that exists in checked builds only, and says whether this is one.
func checkedBuild(k *K, d ddi.ID) bool {
	ke.Enter(k, d)
	return ke.Of(k).Config().Checked
}

func print(k *K, d ddi.ID, format string, arguments []any) uint32 {
	ke.Enter(k, d)
	if ke.IRQL(k) > ke.Passive && unicodeFormat(format) {
		ke.Report(k, verify.Finding{Rule: verify.IRQL_001, Case: "Unicode text", Obj: d.String(),
			AllowedIRQL: ke.Passive,
			Headline: fmt.Sprintf("%v with a format for Unicode text at %v: the conversion is pageable", d,
				KIRQL(ke.IRQL(k)))})
	}
	if shown := ke.Of(k).Config().Events != ke.Off; !shown && ke.Of(k).Print == nil {
		ke.Log(k, trace.Event{What: trace.Call, Code: d})
		return uint32(ntstatus.STATUS_SUCCESS)
	}
	text := strings.TrimRight(fmt.Sprintf(goFormat(format), arguments...), "\r\n")
	ke.Log(k, trace.Event{What: trace.Call, Code: d, Text: text})
	if show := ke.Of(k).Print; show != nil {
		show(k, text)
	}
	return uint32(ntstatus.STATUS_SUCCESS)
}

// unicodeFormat reports whether a format of C converts wide characters, or narrow ones to wide, which needs
// PASSIVE_LEVEL (W:nf-wdm-dbgprint).
func unicodeFormat(format string) bool {
	found := false
	eachVerb(format, func(flags, length string, verb byte) string {
		switch verb {
		case 'C', 'S':
			found = true
		case 'c', 's', 'Z':
			found = found || length == "l" || length == "w"
		}
		return ""
	})
	return found
}

// goFormat makes a format of package fmt from one of C.
func goFormat(format string) string {
	return eachVerb(format, func(flags, length string, verb byte) string {
		switch verb {
		case '%':
			return "%%"
		case 'i', 'u', 'd':
			return "%" + flags + "d"
		case 'p':
			return "%" + flags + "v"
		case 'S', 'Z', 's':
			return "%" + flags + "v"
		case 'C':
			return "%" + flags + "c"
		}
		return "%" + flags + string(verb)
	})
}

// eachVerb replaces each conversion of a format of C by what fn makes of it.
func eachVerb(format string, fn func(flags, length string, verb byte) string) string {
	var out strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			out.WriteByte(format[i])
			continue
		}
		start := i + 1
		for i++; i < len(format) && strings.IndexByte("-+ #0123456789.*", format[i]) >= 0; i++ {
		}
		flags := format[start:i]
		start = i
		if rest := format[i:]; strings.HasPrefix(rest, "I64") || strings.HasPrefix(rest, "I32") {
			i += 3
		}
		for ; i < len(format) && strings.IndexByte("lhwzjtI", format[i]) >= 0; i++ {
		}
		if i < len(format) {
			out.WriteString(fn(flags, format[start:i], format[i]))
		}
	}
	return out.String()
}
