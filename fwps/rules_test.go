package fwps_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/fwps"
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
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
	for i := range fwps.Rules {
		if fwps.Rules[i].ID == id {
			return &fwps.Rules[i]
		}
	}
	return nil
}

// trip runs every violating scenario of a table.
func trip(t *testing.T, cases []ruleCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.rule.String(), func(t *testing.T) {
			l := newLab(t, c.pins...)
			c.trip(l)
			require.True(t, l.has(c.rule), "found %q", l.story())
			require.NotNil(t, record(c.rule))
			for _, f := range l.m.Findings() {
				if f.Rule == c.rule {
					assert.NotEmpty(t, f.Headline)
					assert.NotEmpty(t, f.Obj)
					if len(f.Also) == 0 {
						assert.Equal(t, record(c.rule).BugCheck, f.BugCheck, "bug check of the record")
					}
				}
			}
		})
	}
}

// miss runs every repaired scenario of a table.
func miss(t *testing.T, cases []ruleCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.rule.String(), func(t *testing.T) {
			l := newLab(t, c.pins...)
			c.near(l)
			require.False(t, l.has(c.rule), "found %q", l.story())
			for _, f := range l.m.Findings() {
				require.NotEqual(t, verify.Error, f.Severity(), "another violation: %q", l.story())
			}
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

var passive = pin("env/AleConnectRedirect/irql", 1)

func delay(k *irql.K, ms int64) {
	due := -ms * ke.Millisecond
	irql.KeDelayExecutionThread(k, irql.KernelMode, false, &due)
}

// TestRules_HaveOneRecordEach checks the list itself.
func TestRules_HaveOneRecordEach(t *testing.T) {
	seen := map[verify.RuleID]bool{}
	names := map[string]bool{}
	for _, r := range fwps.Rules {
		assert.False(t, seen[r.ID], "%v twice", r.ID)
		assert.False(t, names[r.Name], "%s twice", r.Name)
		seen[r.ID], names[r.Name] = true, true
		assert.Equal(t, "WFP", r.ID.Family())
	}
}
