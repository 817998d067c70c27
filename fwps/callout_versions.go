package fwps

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/internal/wfp"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// shape is what the versions of FWPS_CALLOUT differ in beyond the shape of their routines (wfp.md 1.3).
type shape struct {
	number int
	ddi    ddi.ID
	site   *ke.Site
	flags  uint32 // those that the structure knows
}

// Flags that are documented: those of version 0 (wfp.md 2.1, 6.) and all of them.
const (
	calloutFlags0 = FWP_CALLOUT_FLAG_CONDITIONAL_ON_FLOW | FWP_CALLOUT_FLAG_ALLOW_OFFLOAD
	calloutFlags  = 0x3DF
)

var (
	siteRegister0 = fails("FwpsCalloutRegister0")
	siteRegister1 = fails("FwpsCalloutRegister1")
	siteRegister2 = fails("FwpsCalloutRegister2")
	siteRegister3 = fails("FwpsCalloutRegister3")

	version0 = shape{0, ddi.FwpsCalloutRegister0, &siteRegister0, calloutFlags0}
	version1 = shape{1, ddi.FwpsCalloutRegister1, &siteRegister1, calloutFlags}
	version2 = shape{2, ddi.FwpsCalloutRegister2, &siteRegister2, calloutFlags}
	version3 = shape{3, ddi.FwpsCalloutRegister3, &siteRegister3, calloutFlags}
)

// fails makes the site of a registration.
func fails(name string) ke.Site {
	return ke.Site{Name: "fault/" + name, Alts: []string{"succeeds", "STATUS_INSUFFICIENT_RESOURCES"},
		Spec: "wfp.md 19.1"}
}

// codeAt is what the code of every version has in common.
func codeAt(key GUID, flags uint32, classify, notify uintptr,
	flowDelete FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN0) *code {
	return &code{key: key, flags: flags, classifyAt: classify, notifyAt: notify, flowDelete: flowDelete,
		flowDeleteAt: ke.CodeOf(flowDelete)}
}

// code makes the code of a FWPS_CALLOUT0, whose classifyFn gets no classifyContext; nil of NULL.
func (c *FWPS_CALLOUT0) code() *code {
	if c == nil {
		return nil
	}
	out := codeAt(c.CalloutKey, c.Flags, ke.CodeOf(c.ClassifyFn), ke.CodeOf(c.NotifyFn), c.FlowDeleteFn)
	if fn := c.ClassifyFn; fn != nil {
		out.classify = func(k *irql.K, cl *call) {
			fn(k, cl.in, cl.meta, cl.data, (*FWPS_FILTER0)(cl.filter), cl.flowContext(), cl.out)
		}
	}
	if fn := c.NotifyFn; fn != nil {
		out.notify = func(k *irql.K, t FWPS_CALLOUT_NOTIFY_TYPE, key *GUID,
			f *FWPS_FILTER1) ntstatus.NTSTATUS {
			return fn(k, t, key, (*FWPS_FILTER0)(f))
		}
	}
	return out
}

// code makes the code of a FWPS_CALLOUT1; nil of NULL.
func (c *FWPS_CALLOUT1) code() *code {
	if c == nil {
		return nil
	}
	out := codeAt(c.CalloutKey, c.Flags, ke.CodeOf(c.ClassifyFn), ke.CodeOf(c.NotifyFn), c.FlowDeleteFn)
	if fn := c.ClassifyFn; fn != nil {
		out.classify = func(k *irql.K, cl *call) {
			fn(k, cl.in, cl.meta, cl.data, cl.context(), cl.filter, cl.flowContext(), cl.out)
		}
	}
	out.notify = c.NotifyFn
	return out
}

// code makes the code of a FWPS_CALLOUT2; nil of NULL.
func (c *FWPS_CALLOUT2) code() *code {
	if c == nil {
		return nil
	}
	out := codeAt(c.CalloutKey, c.Flags, ke.CodeOf(c.ClassifyFn), ke.CodeOf(c.NotifyFn), c.FlowDeleteFn)
	if fn := c.ClassifyFn; fn != nil {
		out.classify = func(k *irql.K, cl *call) {
			fn(k, cl.in, cl.meta, cl.data, cl.context(), (*FWPS_FILTER2)(cl.filter), cl.flowContext(), cl.out)
		}
	}
	if fn := c.NotifyFn; fn != nil {
		out.notify = func(k *irql.K, t FWPS_CALLOUT_NOTIFY_TYPE, key *GUID,
			f *FWPS_FILTER1) ntstatus.NTSTATUS {
			return fn(k, t, key, (*FWPS_FILTER2)(f))
		}
	}
	return out
}

// code makes the code of a FWPS_CALLOUT3; nil of NULL.
func (c *FWPS_CALLOUT3) code() *code {
	if c == nil {
		return nil
	}
	out := codeAt(c.CalloutKey, c.Flags, ke.CodeOf(c.ClassifyFn), ke.CodeOf(c.NotifyFn), c.FlowDeleteFn)
	if fn := c.ClassifyFn; fn != nil {
		out.classify = func(k *irql.K, cl *call) {
			fn(k, cl.in, cl.meta, cl.data, cl.context(), (*FWPS_FILTER3)(cl.filter), cl.flowContext(), cl.out)
		}
	}
	if fn := c.NotifyFn; fn != nil {
		out.notify = func(k *irql.K, t FWPS_CALLOUT_NOTIFY_TYPE, key *GUID,
			f *FWPS_FILTER1) ntstatus.NTSTATUS {
			return fn(k, t, key, (*FWPS_FILTER3)(f))
		}
	}
	return out
}

// FwpsCalloutRegister0 ties code to a callout key, as FwpsCalloutRegister1 does, in the form of Windows
// Vista: classifyFn gets no classifyContext, so that it can neither pend a classification nor redirect.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: callout may go away after the call; the device must stay until the callout is unregistered.
// Returns: as FwpsCalloutRegister1.
// Rules: WFP-002, WFP-010, WFP-011, WFP-012, WFP-022, WFP-023, WFP-024.
// Reference: fwpsk/nf-fwpsk-fwpscalloutregister0.
func FwpsCalloutRegister0(k *irql.K, deviceObject *irp.DEVICE_OBJECT, callout *FWPS_CALLOUT0,
	calloutId *uint32) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.FwpsCalloutRegister0)
	return state.Of(k).register(k, version0, deviceObject, callout.code(), calloutId)
}

// FwpsCalloutRegister1 ties code to a callout key. Filters that name the key call it from now on.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: callout may go away after the call; the device must stay until the callout is unregistered.
// Returns: STATUS_SUCCESS; STATUS_FWP_ALREADY_EXISTS for a key that is registered; STATUS_FWP_NULL_POINTER;
// STATUS_FWP_TOO_MANY_CALLOUTS; STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-002, WFP-010, WFP-011, WFP-022, WFP-023, WFP-024.
// Not modelled: boot-time start.
// Reference: fwpsk/nf-fwpsk-fwpscalloutregister1.
func FwpsCalloutRegister1(k *irql.K, deviceObject *irp.DEVICE_OBJECT, callout *FWPS_CALLOUT1,
	calloutId *uint32) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.FwpsCalloutRegister1)
	return state.Of(k).register(k, version1, deviceObject, callout.code(), calloutId)
}

// FwpsCalloutRegister2 is FwpsCalloutRegister1 with the structures of Windows 8.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: callout may go away after the call; the device must stay until the callout is unregistered.
// Returns: as FwpsCalloutRegister1.
// Rules: as FwpsCalloutRegister1.
// Reference: fwpsk/nf-fwpsk-fwpscalloutregister2.
func FwpsCalloutRegister2(k *irql.K, deviceObject *irp.DEVICE_OBJECT, callout *FWPS_CALLOUT2,
	calloutId *uint32) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.FwpsCalloutRegister2)
	return state.Of(k).register(k, version2, deviceObject, callout.code(), calloutId)
}

// FwpsCalloutRegister3 is FwpsCalloutRegister1 with the structures of Windows 10. It has no page of its own.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: callout may go away after the call; the device must stay until the callout is unregistered.
// Returns: as FwpsCalloutRegister1.
// Rules: as FwpsCalloutRegister1.
// Reference: fwpsk.h.
func FwpsCalloutRegister3(k *irql.K, deviceObject *irp.DEVICE_OBJECT, callout *FWPS_CALLOUT3,
	calloutId *uint32) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.FwpsCalloutRegister3)
	return state.Of(k).register(k, version3, deviceObject, callout.code(), calloutId)
}

// checkVersion reports a callout of version 0 at a layer that redirects, once: it gets no classifyContext
// there (wfp.md 2.1, 4.).
func (e *engine) checkVersion(k *ke.K, r *registration, f *wfp.Filter) {
	info := layerOf(f.Layer)
	if r.version.number > 0 || !info.redirects() || r.versionTold {
		return
	}
	r.versionTold = true
	ke.Report(k, verify.Finding{Rule: verify.WFP_012, Obj: r.tid.String(), Driver: imageNameOf(r.owner),
		Headline: "a callout of version 0 is called at " + info.name + ", and gets no classifyContext there",
		Places:   []verify.Place{{Label: "REGISTERED", Seq: r.seq}}})
}

// checkFilters makes checkVersion for the filters that were there before the registration.
func (e *engine) checkFilters(k *ke.K, r *registration) {
	if r.version.number > 0 {
		return
	}
	for _, f := range e.policy.Filters() {
		if f.Callout != nil && f.Callout.Key == r.key {
			e.checkVersion(k, r, f)
		}
	}
}
