package verify

import "strings"

// AnyIRQL as AllowedIRQL says that the act has no limit worth printing.
const AnyIRQL uint8 = 255

// Arg is one bug check parameter: what it means and its value as printed (an object id such as "irp#7", a
// number, a routine name). The zero Arg prints as 0.
type Arg struct {
	Value   string
	Meaning string
}

// Frame is one level of a call stack. File may hold a path; reports print its base name.
type Frame struct {
	Driver, Func, File string
	Line               int
}

// Place is a point of the run a finding refers to: the first completion, the allocation, the free.
type Place struct {
	Label string // words; reports print "first completion" as FIRST_COMPLETION
	Seq   uint64 // event number
	Time  int64  // virtual time, 100 ns units
	CPU   uint8
	IRQL  uint8
	Ctx   string // context name
	Event string // the event's line, already formatted
	Stack []Frame
}

// Finding is one broken rule at one place of one run.
type Finding struct {
	Rule     RuleID
	Case     string // which of the record's cases this is; empty: none of them
	As       RuleID // the more particular rule that the act is reported under; Rule is then one of Also
	Kind     string // in place of a rule, for what no catalogue has a number for: "data race"
	Headline string // after "file:line: IRP-001 irp/DoubleCompletion: "
	Text     string // paragraph below the title; when empty, the record's Why is used
	BugCheck uint32 // 0 = none; given only where no record says it
	Args     [4]Arg // Params gives the values, the record says what they mean
	Obj      string // object id the finding is about, "irp#7"
	Driver   string // driver image name
	CPU      uint8
	IRQL     uint8
	// AllowedIRQL is the highest level at which the act would have been allowed, or AnyIRQL. Zero counts as
	// a limit only for rules that claim something about PASSIVE_LEVEL, so that others may leave it out.
	AllowedIRQL uint8
	Ctx         string // context name: "work item 3 on thread 4.12"
	Time        int64  // virtual time, 100 ns units
	Seq         uint64 // event number
	Stack       []Frame
	Places      []Place
	Dump        []string // lines of !irp and the like
	Events      []string // LAST_EVENTS lines, already formatted
	Fix         string   // LIKELY_FIX; empty: that of the case, or else of the rule
	Blocked     []string // deadlock report lines
	At          string   // tells apart what has no source line of its own, for the duplicate check
	Also        []RuleID // more general rules the same act breaks (rules.md 12)
	Warning     bool     // this case is a hazard although the rule's heading says error (rules.md 1.1)
	Note        bool     // this case is a note although the rule's heading says more
	Error       bool     // this case is an error although the rule's heading says less
	PerPlace    bool     // told once for a line of the driver, whatever the object
	Survived    bool     // this case leaves a state to go on from although the rule is fatal
}

// Severity is that of the rule, or of the case where the rule names two.
func (f *Finding) Severity() Severity {
	switch {
	case f.Note:
		return Note
	case f.Error:
		return Error
	case f.Warning:
		return Warning
	case f.Rule == NoRule && f.Kind != "":
		return Error
	}
	return f.Rule.Severity()
}

// Fatal reports whether the act leaves no state to go on from (rules.md 1.1).
func (f *Finding) Fatal() bool {
	if f.Survived {
		return false
	}
	for _, more := range f.Also {
		if more.Fatal() {
			return true // the more specific name does not make the act survivable
		}
	}
	return f.Rule.Fatal()
}

// Name is the number of the rule, or the kind where no rule has one.
func (f *Finding) Name() string {
	if f.Rule == NoRule {
		return f.Kind
	}
	return f.Rule.String()
}

// Signature identifies a finding across runs: rule number, kind of object, driver and the functions of the
// stack. It holds no line numbers, ids or times, so that an edit elsewhere in the file does not change it.
func (f *Finding) Signature() string {
	var b strings.Builder
	kind, _, _ := strings.Cut(f.Obj, "#")
	b.WriteString(f.Name())
	b.WriteByte('|')
	b.WriteString(kind)
	b.WriteByte('|')
	b.WriteString(f.Driver)
	for i, s := range f.Stack {
		if i == 0 {
			b.WriteByte('|')
		} else {
			b.WriteString(" < ")
		}
		b.WriteString(s.Func)
	}
	return b.String()
}

// Group identifies a defect across runs: the rule, the driver and the driver's innermost function. One defect
// is met on many ways and with different objects; its Signature differs then.
func (f *Finding) Group() string {
	for _, s := range f.Stack {
		if s.Driver == f.Driver && s.Driver != "" {
			return f.Name() + "|" + f.Driver + "|" + s.Func
		}
	}
	if len(f.Stack) > 0 {
		return f.Name() + "|" + f.Driver + "|" + f.Stack[0].Func
	}
	kind, _, _ := strings.Cut(f.Obj, "#")
	return f.Name() + "|" + f.Driver + "|" + kind
}

// Place is the innermost frame that has a source line: of what happens now, or, where no driver code runs any
// more, of the first place the finding names, such as an allocation. A frame without a file: there is none.
func (f *Finding) Place() Frame {
	if s, ok := withSource(f.Stack); ok {
		return s
	}
	for _, p := range f.Places {
		if s, ok := withSource(p.Stack); ok {
			return s
		}
	}
	return Frame{}
}

func withSource(stack []Frame) (Frame, bool) {
	for _, s := range stack {
		if s.File != "" {
			return s, true
		}
	}
	return Frame{}, false
}
