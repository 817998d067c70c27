package wfp

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The oracle is arbitration a second time, from the text alone: the merge is the table of docs/spec/wfp.md
// 4.3, read from the file, the rest the rules of 3.3, 4.1, 4.2 and 6 in the words they have there. It shares
// the types of this package and none of its functions.

// mergeRow is a row of the table.
type mergeRow struct{ action, write string }

// mergeTable reads the table; its key is what cur is, and what the sublayer decided.
func mergeTable(t *testing.T) map[string]mergeRow {
	text, err := os.ReadFile("../../docs/spec/wfp.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "### 4.3 Merge table")
	require.True(t, found)
	table := map[string]mergeRow{}
	for _, line := range strings.Split(rest, "\n")[3:] {
		c := strings.Split(line, "|")
		if len(c) != 8 {
			break
		}
		for i := range c {
			c[i] = strings.TrimSpace(c[i])
		}
		action, _, _ := strings.Cut(c[5], ",")
		for _, by := range []string{"plain filter", "callout"} {
			what, who, limited := strings.Cut(c[3], " by a ")
			who, _, _ = strings.Cut(who, " (")
			if !limited || strings.HasPrefix(who, by) {
				table[c[1]+" | "+what+" by a "+by] = mergeRow{action, c[6]}
			}
		}
	}
	return table
}

// event is what is asked about: the fields of the made-up layer.
type event struct {
	port   uint64     // Uint16; field 0
	remote netip.Addr // Uint32; field 1
	app    string     // ByteBlob; field 2; "" is a value nobody knows
	six    netip.Addr // ByteArray16; field 3
}

func (e *event) values() Values {
	b := e.remote.As4()
	v := known{{Type: Uint16, Num: e.port}, {Type: Uint32,
		Num: uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])}, {}, {}}
	six := e.six.As16()
	v[3] = Value{Type: ByteArray16, Bytes: six[:]}
	if e.app != "" {
		v[2] = Value{Type: ByteBlob, Bytes: []byte(e.app)}
	}
	return v
}

// condition is a condition in the oracle's own words beside the one of the package.
type condition struct {
	c     Condition
	holds func(e *event) bool
}

func drawCondition(r *rand.Rand, field int) condition {
	c := condition{c: Condition{Field: field}}
	switch field {
	case 0:
		n := uint64(r.IntN(4))
		c.c.Value = Value{Type: Uint16, Num: n}
		kinds := []struct {
			m     MatchType
			holds func(p uint64) bool
		}{
			{MatchEqual, func(p uint64) bool { return p == n }},
			{MatchNotEqual, func(p uint64) bool { return p != n }},
			{MatchGreater, func(p uint64) bool { return p > n }},
			{MatchLess, func(p uint64) bool { return p < n }},
			{MatchGreaterOrEqual, func(p uint64) bool { return p >= n }},
			{MatchLessOrEqual, func(p uint64) bool { return p <= n }},
			{MatchFlagsAllSet, func(p uint64) bool { return n&^p == 0 }},
			{MatchFlagsAnySet, func(p uint64) bool { return n&p > 0 }},
			{MatchFlagsNoneSet, func(p uint64) bool { return n&p == 0 }},
			{MatchRange, func(p uint64) bool { return n <= p && p <= n+1 }},
		}
		k := kinds[r.IntN(len(kinds))]
		c.c.Match, c.c.High = k.m, Value{Type: Uint16, Num: n + 1}
		c.holds = func(e *event) bool { return k.holds(e.port) }
		if r.IntN(12) == 0 { // the port is always known
			c.c.Value, c.c.Match = Value{}, MatchEqual
			c.holds = func(*event) bool { return false }
		}
	case 1:
		length := 8 * r.IntN(5)
		net := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(2)), byte(r.IntN(2))}), length)
		b := net.Addr().As4()
		mask := uint32(0xffff_ffff) << (32 - length)
		c.c.Value = V4Mask(uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8|uint32(b[3]), mask)
		c.c.Match = []MatchType{MatchEqual, MatchNotEqual}[r.IntN(2)]
		c.holds = func(e *event) bool { return net.Contains(e.remote) == (c.c.Match == MatchEqual) }
	case 2:
		app := []string{"a", "ab", "A", "AB"}[r.IntN(4)]
		c.c.Value = Value{Type: ByteBlob, Bytes: []byte(app)}
		kinds := []struct {
			m     MatchType
			holds func(s string) bool
		}{
			{MatchEqual, func(s string) bool { return s == app }},
			{MatchNotEqual, func(s string) bool { return s != app }},
			{MatchPrefix, func(s string) bool { return strings.HasSuffix(s, app) }},
			{MatchNotPrefix, func(s string) bool { return !strings.HasSuffix(s, app) }},
			{MatchEqualCaseInsensitive, func(s string) bool { return strings.EqualFold(s, app) }},
		}
		k := kinds[r.IntN(len(kinds))]
		c.c.Match = k.m
		c.holds = func(e *event) bool { return e.app != "" && k.holds(e.app) }
		if r.IntN(5) == 0 {
			c.c.Value, c.c.Match = Value{}, MatchEqual
			c.holds = func(e *event) bool { return e.app == "" }
		}
	case 3:
		net := netip.PrefixFrom(drawSix(r), r.IntN(129))
		c.c.Value = V6Prefix(net.Addr().As16(), uint8(net.Bits()))
		c.c.Match = []MatchType{MatchEqual, MatchNotEqual}[r.IntN(2)]
		c.holds = func(e *event) bool { return net.Contains(e.six) == (c.c.Match == MatchEqual) }
	}
	return c
}

// drawSix gives addresses that differ in one bit at most.
func drawSix(r *rand.Rand) netip.Addr {
	a := [16]byte{0x20, 0x01, 0x0d, 0xb8}
	a[r.IntN(16)] ^= 1 << r.IntN(8)
	return netip.AddrFrom16(a)
}

// oracleFilter is a filter with what the oracle knows about it.
type oracleFilter struct {
	*Filter
	conditions [4][]condition // by field
	registered bool
	says       Answer
}

// matches: conditions on one field are alternatives, the fields must all agree (docs/spec/wfp.md 21 #43).
func (f *oracleFilter) matches(e *event) bool {
	for _, alternatives := range f.conditions {
		met := func(c condition) bool { return c.holds(e) }
		if len(alternatives) > 0 && !slices.ContainsFunc(alternatives, met) {
			return false
		}
	}
	return true
}

// drawPolicy makes sublayers and filters of one layer, and an event.
func drawPolicy(r *rand.Rand) (*Policy, []*oracleFilter, *event) {
	d := new(Policy).Draft()
	var subs []*Sublayer
	for i := range 1 + r.IntN(4) {
		subs = append(subs, &Sublayer{Key: GUID{Data1: uint32(i)}, Weight: uint16(r.IntN(3))})
		d.AddSublayer(subs[i])
	}
	actions := []Action{Permit, Block, CalloutTerminating, CalloutInspection, CalloutUnknown}
	answers := []Action{NoAction, Permit, Block, Continue, None}
	var all []*oracleFilter
	filters := r.IntN(9)
	if r.IntN(4) == 0 {
		filters = r.IntN(4 * indexFrom) // with an index
	}
	for i := range filters {
		f := &oracleFilter{registered: r.IntN(4) > 0}
		f.Filter = &Filter{ID: uint64(i + 1), Layer: testLayer, Sublayer: subs[r.IntN(len(subs))],
			Weight: uint64(r.IntN(3)), Action: actions[r.IntN(len(actions))],
			ClearActionRight: r.IntN(3) == 0, PermitIfCalloutUnregistered: r.IntN(2) == 0,
			Deleted: r.IntN(12) == 0}
		f.says = Answer{answers[r.IntN(len(answers))], r.IntN(2) == 0, r.IntN(3) == 0}
		for field := range f.conditions {
			for range max(r.IntN(6)-3, 0) {
				c := drawCondition(r, field)
				f.conditions[field] = append(f.conditions[field], c)
				f.Conditions = append(f.Conditions, c.c)
			}
		}
		d.AddFilter(f.Filter)
		all = append(all, f)
	}
	e := &event{port: uint64(r.IntN(4)), app: []string{"", "a", "ab", "A"}[r.IntN(4)],
		remote: netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(2)), byte(r.IntN(2))}), six: drawSix(r)}
	return d.Commit(), all, e
}

// oracle is docs/spec/wfp.md 4.1. It returns the final decision and what the callouts saw when they were
// asked: the filter, and the decision so far.
func oracle(merge map[string]mergeRow, p *Policy, all []*oracleFilter, e *event,
	early bool) (Decision, []string) {
	cur, state, write, asked := Decision{}, "NONE", true, []string(nil)
	subs := slices.Clone(p.sublayers)
	for len(subs) > 0 {
		best := 0
		for i, s := range subs {
			if s.Weight > subs[best].Weight {
				best = i
			}
		}
		sub := subs[best]
		subs = slices.Delete(subs, best, best+1)
		var f *oracleFilter
		var a Answer
		byCallout := "plain filter"
		for _, f = range heaviestFirst(all, sub) {
			if f.Deleted || !f.matches(e) {
				continue
			}
			calls := f.Action.Calls() && f.registered
			if calls {
				asked = append(asked, fmt.Sprint(f.ID, cur.Action, write))
			}
			if a = evaluate(f); a.Action != Continue {
				if calls {
					byCallout = "callout"
				}
				break
			}
		}
		if a.Action != Block && a.Action != Permit {
			continue
		}
		row, there := merge[state+" | "+a.Action.String()+" by a "+byCallout]
		if !there {
			panic("no row for " + state + " and " + a.Action.String() + " by a " + byCallout)
		}
		if byCallout == "callout" && strings.HasPrefix(state, "PERMIT hard") && a.Action == Block {
			cur.Vetoed, cur.By, cur.Absorb = true, f.Filter, a.Absorb
		}
		if row.write == "new.write" {
			write, cur.By, cur.Absorb = a.Write, f.Filter, a.Absorb && a.Action == Block
		} else {
			write = false
		}
		cur.Action = map[string]Action{"PERMIT": Permit, "BLOCK": Block}[row.action]
		state = row.action + map[bool]string{true: " soft", false: " hard"}[write]
		if early && state == "BLOCK hard" {
			break
		}
	}
	cur.Write = write
	if cur.Action == NoAction {
		cur.Action = Permit // 4.1: the layer's default
	}
	return cur, asked
}

func heaviestFirst(all []*oracleFilter, sub *Sublayer) (out []*oracleFilter) {
	for w := 2; w >= 0; w-- {
		for _, f := range all {
			if f.Sublayer == sub && f.Weight == uint64(w) {
				out = append(out, f)
			}
		}
	}
	return out
}

// evaluate is docs/spec/wfp.md 4.2 with 3.3 (what an answer counts as) and 6 (code that is not there).
func evaluate(f *oracleFilter) Answer {
	permit := Answer{Action: Permit, Write: !f.ClearActionRight}
	switch {
	case f.Action == Permit:
		return permit
	case f.Action == Block:
		return Answer{Action: Block}
	case f.Action == CalloutInspection:
		return Answer{Action: Continue}
	case !f.registered && f.PermitIfCalloutUnregistered:
		return permit
	case !f.registered:
		return Answer{Action: Block}
	case f.says.Action == Block, f.says.Action == Permit:
		return f.says
	case f.Action == CalloutTerminating:
		return Answer{Action: Block, Write: f.says.Write, Absorb: f.says.Absorb}
	}
	return Answer{Action: Continue}
}

// TestRun_AgreesWithTheDecisionTable plays random filter sets against the oracle. Reference: wfp.md 4.
func TestRun_AgreesWithTheDecisionTable(t *testing.T) {
	sets := 10_000
	if os.Getenv("SIM_THOROUGH") != "" {
		sets = 1_000_000
	}
	merge := mergeTable(t)
	require.Len(t, merge, 2*10+2, "two keys a row; one each for the two blocks that meet a hard permit")
	vetoes := 0
	for seed := range sets {
		r := rand.New(rand.NewPCG(uint64(seed), 9))
		p, all, e := drawPolicy(r)
		early := r.IntN(2) == 0
		want, wantAsked := oracle(merge, p, all, e, early)
		run := Start(p.Order(testLayer, oldest), e.values(), Options{StopAtHardBlock: early,
			Registered: func(f *Filter) bool { return all[f.ID-1].registered }})
		var asked []string
		for f := run.Next(); f != nil; f = run.Next() {
			asked = append(asked, fmt.Sprint(f.ID, run.Current().Action, run.Current().Write))
			run.Answer(all[f.ID-1].says)
		}
		got := run.Verdict()
		if got.Vetoed {
			vetoes++
		}
		if got != want || !slices.Equal(asked, wantAsked) {
			t.Fatalf("seed %d: got %+v asked %v, the table says %+v asked %v\n%s", seed, got, asked, want,
				wantAsked, describe(all, e))
		}
	}
	require.NotZero(t, vetoes)
}

func describe(all []*oracleFilter, e *event) string {
	b := new(bytes.Buffer)
	fmt.Fprintf(b, "event %+v\n", *e)
	for _, f := range all {
		fmt.Fprintf(b, "%+v registered %v says %+v\n", *f.Filter, f.registered, f.says)
	}
	return b.String()
}
