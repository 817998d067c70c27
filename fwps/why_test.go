package fwps_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/internal/tcpip"
	"calloutsim/irql"
)

// onPort makes a filter want a remote port.
func onPort(f *fwpm.FWPM_FILTER0, port uint16) {
	f.NumFilterConditions, f.FilterCondition = 1, []fwpm.FWPM_FILTER_CONDITION0{{
		FieldKey: fwpm.FWPM_CONDITION_IP_REMOTE_PORT, MatchType: fwpm.FWP_MATCH_EQUAL,
		ConditionValue: fwpm.FWP_CONDITION_VALUE0{Type: fwps.FWP_UINT16, Uint16: port}}}
}

// redirectsOn redirects what goes to a port.
func redirectsOn(port uint16, p *plan) func(k *irql.K, d *driver) {
	return func(k *irql.K, d *driver) {
		h := d.newHook(k, func(a *args) { a.redirect(p) })
		d.addObjects(k, atRedirect, h)
		f := &fwpm.FWPM_FILTER0{LayerKey: atRedirect.layer,
			DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: "test"}, SubLayerKey: sublayerKey(atRedirect.weight),
			Action: fwpm.FWPM_ACTION0{Type: atRedirect.action, CalloutKey: h.key}}
		onPort(f, port)
		require.Equal(d.l.t, ok, fwpm.FwpmFilterAdd0(k, d.engine, f, nil, nil))
		d.hook(k, atAuth, permits)
	}
}

// TestWhy is the one-page answer, by its causes. Reference: docs/spec/ux.md 4.
func TestWhy(t *testing.T) {
	noPID := &plan{remote: proxy}
	for _, c := range []struct {
		why   string
		setup func(k *irql.K, d *driver)
		want  []string
	}{
		{"redirected", redirectsOn(443, toProxy()),
			[]string{"wanted to go to 93.184.216.34:443",
				"REDIRECTED to 127.0.0.1:8866 by redir.sys (filter "}},
		{"another port", redirectsOn(80, toProxy()), []string{
			"NOT REDIRECTED: no callout changed where it goes",
			"not asked: ip_remote_port is 443, wanted equal 80",
			"does not match: ip_remote_port is 443, wanted equal 80"}},
		{"no process id", redirectsOn(443, noPID), []string{"NOT REDIRECTED: redir.sys (filter ",
			"changed the request, and the change not applied: loopback target needs localRedirectTargetPID"}},
		{"answered nothing", func(k *irql.K, d *driver) { d.hook(k, atRedirect, permits) },
			[]string{"redir.sys answered PERMIT and changed nothing"}},
		{"nobody at the redirect layer", func(k *irql.K, d *driver) { d.hook(k, atAuth, permits) },
			[]string{"NOT REDIRECTED: it was not asked at ALE_CONNECT_REDIRECT"}},
		{"not registered", func(k *irql.K, d *driver) {
			h := d.hook(k, atRedirect, permits)
			fwps.FwpsCalloutUnregisterById0(k, h.id)
		}, []string{"its callout is not registered"}},
		{"a heavier filter decided", func(k *irql.K, d *driver) {
			w := atRedirect.doing(permit, 0)
			w.fweigh = 9
			d.plain(k, w)
			d.hook(k, atRedirect, permits)
		}, []string{"not asked: filter 66001 of the same sublayer decided, PERMIT"}},
		{"pended", func(k *irql.K, d *driver) { d.hook(k, atRedirect, func(a *args) { a.pend(nil) }) },
			[]string{"NOT YET: redir.sys pended it and has not completed it"}},
		{"blocked by a filter", func(k *irql.K, d *driver) { d.plain(k, atAuth.doing(block, 0)) },
			[]string{"BLOCKED at ALE_AUTH_CONNECT_V4: filter 66001 \"test\" of sublayer"}},
		{"blocked by a callout", func(k *irql.K, d *driver) { d.hook(k, atAuth, (*args).block) },
			[]string{"BLOCKED at ALE_AUTH_CONNECT_V4: redir.sys answered BLOCK for filter 66001"}},
		{"a veto", func(k *irql.K, d *driver) {
			d.plain(k, atAuth.weighing(0x200).doing(permit, fwpm.FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT))
			d.hook(k, atAuth, (*args).block)
		}, []string{"answered BLOCK for filter 66002, a veto"}},
	} {
		l := newLab(t)
		l.load("redir.sys", c.setup)
		ask := l.connect()
		if ask.answers == 1 {
			a := l.asks(tcpip.AuthConnect, ask.process, web)
			a.q.Endpoint = ask.q.Endpoint
			a.start(nil)
			l.m.Run(nil)
		}
		page := strings.Join(fwps.Sim.Why(l.m, 0), "\n")
		for _, w := range c.want {
			assert.Contains(t, page, w, c.why)
		}
		if t.Failed() {
			t.Log(page)
		}
	}
}

func TestWhy_NobodyFilters(t *testing.T) {
	m := newLab(t).m
	assert.Equal(t, []string{"no connection was classified: nobody has a filter where one passed"},
		fwps.Sim.Why(m, 0))
}
