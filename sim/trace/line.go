// Package trace turns the events of a run into text: one line per event, a timeline with one lane per
// context, and one JSON object per line for programs.
//
// Modelled: the line forms of ux.md 3, the lanes of scheduling.md 15, trace.jsonl of ux.md 5. Everything is
// made from what the run recorded, afterwards, so that printing cannot change a run. Not modelled: where
// the names of contexts, drivers and routines come from; whoever has the machine supplies them as Names.
package trace

import (
	"fmt"
	"strconv"
	"strings"

	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
)

// Names tells what the numbers in events stand for. The zero Names prints numbers; a nil function is not
// asked.
type Names struct {
	Start   int64                   // virtual time of the start of the run; times are printed relative to it
	Context func(num uint16) string // name of a context
	Driver  func(num uint16) string // name of a driver image
	Func    func(pc uintptr) string // name of a routine from its code address
	Rule    func(id uint64) string  // number of a rule, "IRP-001"
	Source  func(seq uint64) string // "redir.go:88", where an event was caused
	Remark  func(seq uint64) string // behind a switch: the choice that made it
	Marks   func(seq uint64) string // behind an event a finding refers to: "first completion"
}

// context names context num, or prints its number. What happens between contexts is the machine's own.
func (n *Names) context(num uint16) string {
	if num == 0 {
		return "machine"
	}
	if n.Context != nil {
		if s := n.Context(num); s != "" {
			return s
		}
	}
	return "context " + strconv.Itoa(int(num))
}

// driver names a driver image; the system has none.
func (n *Names) driver(num uint16) string {
	if num == 0 || n.Driver == nil {
		return ""
	}
	return n.Driver(num)
}

// routine names a routine, "" when the event has none.
func (n *Names) routine(pc uintptr) string {
	if pc == 0 || n.Func == nil {
		return ""
	}
	return n.Func(pc)
}

// rule gives the number of the rule a finding is about.
func (n *Names) rule(id uint64) string {
	if n.Rule == nil {
		return "rule " + strconv.FormatUint(id, 10)
	}
	return n.Rule(id)
}

func ask(f func(uint64) string, seq uint64) string {
	if f == nil {
		return ""
	}
	return f(seq)
}

// Line prints one event without its place and time: "IoCallDriver(dev#1, irp#2) STATUS_PENDING".
func Line(e *trace.Event, n *Names) string {
	switch e.What {
	case trace.Call:
		s := e.Code.String()
		if e.Code == 0 {
			s = "local variable" // no routine makes it
		}
		s += "(" + strings.Join(values(e, n), ", ") + ")"
		if e.Text != "" {
			s += " " + e.Text
		}
		return s + status(e)
	case trace.Return:
		return e.Code.String() + " returns" + status(e)
	case trace.Enter:
		return role(e) + " " + callback(e, n) + " {"
	case trace.Leave:
		return "}" + status(e)
	case trace.Finding:
		return n.rule(e.A)
	case trace.Switch:
		return n.context(e.Ctx) + " goes on"
	case trace.Clock:
		return "time passes"
	case trace.Wake:
		return subject(e, n) + " may go on" + status(e)
	case trace.Start:
		return subject(e, n) + " starts"
	case trace.End:
		return subject(e, n) + " ends"
	}
	return strings.TrimSpace(e.Text+" "+strings.Join(values(e, n), ", ")) + status(e)
}

// subject names the thread an event is about.
func subject(e *trace.Event, n *Names) string {
	if e.Obj != 0 {
		return e.Obj.String()
	}
	return n.context(e.Ctx)
}

// role is what sort of callback was entered.
func role(e *trace.Event) string {
	if e.Text == "" {
		return "callback"
	}
	return e.Text
}

// callback prints the routine and what it was called for.
func callback(e *trace.Event, n *Names) string {
	fn := n.routine(e.Fn)
	if e.Obj == 0 {
		return fn + "()"
	}
	return fn + "(" + e.Obj.String() + ")"
}

// values are the objects and numbers of an event, as a call's arguments are printed.
func values(e *trace.Event, n *Names) []string {
	var v []string
	if e.Obj != 0 {
		v = append(v, e.Obj.String())
	}
	if e.Obj2 != 0 {
		v = append(v, e.Obj2.String())
	}
	if fn := n.routine(e.Fn); fn != "" {
		v = append(v, fn)
	}
	if e.Flags&trace.HasA != 0 {
		v = append(v, number(e.A, e.Flags&trace.HexA != 0))
	}
	if e.Flags&trace.HasB != 0 {
		v = append(v, number(e.B, e.Flags&trace.HexB != 0))
	}
	return v
}

func number(v uint64, hex bool) string {
	if hex {
		return "0x" + strconv.FormatUint(v, 16)
	}
	return strconv.FormatInt(int64(v), 10)
}

// status prints the status with a space before it, "" when the event has none.
func status(e *trace.Event) string {
	switch {
	case e.Flags&trace.HasStatus == 0:
		return ""
	case e.Flags&trace.IsBool != 0 && e.Status == 0:
		return " FALSE"
	case e.Flags&trace.IsBool != 0:
		return " TRUE"
	}
	return " " + ntstatus.NTSTATUS(e.Status).String()
}

// When prints virtual time since the start of the run in milliseconds: "+1.250ms", with a fourth digit only
// for odd hundreds of nanoseconds.
func When(ticks int64) string {
	if ticks%10 != 0 {
		return fmt.Sprintf("+%d.%04dms", ticks/10_000, ticks%10_000)
	}
	return fmt.Sprintf("+%d.%03dms", ticks/10_000, ticks%10_000/10)
}

// Full prints one event with number, time, processor, IRQL and driver, as reports list events:
// "#397 +1.200ms cpu1 0  redir.sys  IoCompleteRequest(irp#7) STATUS_CANCELLED".
func Full(seq uint64, e *trace.Event, n *Names) string {
	who := n.driver(e.Driver)
	if who == "" {
		who = n.context(e.Ctx)
	}
	return fmt.Sprintf("#%d %s cpu%d %d  %s  %s", seq, When(e.Time-n.Start), e.CPU, e.IRQL, who, Line(e, n))
}
