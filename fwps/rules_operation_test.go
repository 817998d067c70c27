package fwps_test

import (
	"testing"

	"calloutsim/fwps"
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// onConnect is a scenario with one callout at AUTH_CONNECT, unloaded at the end.
func onConnect(fn func(a *args)) func(l *lab) {
	return func(l *lab) {
		d := l.single(atAuth, fn)
		l.auth()
		l.end(d)
	}
}

// operating holds a connect and completes it as told from a work item.
func operating(later func(k *irql.K, ctx irql.HANDLE)) func(l *lab) {
	return onConnect(func(a *args) {
		if a.again() {
			a.permit()
			return
		}
		ctx := a.hold()
		a.d.later(a.k, func(k *irql.K) { later(k, ctx) })
	})
}

// storing completes before or after it stores the decision that the reauthorisation looks for.
func storing(first bool, otherwise func(a *args)) func(l *lab) {
	return func(l *lab) {
		decided := false
		onConnect(func(a *args) {
			switch {
			case decided:
				a.permit()
			case a.again():
				otherwise(a)
			default:
				ctx := a.hold()
				a.d.later(a.k, func(k *irql.K) {
					decided = first
					fwps.FwpsCompleteOperation0(k, ctx, nil)
					decided = true
				})
			}
		})(l)
	}
}

// operations are the cases about FwpsPendOperation0 and FwpsCompleteOperation0.
func operations() []ruleCase {
	complete := func(k *irql.K, ctx irql.HANDLE) { fwps.FwpsCompleteOperation0(k, ctx, nil) }
	good := operating(complete)
	at := func(layer tcpip.Layer, w where, fn func(a *args)) func(l *lab) {
		return func(l *lab) {
			d := l.single(w, fn)
			l.at(layer)
			l.end(d)
		}
	}
	var ctx irql.HANDLE
	inline := []ke.Pin{pin("doc/FwpsCompleteOperation0/resume", 1)}
	deferred := []ke.Pin{pin("doc/FwpsCompleteOperation0/resume", 0)}
	asks := func(a *args) { a.hold() } // again, also where it should answer
	return []ruleCase{
		{verify.WFP_125, nil, at(tcpip.FlowEstablished, atFlow, func(a *args) {
			fwps.FwpsPendOperation0(a.k, 0, &ctx)
			a.permit()
		}), good},
		{verify.WFP_126, nil, func(l *lab) {
			d := l.single(atAuth, asks)
			c := l.asks(tcpip.AuthConnect, l.m.NewProcess("browser.exe", false), web)
			c.q.Again = tcpip.PolicyChange
			c.start(nil)
			l.m.Run(nil)
			l.end(d)
		}, good},
		{verify.WFP_127, nil, at(tcpip.ConnectRedirect, atRedirect, func(a *args) {
			a.permit()
			a.meta.CompletionHandle()
		}), at(tcpip.ConnectRedirect, atRedirect, func(a *args) {
			a.permit()
			if fwps.FWPS_IS_METADATA_FIELD_PRESENT(a.meta, fwps.FWPS_METADATA_FIELD_COMPLETION_HANDLE) {
				a.meta.CompletionHandle()
			}
		})},
		{verify.WFP_128, nil, onConnect(func(a *args) {
			if a.again() {
				a.permit()
				return
			}
			ctx := a.hold()
			a.out.Flags = 0
			a.d.later(a.k, func(k *irql.K) { complete(k, ctx) })
		}), good},
		{verify.WFP_129, nil, operating(func(k *irql.K, ctx irql.HANDLE) {
			complete(k, ctx)
			complete(k, ctx)
		}), good},
		{verify.WFP_130, inline, storing(false, asks), storing(true, asks)},
		{verify.WFP_131, deferred, onConnect(func(a *args) {
			again := a.again()
			ctx := a.hold()
			if !again {
				a.d.later(a.k, func(k *irql.K) { complete(k, ctx) })
			}
		}), good},
		{verify.WFP_135, nil, onConnect(func(a *args) {
			if a.again() {
				a.permit()
				return
			}
			handle, ctx := a.meta.CompletionHandle(), a.hold()
			a.d.later(a.k, func(k *irql.K) {
				complete(k, handle)
				complete(k, ctx)
			})
		}), good},
	}
}

// Rule: WFP-125, WFP-126, WFP-127, WFP-128, WFP-129, WFP-130, WFP-131, WFP-135
func TestFwpsPendOperation0_Misused(t *testing.T) { trip(t, operations()) }

// Near miss: WFP-125, WFP-126, WFP-127, WFP-128, WFP-129, WFP-130, WFP-131, WFP-135
func TestFwpsPendOperation0_WellUsed(t *testing.T) { miss(t, operations()) }

// An operation that nobody completes is found at the end, and when its driver goes.
func TestPendOperation_NeverCompleted(t *testing.T) {
	l := newLab(t)
	l.single(atAuth, func(a *args) { a.hold() })
	l.auth()
	l.end()
	if got := l.found(); len(got) != 1 || got[0] != "WFP-129" {
		t.Fatalf("found %q", l.story())
	}
}

// S27 of wfp.md 24: unloading with an operation held.
func TestScenario_S27_UnloadWithAPendedConnect(t *testing.T) {
	l := newLab(t)
	d := l.single(atAuth, func(a *args) { a.hold() })
	l.auth()
	l.end(d)
	for _, r := range []verify.RuleID{verify.WFP_019, verify.WFP_020, verify.WFP_129} {
		if !l.has(r) {
			t.Errorf("%v is not found: %q", r, l.story())
		}
	}
}
