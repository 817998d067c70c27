package wfp

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestMerge_Table walks the merge table row by row. Reference: wfp.md 4.3 (win32:
// desktop-src/FWP/filter-arbitration.md).
func TestMerge_Table(t *testing.T) {
	const set, clear = true, false
	rows := []struct {
		why     string
		cur     Action
		write   bool
		action  Action
		newWr   bool
		callout bool
		want    Action
		wantWr  bool
		veto    bool
	}{
		{"first decision", NoAction, set, Permit, set, false, Permit, set, false},
		{"first decision, hard", NoAction, set, Block, clear, false, Block, clear, false},
		{"a soft permit may be made hard", Permit, set, Permit, clear, true, Permit, clear, false},
		{"a soft permit may be blocked", Permit, set, Block, clear, false, Block, clear, false},
		{"a hard permit stays", Permit, clear, Permit, set, true, Permit, clear, false},
		{"a plain filter cannot override a hard permit", Permit, clear, Block, clear, false, Permit, clear,
			false},
		{"a callout vetoes a hard permit", Permit, clear, Block, clear, true, Block, clear, true},
		{"a soft block may be permitted", Block, set, Permit, set, false, Permit, set, false},
		{"a soft block may become hard", Block, set, Block, clear, false, Block, clear, false},
		{"a hard block stays", Block, clear, Permit, set, true, Block, clear, false},
		{"a hard block is not blocked again", Block, clear, Block, set, true, Block, clear, false},
	}
	for _, r := range rows {
		got := Merge(Decision{Action: r.cur, Write: r.write}, &Filter{},
			Answer{Action: r.action, Write: r.newWr}, r.callout)
		assert.Equal(t, r.want, got.Action, r.why)
		assert.Equal(t, r.wantWr, got.Write, r.why)
		assert.Equal(t, r.veto, got.Vetoed, r.why)
	}
}

// TestNormalise_Table is wfp.md 3.3 (sdk-api: fwpstypes/ns-fwpstypes-fwps_action0.md).
func TestNormalise_Table(t *testing.T) {
	for _, r := range []struct{ filter, answer, want Action }{
		{CalloutTerminating, Block, Block}, {CalloutTerminating, Permit, Permit},
		{CalloutTerminating, Continue, Block}, {CalloutTerminating, NoAction, Block},
		{CalloutInspection, Block, Continue}, {CalloutInspection, Continue, Continue},
		{CalloutUnknown, Block, Block}, {CalloutUnknown, Permit, Permit},
		{CalloutUnknown, Continue, Continue}, {CalloutUnknown, None, Continue},
	} {
		assert.Equal(t, r.want, Normalise(r.filter, r.answer), "%v answering %v", r.filter, r.answer)
	}
}

const testLayer = 66

// known are values that are there from the start.
type known []Value

func (k known) Value(field int) Value {
	if field < len(k) {
		return k[field]
	}
	return Value{}
}

// policy builds a policy from (sublayer weight, filter) pairs; filters of one weight share a sublayer.
func policy(filters ...*Filter) *Policy {
	d := new(Policy).Draft()
	for i, f := range filters {
		w := uint16(f.Context)
		f.Context = 0
		f.ID, f.Layer = uint64(i+1), testLayer
		for _, s := range d.sublayers {
			if s.Weight == w {
				f.Sublayer = s
			}
		}
		if f.Sublayer == nil {
			f.Sublayer = &Sublayer{Key: GUID{Data1: uint32(w)}, Weight: w}
			d.AddSublayer(f.Sublayer)
		}
		d.AddFilter(f)
	}
	return d.Commit()
}

func oldest(int) int { return 0 }

// decide runs an arbitration; answers holds what the callouts say, by filter id. It returns the ids of those
// asked.
func decide(p *Policy, answers map[uint64]Answer, opts Options) (Decision, []uint64) {
	var asked []uint64
	opts.Registered = func(f *Filter) bool { _, ok := answers[f.ID]; return ok }
	r := Start(p.Order(testLayer, oldest), nil, opts)
	for f := r.Next(); f != nil; f = r.Next() {
		asked = append(asked, f.ID)
		r.Answer(answers[f.ID])
	}
	return r.Verdict(), asked
}

func TestRun_S1_SoftPermitIsOverriddenByALighterBlock(t *testing.T) {
	d, _ := decide(policy(&Filter{Context: 10, Action: Permit}, &Filter{Context: 5, Action: Block}), nil,
		Options{})
	assert.Equal(t, Block, d.Action)
}

func TestRun_S2_HardPermitStands(t *testing.T) {
	d, _ := decide(policy(&Filter{Context: 10, Action: Permit, ClearActionRight: true},
		&Filter{Context: 5, Action: Block}), nil, Options{})
	assert.Equal(t, Permit, d.Action)
}

func TestRun_S3_CalloutVetoesAHardPermit(t *testing.T) {
	d, asked := decide(policy(&Filter{Context: 10, Action: Permit, ClearActionRight: true},
		&Filter{Context: 5, Action: CalloutTerminating}), map[uint64]Answer{2: {Action: Block}}, Options{})
	assert.Equal(t, Block, d.Action)
	assert.True(t, d.Vetoed)
	assert.Equal(t, []uint64{2}, asked)
}

func TestRun_S4_SoftBlockIsOverriddenByALighterPermit(t *testing.T) {
	d, _ := decide(policy(&Filter{Context: 10, Action: CalloutTerminating},
		&Filter{Context: 5, Action: Permit}),
		map[uint64]Answer{1: {Action: Block, Write: true}}, Options{})
	assert.Equal(t, Permit, d.Action)
}

func TestRun_S5_HardBlockStandsAndTheCalloutIsAskedAllTheSame(t *testing.T) {
	p := policy(&Filter{Context: 10, Action: Block}, &Filter{Context: 5, Action: CalloutTerminating})
	answers := map[uint64]Answer{2: {Action: Permit, Write: true}}
	d, asked := decide(p, answers, Options{})
	assert.Equal(t, Block, d.Action)
	assert.Equal(t, []uint64{2}, asked)

	_, asked = decide(p, answers, Options{StopAtHardBlock: true})
	assert.Empty(t, asked, "the other reading of wfp.md 21 #1")
}

func TestRun_S6_DecisionEndsItsSublayer(t *testing.T) {
	_, asked := decide(policy(&Filter{Context: 7, Weight: 20, Action: Permit},
		&Filter{Context: 7, Weight: 10, Action: CalloutTerminating}), map[uint64]Answer{2: {Action: Block}},
		Options{})
	assert.Empty(t, asked)
}

func TestRun_S7_UnregisteredCalloutBlocksUnlessTheFilterSaysPermit(t *testing.T) {
	d, _ := decide(policy(&Filter{Context: 1, Action: CalloutTerminating}), nil, Options{})
	assert.Equal(t, Block, d.Action)
	d, _ = decide(policy(&Filter{Context: 1, Action: CalloutTerminating, PermitIfCalloutUnregistered: true}),
		nil, Options{})
	assert.Equal(t, Permit, d.Action)
}

func TestRun_S8_UnregisteredInspectionIsIgnored(t *testing.T) {
	d, _ := decide(policy(&Filter{Context: 2, Action: CalloutInspection}, &Filter{Context: 1, Action: Block}),
		nil, Options{})
	assert.Equal(t, Block, d.Action)
}

func TestRun_ContinueGoesOnInsideTheSublayer(t *testing.T) {
	d, asked := decide(policy(&Filter{Context: 1, Weight: 9, Action: CalloutUnknown},
		&Filter{Context: 1, Weight: 3, Action: Block}),
		map[uint64]Answer{1: {Action: Continue}}, Options{})
	assert.Equal(t, Block, d.Action)
	assert.Equal(t, []uint64{1}, asked)
}

func TestRun_NobodyDecidesMeansPermit(t *testing.T) {
	d, _ := decide(policy(), nil, Options{})
	assert.Equal(t, Permit, d.Action)
}

func TestRun_DeletedFilterIsSkipped(t *testing.T) {
	d, _ := decide(policy(&Filter{Context: 1, Action: Block, Deleted: true}), nil, Options{})
	assert.Equal(t, Permit, d.Action)
}

func TestRun_AbsorbSurvivesOnlyWithItsBlock(t *testing.T) {
	p := policy(&Filter{Context: 2, Action: CalloutTerminating}, &Filter{Context: 1, Action: Permit})
	d, _ := decide(p, map[uint64]Answer{1: {Action: Block, Absorb: true}}, Options{})
	assert.True(t, d.Absorb)
	d, _ = decide(p, map[uint64]Answer{1: {Action: Block, Write: true, Absorb: true}}, Options{})
	assert.False(t, d.Absorb, "the soft block was overridden")
}

func TestOrder_EqualWeightsAreTheChoosersMatter(t *testing.T) {
	d := new(Policy).Draft()
	for i := range 3 {
		s := &Sublayer{Key: GUID{Data1: uint32(i)}}
		d.AddSublayer(s)
		d.AddFilter(&Filter{ID: uint64(i), Layer: testLayer, Sublayer: s})
	}
	p := d.Commit()
	youngest := func(n int) int { return n - 1 }
	assert.Equal(t, []uint64{0, 1, 2}, ids(p.Order(testLayer, oldest)))
	assert.Equal(t, []uint64{2, 1, 0}, ids(p.Order(testLayer, youngest)))
	assert.Equal(t, []uint64{0, 1, 2}, ids(p.At(testLayer)), "the index itself stays as it is")
}

func TestMatches_ConditionsAreAndedAndNeighboursOnOneFieldOred(t *testing.T) {
	tcp := Condition{Field: 0, Value: Value{Type: Uint8, Num: 6}}
	port := func(n uint64) Condition { return Condition{Field: 1, Value: Value{Type: Uint16, Num: n}} }
	f := &Filter{Conditions: []Condition{tcp, port(80), port(443)}}
	event := func(proto, p uint64) Values {
		return known{{Type: Uint8, Num: proto},
			{Type: Uint16, Num: p}}
	}
	assert.True(t, f.Matches(event(6, 443)))
	assert.True(t, f.Matches(event(6, 80)))
	assert.False(t, f.Matches(event(6, 22)))
	assert.False(t, f.Matches(event(17, 80)))
	assert.False(t, f.Matches(known{{Type: Uint8, Num: 6}, {}}), "a value nobody knows meets no condition")
	assert.True(t, (&Filter{}).Matches(nil), "no condition: always")
}

func TestHolds_Operators(t *testing.T) {
	u32 := func(n uint64) Value { return Value{Type: Uint32, Num: n} }
	app := func(s string) Value { return Value{Type: ByteBlob, Bytes: []byte(s)} }
	for _, c := range []struct {
		match MatchType
		value Value
		high  Value
		in    Value
		want  bool
	}{
		{MatchGreater, u32(5), Value{}, u32(6), true},
		{MatchLess, u32(5), Value{}, u32(5), false},
		{MatchGreaterOrEqual, u32(5), Value{}, u32(5), true},
		{MatchLessOrEqual, u32(5), Value{}, u32(6), false},
		{MatchRange, u32(5), u32(9), u32(9), true},
		{MatchRange, u32(5), u32(9), u32(10), false},
		{MatchFlagsAllSet, u32(6), Value{}, u32(7), true},
		{MatchFlagsAnySet, u32(8), Value{}, u32(7), false},
		{MatchFlagsNoneSet, u32(8), Value{}, u32(7), true},
		{MatchNotEqual, u32(8), Value{}, u32(7), true},
		{MatchEqualCaseInsensitive, app("Chrome.exe"), Value{}, app("chrome.EXE"), true},
		{MatchPrefix, app("ome"), Value{}, app("chrome"), true},
		{MatchPrefix, app("chr"), Value{}, app("chrome"), false},
		{MatchNotPrefix, app("chr"), Value{}, app("chrome"), true},
		{MatchEqual, Value{}, Value{}, Value{}, true},
		{MatchEqual, Value{}, Value{}, u32(0), false},
		{MatchEqual, u32(0), Value{}, Value{}, false},
		{MatchNotEqual, u32(0), Value{}, Value{}, false},
		{MatchEqual, V4Mask(0x0a000000, 0xff000000), Value{}, u32(0x0a010203), true},
		{MatchEqual, V4Mask(0x0a000000, 0xff000000), Value{}, u32(0x0b010203), false},
		{MatchEqual, V6Prefix([16]byte{0x20, 1, 0xd, 0xb8}, 70), Value{},
			Value{Type: ByteArray16, Bytes: append([]byte{0x20, 1, 0xd, 0xb8}, make([]byte, 12)...)}, true},
		{MatchEqual, V6Prefix([16]byte{0x20, 1}, 16), Value{}, Value{Type: ByteArray16,
			Bytes: make([]byte, 16)}, false},
	} {
		got := (&Condition{Match: c.match, Value: c.value, High: c.high}).Holds(known{c.in})
		assert.Equal(t, c.want, got, "%v %v %v", c.in, c.match, c.value)
	}
}

func TestOverlaps_DifferentValuesOfOneFieldNeverMeet(t *testing.T) {
	port := func(n uint64) *Filter {
		return &Filter{Conditions: []Condition{{Field: 1, Value: Value{Type: Uint16, Num: n}}}}
	}
	assert.True(t, port(80).Overlaps(port(80)))
	assert.False(t, port(80).Overlaps(port(443)))
	assert.True(t, port(80).Overlaps(&Filter{}))
}

// TestRun_HardDecisionIsFinalButForAVeto checks the invariant of arbitration over random policies.
func TestRun_HardDecisionIsFinalButForAVeto(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(rt, "filters")
		var fs []*Filter
		answers := map[uint64]Answer{}
		for i := range n {
			f := &Filter{Context: uint64(rapid.IntRange(0, 3).Draw(rt, "sublayer")),
				Weight: uint64(rapid.IntRange(0, 3).Draw(rt, "weight")),
				Action: rapid.SampledFrom([]Action{Permit, Block, CalloutTerminating,
					CalloutUnknown, CalloutInspection}).Draw(rt, "action"),
				ClearActionRight: rapid.Bool().Draw(rt, "hard")}
			fs = append(fs, f)
			if rapid.Bool().Draw(rt, "registered") {
				answers[uint64(i+1)] = Answer{Action: rapid.SampledFrom([]Action{Permit, Block,
					Continue}).Draw(rt, "answer"),
					Write: rapid.Bool().Draw(rt, "write")}
			}
		}
		opts := Options{Registered: func(f *Filter) bool { _, ok := answers[f.ID]; return ok }}
		r := Start(policy(fs...).Order(testLayer, oldest), nil, opts)
		for f := r.Next(); f != nil; f = r.Next() {
			before := r.Current()
			r.Answer(answers[f.ID])
			after := r.Current()
			if before.Action == Block && !before.Write {
				require.Equal(rt, before, after)
			}
			if before.Action == Permit && !before.Write && after.Action != Permit {
				require.True(rt, after.Vetoed)
			}
		}
		require.Contains(rt, []Action{Permit, Block}, r.Verdict().Action)
	})
}

func TestPolicy_NeverChangesOnceCommitted(t *testing.T) {
	p := policy(&Filter{Context: 1, Action: Permit}, &Filter{Context: 2, Action: Block})
	d := p.Draft()
	d.AddFilter(&Filter{ID: 77, Layer: 3, Sublayer: p.Filter(1).Sublayer})
	d.RemoveFilter(p.Filter(2))
	next := d.Commit()
	assert.Nil(t, p.Filter(77))
	assert.Len(t, p.At(testLayer), 2)
	assert.Empty(t, p.At(3))
	assert.NotNil(t, next.Filter(77))
	require.Len(t, next.At(testLayer), 1)
	assert.Equal(t, uint64(1), next.At(testLayer)[0].Filters[0].ID)
	assert.Len(t, next.At(3), 1)
}

// ids are the filters of groups in the order of evaluation.
func ids(groups []Group) (out []uint64) {
	for _, g := range groups {
		for _, f := range g.Filters {
			out = append(out, f.ID)
		}
	}
	return out
}

// TestCommit_IndexIsThatOfAllFilters compares the index that grew by single transactions with one made at
// once.
func TestCommit_IndexIsThatOfAllFilters(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := new(Policy).Draft()
		subs := []*Sublayer{{Weight: 1}, {Weight: 2}, {Weight: 1}}
		for _, s := range subs {
			d.AddSublayer(s)
		}
		p := d.Commit()
		for i := range rapid.IntRange(1, 20).Draw(rt, "changes") {
			d := p.Draft()
			if n := len(p.Filters()); n > 0 && rapid.Bool().Draw(rt, "remove") {
				d.RemoveFilter(p.Filters()[rapid.IntRange(0, n-1).Draw(rt, "which")])
			} else {
				d.AddFilter(&Filter{ID: uint64(i), Layer: uint16(rapid.IntRange(0, 2).Draw(rt, "layer")),
					Sublayer: rapid.SampledFrom(subs).Draw(rt, "sublayer"),
					Weight:   uint64(rapid.IntRange(0, 2).Draw(rt, "weight"))})
			}
			p = d.Commit()
		}
		whole := new(Policy).Draft()
		whole.Objects = p.Draft().Objects
		q := whole.Commit()
		for l := range uint16(3) {
			require.Equal(rt, ids(q.At(l)), ids(p.At(l)), "layer %d", l)
		}
	})
}

func TestGUID_String(t *testing.T) {
	g := GUID{0xc38d57d1, 0x05a7, 0x4c33, [8]byte{0x90, 0x4f, 0x7f, 0xbc, 0xee, 0xe6, 0x0e, 0x82}}
	assert.Equal(t, "c38d57d1-05a7-4c33-904f-7fbceee60e82", g.String())
}

func TestWeights_AutomaticStaysBelowTheRanges(t *testing.T) {
	many := make([]Condition, 5000)
	assert.Less(t, AutomaticWeight(many), uint64(1)<<60)
	assert.Greater(t, WeightInRange(15, nil), WeightInRange(14, many))
}
