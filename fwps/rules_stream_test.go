package fwps_test

import (
	"testing"

	"calloutsim/fwps"
	"calloutsim/fwps/ndis"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// stream plays a client that sends two pieces past a callout; fn is asked about what the server receives.
func stream(w where, fn func(i *injector, a *args)) func(l *lab) {
	return func(l *lab) {
		i := l.editor(w, fn)
		l.sends("abc", "def")
		l.end(i.driver)
	}
}

// wants is a callout that wants something of the first data, or of the end.
func wants(end bool, action fwps.FWPS_STREAM_ACTION_TYPE, what func(a *args)) func(l *lab) {
	return stream(atStream, func(i *injector, a *args) {
		a.permit()
		if a.ends() == end && i.limit > 0 {
			i.limit = 0
			a.io().StreamAction = action
			what(a)
		}
	})
}

// streamAnswers are the cases about what a stream callout answers.
func streamAnswers() []ruleCase {
	allowed := stream(atStream, func(_ *injector, a *args) { a.permit() })
	more, drop := fwps.FWPS_STREAM_ACTION_NEED_MORE_DATA, fwps.FWPS_STREAM_ACTION_DROP_CONNECTION
	asks := func(n uint64) func(a *args) {
		return func(a *args) {
			a.out.ActionType = fwps.FWP_ACTION_NONE
			a.io().CountBytesRequired = n
		}
	}
	inspects := atStream.doing(fwps.FWP_ACTION_CALLOUT_INSPECTION, 0)
	resets := func(w where) func(l *lab) {
		return stream(w, func(_ *injector, a *args) {
			a.out.ActionType = fwps.FWP_ACTION_CONTINUE
			a.io().StreamAction = drop
		})
	}
	once := []ke.Pin{whole}
	return []ruleCase{
		{verify.WFP_148, once, wants(false, 0, func(a *args) { a.out.ActionType = fwps.FWP_ACTION_NONE }),
			allowed},
		{verify.WFP_152, once, wants(true, more, asks(1)), wants(false, more, asks(4))},
		{verify.WFP_153, once, wants(false, more, func(*args) {}), wants(false, more, asks(4))},
		{verify.WFP_154, once, wants(false, 0, func(a *args) { a.io().CountBytesEnforced = 99 }),
			wants(false, 0, func(a *args) { a.io().CountBytesEnforced = 1 })},
		{verify.WFP_155, once, func(l *lab) {
			i := l.injects("edit.sys", inspects, fwps.FWPS_INJECTION_TYPE_STREAM, func(i *injector, a *args) {
				if a.received() && i.limit > 0 {
					i.limit = 0
					a.io().StreamAction = drop
				}
				a.out.ActionType = fwps.FWP_ACTION_CONTINUE
			})
			l.sends("abc")
			l.end(i.driver)
		}, resets(atStream.doing(fwps.FWP_ACTION_CALLOUT_UNKNOWN, 0))},
		{verify.WFP_156, once, wants(true, fwps.FWPS_STREAM_ACTION_DEFER, func(*args) {}),
			continues(0, true)},
	}
}

// continues defers the first data and goes on with other flags, first, or with the right ones.
func continues(other uint32, right bool) func(l *lab) {
	return stream(atStream, func(i *injector, a *args) {
		a.permit()
		if a.ends() || i.limit == 0 {
			return
		}
		i.limit = 0
		a.io().StreamAction = fwps.FWPS_STREAM_ACTION_DEFER
		flow, flags := a.meta.FlowHandle(), a.io().StreamData.Flags
		a.d.later(a.k, func(k *irql.K) {
			if other != 0 {
				fwps.FwpsStreamContinue0(k, flow, i.hooks[0].id, streamLayer, other)
			}
			if right {
				fwps.FwpsStreamContinue0(k, flow, i.hooks[0].id, streamLayer, flags)
			}
		})
	})
}

// Rule: WFP-148, WFP-152, WFP-153, WFP-154, WFP-155, WFP-156
func TestStreamCallout_AnswersWrong(t *testing.T) { trip(t, streamAnswers()) }

// Near miss: WFP-148, WFP-152, WFP-153, WFP-154, WFP-155, WFP-156
func TestStreamCallout_AnswersRight(t *testing.T) { miss(t, streamAnswers()) }

// injecting injects the clone of what is indicated from a work item, with what change makes of the call.
type streamCall struct {
	flags uint32
	nbl   *ndis.NET_BUFFER_LIST
	fn    fwps.FWPS_INJECT_COMPLETE0
}

func injecting(change func(c *streamCall)) func(l *lab) {
	return stream(atStream, func(i *injector, a *args) {
		d := a.io().StreamData
		if a.ends() {
			a.permit()
			return
		}
		var clone *ndis.NET_BUFFER_LIST
		if fwps.FwpsCloneStreamData0(a.k, d, 0, 0, 0, &clone) != ok {
			return
		}
		a.out.ActionType = fwps.FWP_ACTION_BLOCK
		flow, n, c := a.meta.FlowHandle(), d.DataLength, streamCall{d.Flags, clone, i.freed}
		if i.limit > 0 {
			i.limit = 0
			change(&c)
		}
		if fwps.FwpsStreamInjectAsync0(a.k, i.handle, 0, 0, flow, i.hooks[0].id, streamLayer, c.flags,
			c.nbl, n, c.fn, nil) != ok || c.nbl != clone {
			fwps.FwpsDiscardClonedStreamData0(a.k, clone, 0, true)
		}
	})
}

// mixes injects out of band, and then lets something on or injects inline.
func mixes(then func(i *injector, a *args)) func(l *lab) {
	return stream(atStream, func(i *injector, a *args) {
		if i.limit > 0 || a.ends() || then == nil {
			i.limit = 0
			outOfBand(i, a)
			return
		}
		then(i, a)
	})
}

// streamInjections are the cases about FwpsStreamInjectAsync0 and FwpsStreamContinue0.
func streamInjections() []ruleCase {
	once := []ke.Pin{whole}
	good := injecting(func(*streamCall) {})
	return []ruleCase{
		{verify.WFP_149, once, mixes(func(_ *injector, a *args) { a.permit() }), mixes(nil)},
		{verify.WFP_150, once, mixes(func(i *injector, a *args) {
			i.edits(a, "x")
			a.out.ActionType = fwps.FWP_ACTION_BLOCK
		}), mixes(nil)},
		{verify.WFP_151, once, wants(false, 0, func(a *args) {
			fwps.FwpsStreamContinue0(a.k, a.meta.FlowHandle(), 1, streamLayer, fwps.FWPS_STREAM_FLAG_RECEIVE)
		}), continues(0, true)},
		{verify.WFP_157, once, continues(fwps.FWPS_STREAM_FLAG_SEND, true), continues(0, true)},
		{verify.WFP_158, once, injecting(func(c *streamCall) {
			c.flags = fwps.FWPS_STREAM_FLAG_RECEIVE_DISCONNECT
		}), good},
		{verify.WFP_159, once, injecting(func(c *streamCall) { c.nbl = nil }), good},
		{verify.WFP_160, once, injecting(func(c *streamCall) {
			c.flags |= fwps.FWPS_STREAM_FLAG_RECEIVE_DISCONNECT
		}), good},
	}
}

// Rule: WFP-149, WFP-150, WFP-151, WFP-157, WFP-158, WFP-159, WFP-160
func TestStreamInjection_Misused(t *testing.T) { trip(t, streamInjections()) }

// Near miss: WFP-149, WFP-150, WFP-151, WFP-157, WFP-158, WFP-159, WFP-160
func TestStreamInjection_WellUsed(t *testing.T) { miss(t, streamInjections()) }
