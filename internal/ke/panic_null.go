package ke

import (
	"fmt"
	"runtime"
	"strings"

	"calloutsim/internal/ddi"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// NullDereference is the kind of the finding about a driver that dereferences NULL, or hands it to a routine
// that does, below DISPATCH_LEVEL; from there on it is IRQL-008. No catalogue has a number for it.
const NullDereference = "NULL dereference"

// nullDereferenced makes a finding of a panic that stands for an access through NULL: in the driver's own
// code, in a method that is a member access in C, or in a routine that was given NULL, or an object that no
// routine ever made, for what it needs. It is the driver's act at the driver's line wherever Go notices it.
// Where no driver is on the stack it is not, and what the simulator does on its own account stays a fault of
// the simulator. A program's is no matter of the kernel.
func nullDereferenced(k *K, value any) (verify.Finding, bool) {
	err, isError := value.(runtime.Error)
	overrun := isError && strings.Contains(err.Error(), "out of range")
	if !isError || !overrun && !isNull(err.Error()) {
		return verify.Finding{}, false
	}
	top := Top(k)
	if top == nil || top.Kind == FrameUser {
		return verify.Finding{}, false
	}
	var pcs [64]uintptr
	st, ours := panicFrames(pcs[:runtime.Callers(3, pcs[:])])
	missing := ours == len(st) // nobody of a driver is on the stack
	if missing && (top.Fn != 0 || top.Image == nil || top.Kind == FrameSystem) {
		return verify.Finding{}, false
	}
	// The routines of ws2def have no K to report with; all they index is what the driver gave them.
	if overrun && (ours == 0 || !strings.HasPrefix(st[0].Func, "ws2def.")) {
		return verify.Finding{}, false
	}
	f := verify.Finding{Kind: NullDereference, AllowedIRQL: verify.AnyIRQL,
		Fix: "check for NULL where the pointer comes from, and initialise every object before its first use."}
	system := false // the instruction is one of the system's
	at := "?"
	switch {
	case missing:
		f.Headline = fmt.Sprintf("the %v routine that the system is to call is NULL", top.Kind)
		f.Fix = "set every routine that can be called."
		f.Places = k.m.whereMade(top.Obj)
		at = "0x0"
	case ours == 0:
		f.Headline, at = "NULL is dereferenced", place(st[0])
	default:
		n := ours - 1
		for n > 0 && strings.HasPrefix(st[n].Func, "reflect.") {
			n-- // the driver calls through package reflect
		}
		name := st[n].Func
		name = name[strings.LastIndexByte(name, '/')+1:]
		system = !strings.Contains(name, "(*") // a method stands for the driver's own access
		_, short, _ := strings.Cut(name, ".")
		short, _, _ = strings.Cut(short, "[")
		short, _, _ = strings.Cut(short, ".func")
		if strings.HasPrefix(short, "wsk") {
			short = "W" + short[1:] // a routine of a dispatch table has the name of its member
		}
		f.Headline = short + " is given NULL, or what was never initialised, and dereferences it"
		if overrun {
			f.Headline = short + " is given NULL, or less memory than it uses"
		}
		if !system {
			f.Headline = "NULL, or an object that was never initialised, is dereferenced: " + short
		}
		at = short
		if !system {
			at = place(st[ours])
		}
	}
	nullBugCheck(k, &f, at, system)
	return f, true
}

// whereMade is the place of the first event that is about an object: who made it left the routine out.
func (m *Machine) whereMade(id trace.ID) []verify.Place {
	for seq := m.log.First(); id != 0 && seq <= m.log.Len(); seq++ {
		if m.log.At(seq).Obj == id {
			return []verify.Place{{Label: "FIRST_SEEN", Seq: seq}}
		}
	}
	return nil
}

// isNull reports whether a run-time error of Go is an access through NULL. A conversion of a PVOID that is
// NULL is none in C, but what it is made for is: context.(*T) stands for the first use of the context.
func isNull(err string) bool {
	return strings.Contains(err, "nil pointer dereference") || strings.Contains(err, " is nil, not *")
}

// Null is a finding about a routine that was given NULL, or less memory than it was told of, for what it
// needs, reported where the routine notices. It does not return.
func Null(k *K, d ddi.ID, what string) {
	f := verify.Finding{Kind: NullDereference, AllowedIRQL: verify.AnyIRQL, Obj: d.String(),
		Headline: d.String() + " is given " + what,
		Fix:      "check for NULL where the pointer comes from, and pass the length that is there."}
	nullBugCheck(k, &f, d.String(), true)
	BugCheck(k, f)
}

func place(f verify.Frame) string { return fmt.Sprintf("%s:%d", f.File, f.Line) }

// nullBugCheck says what Windows shows. At DISPATCH_LEVEL and above the fault cannot be resolved at all (rule
// IRQL-008); below it is an access violation that nobody handles.
func nullBugCheck(k *K, f *verify.Finding, at string, system bool) {
	if k.irql >= Dispatch {
		f.Rule, f.Kind, f.BugCheck = verify.IRQL_008, "", 0xD1
		if system {
			f.BugCheck = 0xA
		}
		f.Args = [4]verify.Arg{{Value: "0x0", Meaning: "address referenced"},
			{Value: fmt.Sprint(k.irql), Meaning: "IRQL"},
			{Value: "?", Meaning: "0 read, 1 write, 8 execute: not known here"},
			{Value: at, Meaning: "code address"}}
		return
	}
	f.BugCheck = 0x1E
	f.Text = "Nothing is mapped at address 0, and nobody handles the exception. Where the routine runs in " +
		"a system thread Windows shows it as 0x7E, in code reached from a system call as 0x3B."
	f.Args = [4]verify.Arg{{Value: "0xc0000005", Meaning: "STATUS_ACCESS_VIOLATION"},
		{Value: at, Meaning: "code address"},
		{Value: "?", Meaning: "0 read, 1 write, 8 execute: not known here"},
		{Value: "0x0", Meaning: "address referenced"}}
}
