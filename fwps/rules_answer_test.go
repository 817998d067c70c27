package fwps_test

import (
	"net/netip"
	"testing"

	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

const write = fwps.FWPS_RIGHT_ACTION_WRITE

// The kinds of filters that call, and what else answers need.
const (
	terminating = fwps.FWP_ACTION_CALLOUT_TERMINATING
	inspection  = fwps.FWP_ACTION_CALLOUT_INSPECTION
	unknown     = fwps.FWP_ACTION_CALLOUT_UNKNOWN
	cont        = fwps.FWP_ACTION_CONTINUE
	hard        = fwpm.FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT
)

// kind is a scenario with one callout, called by a filter of some kind.
func kind(w where, action fwps.FWP_ACTION_TYPE, flags uint32, fn func(a *args)) func(l *lab) {
	return func(l *lab) {
		l.single(w.doing(action, flags), fn)
		if w.layer == atAuth.layer {
			l.auth()
			return
		}
		l.connect()
	}
}

// says answers with an action and leaves the rights alone; blocks and hardPermit change both.
func says(t fwps.FWP_ACTION_TYPE) func(a *args) { return func(a *args) { a.out.ActionType = t } }

func blocks(a *args) { a.block() }

func hardPermit(a *args) {
	a.permit()
	a.out.Rights &^= write
}

// underHardBlock is a scenario in which a heavier filter has blocked for good.
func underHardBlock(fn func(a *args)) func(l *lab) {
	return func(l *lab) {
		l.load("filters.sys", func(k *irql.K, d *driver) {
			d.plain(k, atAuth.weighing(0x200).doing(block, 0))
			d.hook(k, atAuth, fn)
		})
		l.auth()
	}
}

// absorb is a scenario in which the callout answers with the flag.
func absorb(layer tcpip.Layer, w where, action fwps.FWP_ACTION_TYPE) func(l *lab) {
	return func(l *lab) {
		l.single(w, func(a *args) {
			a.block()
			a.out.ActionType = action
			a.out.Flags |= fwps.FWPS_CLASSIFY_OUT_FLAG_ABSORB
			if action == permit {
				a.out.Rights |= write
			}
		})
		l.at(layer)
	}
}

// onFlow is a scenario with one callout at FLOW_ESTABLISHED.
func onFlow(fn func(a *args)) func(l *lab) {
	return func(l *lab) {
		l.single(atFlow, fn)
		l.at(tcpip.FlowEstablished)
	}
}

// answers are the cases about what classifyFn answers.
func answers() []ruleCase {
	return []ruleCase{
		{verify.WFP_038, nil, kind(atAuth, terminating, 0, says(cont)),
			kind(atAuth, terminating, 0, says(permit))},
		{verify.WFP_039, nil, kind(atAuth, inspection, 0, says(block)),
			kind(atAuth, inspection, 0, says(cont))},
		{verify.WFP_040, nil, kind(atRedirect, terminating, 0, says(cont)),
			kind(atRedirect, unknown, 0, says(cont))},
		{verify.WFP_041, nil, underHardBlock(permits), underHardBlock(func(a *args) {
			if a.out.Rights&write != 0 {
				a.permit()
			}
		})},
		{verify.WFP_042, nil, onAuth(says(block)), onAuth(blocks)},
		{verify.WFP_043, nil, kind(atAuth, terminating, hard, says(permit)),
			kind(atAuth, terminating, hard, hardPermit)},
		{verify.WFP_044, nil, onAuth(hardPermit), onAuth(permits)},
		{verify.WFP_045, nil, underHardBlock(func(a *args) { a.out.Rights |= write }),
			underHardBlock(func(*args) {})},
		{verify.WFP_046, nil, onAuth(func(a *args) {
			*a.out = fwps.FWPS_CLASSIFY_OUT0{ActionType: permit, Rights: write}
		}), onAuth(permits)},
		{verify.WFP_047, nil, onAuth(func(*args) {}), onAuth(permits)},
		{verify.WFP_048, nil, absorb(tcpip.AuthConnect, atAuth, permit),
			absorb(tcpip.AuthConnect, atAuth, block)},
		{verify.WFP_049, nil, absorb(tcpip.FlowEstablished, atFlow, block),
			absorb(tcpip.AuthConnect, atAuth, block)},
		{verify.WFP_050, nil, onFlow(blocks), onFlow(permits)},
		{verify.WFP_052, nil, onRedirect(blocks), onRedirect(permits)},
	}
}

// Rule: WFP-038, WFP-039, WFP-040, WFP-041, WFP-042, WFP-043, WFP-044, WFP-045, WFP-046, WFP-047, WFP-048
// Rule: WFP-049
// Rule: WFP-050, WFP-052
func TestClassifyFn_AnswersWrongly(t *testing.T) { trip(t, answers()) }

// Near miss: WFP-038, WFP-039, WFP-040, WFP-041, WFP-042, WFP-043, WFP-044, WFP-045, WFP-046, WFP-047
// Near miss: WFP-048, WFP-049
// Near miss: WFP-050, WFP-052
func TestClassifyFn_AnswersWell(t *testing.T) { miss(t, answers()) }

// inputs are the cases about what classifyFn reads.
func inputs() []ruleCase {
	const localField = fwps.FWPS_FIELD_ALE_CONNECT_REDIRECT_V4_IP_LOCAL_ADDRESS
	keeps := func(later func(in *fwps.FWPS_INCOMING_VALUES0, layer uint16)) func(l *lab) {
		return onRedirect(func(a *args) {
			layer := a.in.LayerId()
			a.pend(func(k *irql.K, p *pended) {
				later(p.in, layer)
				p.done(k)
			})
		})
	}
	to := func(s string) func(l *lab) {
		return redirects(with(func(p *plan) { p.remote = netip.MustParseAddrPort(s) }))
	}
	return []ruleCase{
		{verify.WFP_053, nil, onRedirect(func(a *args) {
			a.permit()
			a.meta.FlowHandle()
		}), onRedirect(func(a *args) {
			a.permit()
			if fwps.FWPS_IS_METADATA_FIELD_PRESENT(a.meta, fwps.FWPS_METADATA_FIELD_FLOW_HANDLE) {
				a.meta.FlowHandle()
			}
			a.meta.ProcessId()
		})},
		{verify.WFP_054, nil, keeps(func(in *fwps.FWPS_INCOMING_VALUES0, _ uint16) { in.LayerId() }),
			keeps(func(_ *fwps.FWPS_INCOMING_VALUES0, layer uint16) { _ = layer })},
		{verify.WFP_055, nil, onRedirect(func(a *args) {
			a.permit()
			a.in.IncomingValue(localField).Value().Uint32()
		}), onRedirect(func(a *args) {
			a.permit()
			if v := a.in.IncomingValue(localField).Value(); v.Type() != fwps.FWP_EMPTY {
				v.Uint32()
			}
		})},
		{verify.WFP_056, nil, onRedirect(func(a *args) {
			a.permit()
			a.in.IncomingValue(fwps.FWPS_FIELD_ALE_AUTH_CONNECT_V4_FLAGS)
		}), onRedirect(func(a *args) {
			a.permit()
			a.in.IncomingValue(fwps.FWPS_FIELD_ALE_CONNECT_REDIRECT_V6_FLAGS).Value().Uint32()
		})},
		{verify.WFP_057, nil, to("198.51.100.7:47873"), to("198.51.100.7:8443")},
		// 443 is 0x01BB, 47873 is 0xBB01
	}
}

// Rule: WFP-053, WFP-054, WFP-055, WFP-056, WFP-057
func TestClassifyFn_ReadsWrongly(t *testing.T) { trip(t, inputs()) }

// Near miss: WFP-053, WFP-054, WFP-055, WFP-056, WFP-057
func TestClassifyFn_ReadsWell(t *testing.T) { miss(t, inputs()) }
