package wfp

import "bytes"

// Action is what a filter does or what a callout answers; the numbers are those of FWP_ACTION_*.
type Action uint32

// The actions.
const (
	NoAction           Action = 0
	Block              Action = 0x1001
	Permit             Action = 0x1002
	CalloutTerminating Action = 0x5003
	CalloutInspection  Action = 0x6004
	CalloutUnknown     Action = 0x4005
	Continue           Action = 0x2006
	None               Action = 0x0007
	NoneNoMatch        Action = 0x0008

	calloutFlag Action = 0x4000
)

// Calls reports whether the action is one of the three that ask a callout.
func (a Action) Calls() bool { return a&calloutFlag != 0 }

// String gives the name without prefix, as dumps print it.
func (a Action) String() string {
	switch a {
	case NoAction:
		return "unset"
	case Block:
		return "BLOCK"
	case Permit:
		return "PERMIT"
	case CalloutTerminating:
		return "CALLOUT_TERMINATING"
	case CalloutInspection:
		return "CALLOUT_INSPECTION"
	case CalloutUnknown:
		return "CALLOUT_UNKNOWN"
	case Continue:
		return "CONTINUE"
	case None:
		return "NONE"
	case NoneNoMatch:
		return "NONE_NO_MATCH"
	}
	return "action 0x" + string(appendHex(nil, uint64(a), 4))
}

// MatchType is how a condition compares; the numbers are those of FWP_MATCH_*.
type MatchType uint32

// The comparisons.
const (
	MatchEqual MatchType = iota
	MatchGreater
	MatchLess
	MatchGreaterOrEqual
	MatchLessOrEqual
	MatchRange
	MatchFlagsAllSet
	MatchFlagsAnySet
	MatchFlagsNoneSet
	MatchEqualCaseInsensitive
	MatchNotEqual
	MatchPrefix
	MatchNotPrefix
	numMatchTypes
)

// String gives the end of the constant's name in lower case.
func (m MatchType) String() string {
	names := [...]string{"equal", "greater", "less", "greater or equal", "less or equal", "range",
		"flags all set", "flags any set", "flags none set", "equal, case aside", "not equal", "prefix",
		"not prefix"}
	if m.Valid() {
		return names[m]
	}
	return "unknown"
}

// Valid reports whether m is one of the comparisons.
func (m MatchType) Valid() bool { return m < numMatchTypes }

// Condition is one condition of a filter. Field is the index of the value it looks at.
type Condition struct {
	Field int
	Match MatchType
	Value Value
	High  Value // of a range; Value is its low end
}

// Above reports whether the condition's value is larger than another.
func (c *Condition) Above(v Value) bool {
	sign, ok := compare(c.Value, v)
	return ok && sign > 0
}

// Holds reports whether the condition is met. A value nobody knows is equal to FWP_EMPTY, and meets no other
// condition (wfp.md 1.5).
func (c *Condition) Holds(values Values) bool {
	v := values.Value(c.Field)
	if v.Type == Empty || c.Value.Type == Empty {
		return v.Type == c.Value.Type && c.Match == MatchEqual
	}
	if c.Value.Type == V4AddrMask || c.Value.Type == V6AddrMask {
		return inPrefix(v, c.Value) == (c.Match == MatchEqual)
	}
	switch c.Match {
	case MatchFlagsAllSet:
		return v.Num&c.Value.Num == c.Value.Num
	case MatchFlagsAnySet:
		return v.Num&c.Value.Num != 0
	case MatchFlagsNoneSet:
		return v.Num&c.Value.Num == 0
	case MatchPrefix, MatchNotPrefix: // they look at the end, in spite of the name (wfp.md 1.5)
		return bytes.HasSuffix(v.Bytes, c.Value.Bytes) == (c.Match == MatchPrefix)
	case MatchEqualCaseInsensitive:
		return v.Type == c.Value.Type && bytes.EqualFold(v.Bytes, c.Value.Bytes)
	}
	return c.ordered(v)
}

func (c *Condition) ordered(v Value) bool {
	sign, ok := compare(v, c.Value)
	if !ok {
		return c.Match == MatchNotEqual
	}
	switch c.Match {
	case MatchEqual:
		return sign == 0
	case MatchNotEqual:
		return sign != 0
	case MatchGreater:
		return sign > 0
	case MatchLess:
		return sign < 0
	case MatchGreaterOrEqual:
		return sign >= 0
	case MatchLessOrEqual:
		return sign <= 0
	case MatchRange:
		high, ok := compare(v, c.High)
		return ok && sign >= 0 && high <= 0
	}
	return false
}

// Sublayer orders filters of one layer among those of others. Larger weights come first.
type Sublayer struct {
	Key    GUID
	Name   string
	Weight uint16
	Origin Origin
	Data   any
}

// Callout is the management object that ties filters to registered code by its key.
type Callout struct {
	Key    GUID
	Name   string
	ID     uint32
	Layer  uint16
	Flags  uint32
	Origin Origin
	Data   any
}

// Filter is one filter. A filter that is in a Policy does not change, but for Context and Deleted.
type Filter struct {
	ID         uint64
	Key        GUID
	Name       string
	Layer      uint16
	Sublayer   *Sublayer
	Weight     uint64
	Conditions []Condition
	Action     Action
	Callout    *Callout // of the three callout actions
	Origin     Origin
	Provided   *ProviderContext // what its callout gets; nil is nothing
	Boottime   bool             // in force only while the system starts
	Data       any

	ClearActionRight            bool // FWPS_FILTER_FLAG_CLEAR_ACTION_RIGHT: its permit is hard
	PermitIfCalloutUnregistered bool

	Context uint64 // set by the callout's notifyFn
	Deleted bool   // taken out of the policy while a classification may still hold it
}

// Matches reports whether all conditions hold; consecutive conditions on one field are alternatives (wfp.md
// 21 #43).
func (f *Filter) Matches(values Values) bool {
	return len(f.Conditions) == 0 || f.Fails(values) == nil
}

// Fails gives the conditions on the first field that the values do not meet; nothing when f matches.
func (f *Filter) Fails(values Values) []Condition {
	for i := 0; i < len(f.Conditions); {
		met := false
		j := i
		for ; j < len(f.Conditions) && f.Conditions[j].Field == f.Conditions[i].Field; j++ {
			met = met || f.Conditions[j].Holds(values)
		}
		if !met {
			return f.Conditions[i:j]
		}
		i = j
	}
	return nil
}

// Overlaps reports whether some event could match both filters, as far as equal-value conditions tell: two
// filters that ask for different values of one field never meet.
func (f *Filter) Overlaps(g *Filter) bool {
	for i := range f.Conditions {
		a := &f.Conditions[i]
		if a.Match != MatchEqual || f.alternatives(a.Field) != 1 {
			continue
		}
		for j := range g.Conditions {
			b := &g.Conditions[j]
			if b.Field != a.Field || b.Match != MatchEqual || g.alternatives(b.Field) != 1 {
				continue
			}
			if sign, ok := compare(a.Value, b.Value); ok && sign != 0 {
				return false
			}
		}
	}
	return true
}

// MaxFields is how many values a layer has at most.
const MaxFields = 64

// Covers reports whether f matches whatever has the given values, or, when overlapping, something that has
// them: values that are empty may be anything.
func (f *Filter) Covers(values Values, overlapping bool) bool {
	for i := 0; i < len(f.Conditions); {
		met, known := false, values.Value(f.Conditions[i].Field).Type != Empty
		j := i
		for ; j < len(f.Conditions) && f.Conditions[j].Field == f.Conditions[i].Field; j++ {
			met = met || known && f.Conditions[j].Holds(values)
		}
		if !met && (known || !overlapping) {
			return false
		}
		i = j
	}
	return true
}

func (f *Filter) alternatives(field int) int {
	n := 0
	for i := range f.Conditions {
		if f.Conditions[i].Field == field {
			n++
		}
	}
	return n
}
