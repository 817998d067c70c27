package fwps_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/fwps"
	"calloutsim/internal/ke"
	"calloutsim/internal/subsystems"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trial"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// ruleCase is the smallest scenario that breaks a rule and its repaired form.
type ruleCase struct {
	rule       verify.RuleID
	pins       []ke.Pin
	trip, near func(l *lab)
}

func record(id verify.RuleID) *verify.Record {
	rules := fwps.Subsystem.Rules
	for i := range rules {
		if rules[i].ID == id {
			return &rules[i]
		}
	}
	return nil
}

// special is what the schedules of package trial need to know about the cases of a rule.
type special struct {
	pins, near []ke.Pin        // besides those of the case, for the one and the other scenario
	beside     []verify.RuleID // broken by the same act, always
	nearBeside []verify.RuleID // broken by the repaired form, which is about something else
}

// specials are few: mostly a scenario breaks one rule under every schedule, and its repaired form none.
var specials = map[verify.RuleID]special{
	verify.WFP_006: {pins: []ke.Pin{dispatch}, near: []ke.Pin{passive}},
	verify.WFP_008: {pins: []ke.Pin{dispatch}},
	verify.WFP_014: {beside: []verify.RuleID{verify.LOCK_026}}, // nobody sets the event classifyFn waits for
	verify.WFP_015: {beside: []verify.RuleID{verify.LOCK_026}},
	// Unregistering is bad while a classification is pended, as the unload is; and nobody completes it later,
	// which is the violation: the others are hazards.
	verify.WFP_019: {beside: []verify.RuleID{verify.WFP_020, verify.WFP_067}},
	verify.WFP_049: {beside: []verify.RuleID{verify.WFP_050}},     // only a block can be absorbed
	verify.WFP_137: {beside: []verify.RuleID{verify.UNLOAD_001}},  // what was not taken is leaked
	verify.WFP_101: {nearBeside: []verify.RuleID{verify.WFP_090}}, // the local address changes instead
	verify.WFP_103: {beside: []verify.RuleID{verify.WFP_104}, // b.sys is a second redirector
		nearBeside: []verify.RuleID{verify.WFP_104}},
}

// plain is a random walk in which nothing fails and Windows does what it most likely does where its pages do
// not say.
type plain struct{ ke.Source }

func (p plain) Choose(s *ke.Site, alternatives int) int {
	pick := p.Source.Choose(s, alternatives)
	if strings.HasPrefix(s.Name, "doc/") {
		return 0
	}
	return pick
}

// labs gives labs, one after the other on one machine, that follow the schedules of package trial.
func labs(t *testing.T, pins []ke.Pin) func(number int) *lab {
	m := ke.New(ke.Config{Subsystems: subsystems.All()})
	t.Cleanup(m.Close)
	return func(number int) *lab {
		cfg := ke.Config{Events: -1, Pins: pins, Stacks: recorder != nil,
			Subsystems: subsystems.All()}
		if number > 0 {
			cfg.Source = plain{trial.Walk(number)}
		}
		m.Reset(cfg)
		recorded(t, m)
		return &lab{t: t, m: m, e: fwps.Sim.EngineOf(m)}
	}
}

// trip runs every violating scenario of a table: it breaks its rule, once, and no other.
func trip(t *testing.T, cases []ruleCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.rule.String(), func(t *testing.T) {
			s := specials[c.rule]
			play := labs(t, slices.Concat(c.pins, s.pins))
			trial.Breaks(t, func(number int) bool {
				l := play(number)
				c.trip(l)
				l.only(c.rule, s.beside)
				return true
			})
		})
	}
}

// only requires that nothing but rule and what stands beside it was broken, each once, and that the finding
// agrees with its record.
func (l *lab) only(rule verify.RuleID, beside []verify.RuleID) {
	l.t.Helper()
	var f verify.Finding
	var got []verify.RuleID
	for _, found := range l.m.Findings() {
		if found.Rule == rule {
			f = found
		}
		if found.Rule == rule || found.Severity() > verify.Note {
			got = append(got, found.Rule)
		}
	}
	require.ElementsMatch(l.t, append([]verify.RuleID{rule}, beside...), got, "found %q", l.story())
	require.NotNil(l.t, record(rule))
	assert.NotEmpty(l.t, f.Headline)
	assert.NotEmpty(l.t, f.Obj)
	if len(f.Also) == 0 {
		assert.Equal(l.t, record(rule).BugCheck, f.BugCheck, "bug check of the record")
	}
}

// miss runs every repaired scenario of a table.
func miss(t *testing.T, cases []ruleCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.rule.String(), func(t *testing.T) {
			s := specials[c.rule]
			play := labs(t, slices.Concat(c.pins, s.near))
			trial.Keeps(t, func(number int) {
				l := play(number)
				c.near(l)
				for _, f := range l.m.Findings() {
					require.NotEqual(t, c.rule, f.Rule, "found %q", l.story())
					if !slices.Contains(s.nearBeside, f.Rule) {
						require.Equal(t, verify.Note, f.Severity(), "found %q", l.story())
					}
				}
			})
		})
	}
}

// auth puts a question at AUTH_CONNECT.
func (l *lab) auth() *conn {
	c := l.asks(tcpip.AuthConnect, l.m.NewProcess("browser.exe", false), web).start(nil)
	l.m.Run(nil)
	return c
}

// at puts a question at a layer.
func (l *lab) at(layer tcpip.Layer) *conn {
	c := l.asks(layer, l.m.NewProcess("browser.exe", false), web).start(nil)
	l.m.Run(nil)
	return c
}

// onAuth is a scenario with one callout at AUTH_CONNECT.
func onAuth(fn func(a *args)) func(l *lab) {
	return func(l *lab) {
		l.single(atAuth, fn)
		l.auth()
	}
}

// onRedirect is a scenario with one callout at CONNECT_REDIRECT.
func onRedirect(fn func(a *args)) func(l *lab) {
	return func(l *lab) {
		l.single(atRedirect, fn)
		l.connect()
	}
}

// pending is a scenario where the connect is pended and later runs in a work item.
func pending(later func(k *irql.K, p *pended)) func(l *lab) {
	return onRedirect(func(a *args) {
		if a.again() {
			a.permit()
			return
		}
		a.pend(later)
	})
}

// redirects is a scenario with one redirection.
func redirects(p func() *plan) func(l *lab) {
	return func(l *lab) {
		l.redirector("redir.sys", p())
		l.connect()
	}
}

// with changes the usual plan.
func with(change func(p *plan)) func() *plan {
	return func() *plan {
		p := toProxy()
		change(p)
		return p
	}
}

var (
	dispatch = pin("env/AleConnectRedirect/irql", 0)
	passive  = pin("env/AleConnectRedirect/irql", 1)
)

func delay(k *irql.K, ms int64) {
	due := -ms * ke.Millisecond
	irql.KeDelayExecutionThread(k, irql.KernelMode, false, &due)
}

// TestRules_HaveOneRecordEach checks the list itself.
func TestRules_HaveOneRecordEach(t *testing.T) {
	seen := map[verify.RuleID]bool{}
	names := map[string]bool{}
	for _, r := range fwps.Subsystem.Rules {
		assert.False(t, seen[r.ID], "%v twice", r.ID)
		assert.False(t, names[r.Name], "%s twice", r.Name)
		seen[r.ID], names[r.Name] = true, true
		assert.Equal(t, "WFP", r.ID.Family())
	}
}
