package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Record is a rule: what the package that owns it says, joined by its number with what the catalogue says
// (Severity, Fatal, Row). Whoever reports a finding names the rule and adds what only this case knows.
type Record struct {
	ID       RuleID
	Name     string    // without package: "DoubleCompletion"
	Package  string    // "irp"
	BugCheck uint32    // what Windows or Driver Verifier stops with
	Args     [4]string // what its parameters mean; "0x203: a meaning" where the value is fixed
	Why      string    // why Windows cares, and what happens without the verifier
	Fix      string    // what to add, move or remove, where no case says something more particular
	Cases    []Case

	Alias          RuleID // non-zero: this number is reported as another
	ByConstruction string // non-empty: which signature makes it impossible, or what makes its assumption fail
	Extension      bool   // ours: no catalogue of Microsoft has it
}

// Case is a cause for which the likely fix, or what Windows says, is another than the record's. What it
// leaves out is as in the record.
type Case struct {
	Name     string // "in a DPC"
	BugCheck uint32 // NoBugCheck: Windows says nothing in this case
	Args     [4]string
	Fix      string
}

// NoBugCheck as Case.BugCheck says that the bug check of the record does not belong to the case.
const NoBugCheck uint32 = 1<<32 - 1

// FullName gives "irp/DoubleCompletion"; "" while the record has no name.
func (r *Record) FullName() string {
	if r.Name == "" || r.Package == "" {
		return r.Name
	}
	return r.Package + "/" + r.Name
}

// SubCode is the first parameter of the bug check, where it is the same each time; otherwise 0.
func (r *Record) SubCode() uint32 {
	value, _ := parameter(r.Args[0])
	sub, _ := strconv.ParseUint(value, 0, 32) // 0 where there is none
	return uint32(sub)
}

// Fill puts into a finding of the rule what the record, or its case, says and the finding does not: but for
// the likely fix of the record, since the finding may still become one of a more particular rule (Finish).
func (r *Record) Fill(f *Finding) {
	c := r.find(f.Case)
	switch {
	case c.BugCheck == NoBugCheck:
		f.BugCheck, f.Args = 0, [4]Arg{}
	case f.BugCheck == 0:
		f.BugCheck = c.BugCheck
	}
	if f.BugCheck == c.BugCheck {
		given := f.Args != [4]Arg{}
		for i := range f.Args {
			if i == 0 || given {
				fillArg(&f.Args[i], c.Args[i])
			}
		}
	}
	if f.Fix == "" && f.Case != "" {
		f.Fix = c.Fix
	}
}

// Finish is Fill for a finding that is not going to change any more.
func (r *Record) Finish(f *Finding) {
	r.Fill(f)
	f.Fix = cmp.Or(f.Fix, r.Fix)
}

// find gives the case of that name with what it leaves out; "" is the rule itself.
func (r *Record) find(name string) Case {
	whole := Case{BugCheck: r.BugCheck, Args: r.Args, Fix: r.Fix}
	if name == "" {
		return whole
	}
	for _, c := range r.Cases {
		if c.Name != name {
			continue
		}
		if c.BugCheck == 0 || c.BugCheck == r.BugCheck {
			c.BugCheck = r.BugCheck
			for i := range c.Args {
				c.Args[i] = cmp.Or(c.Args[i], r.Args[i])
			}
		}
		c.Fix = cmp.Or(c.Fix, r.Fix)
		return c
	}
	panic(fmt.Sprintf("internal error: %v has no case %q", r.ID, name))
}

// fillArg adds the meaning to a value, and the value where it is always the same.
func fillArg(a *Arg, text string) {
	value, meaning := parameter(text)
	if a.Value == "" {
		a.Value = value
	}
	if a.Value != "" && a.Meaning == "" {
		a.Meaning = meaning
	}
}

// parameter takes "0x203: a meaning" apart; the value is empty where there is none.
func parameter(text string) (value, meaning string) {
	value, meaning, _ = strings.Cut(text, ": ")
	if _, err := strconv.ParseUint(value, 0, 64); err != nil {
		return "", text
	}
	return value, meaning
}

// Params gives the parameters of a bug check by their values; nil leaves one to the record.
func Params(values ...any) [4]Arg {
	var args [4]Arg
	for i, v := range values {
		if v != nil {
			args[i].Value = fmt.Sprint(v)
		}
	}
	return args
}

// Records puts the lists of a package together and says whose they are.
func Records(pkg string, lists ...[]Record) []Record {
	all := slices.Concat(lists...)
	for i := range all {
		all[i].Package = pkg
	}
	return all
}
