package fwps_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// registering is how a version of a callout is registered: with classifyFn fn and flags.
type registering func(k *irql.K, d *driver, h *hook, flags uint32) ntstatus.NTSTATUS

func registers0(k *irql.K, d *driver, h *hook, flags uint32) ntstatus.NTSTATUS {
	return fwps.FwpsCalloutRegister0(k, d.dev, &fwps.FWPS_CALLOUT0{CalloutKey: h.key, Flags: flags,
		ClassifyFn: func(k *irql.K, in *fwps.FWPS_INCOMING_VALUES0, meta *fwps.FWPS_INCOMING_METADATA_VALUES0,
			layerData any, filter *fwps.FWPS_FILTER0, flow uint64, out *fwps.FWPS_CLASSIFY_OUT0) {
			h.fn(&args{d, k, in, meta, layerData, nil, (*fwps.FWPS_FILTER1)(filter), flow, out})
		},
		NotifyFn: func(*irql.K, fwps.FWPS_CALLOUT_NOTIFY_TYPE, *fwps.GUID,
			*fwps.FWPS_FILTER0) ntstatus.NTSTATUS {
			h.calls++
			return ok
		}}, &h.id)
}

func registers1(k *irql.K, d *driver, h *hook, flags uint32) ntstatus.NTSTATUS {
	c := d.describe(h)
	c.Flags = flags
	c.NotifyFn = func(*irql.K, fwps.FWPS_CALLOUT_NOTIFY_TYPE, *fwps.GUID,
		*fwps.FWPS_FILTER1) ntstatus.NTSTATUS {
		h.calls++
		return ok
	}
	return fwps.FwpsCalloutRegister1(k, d.dev, c, &h.id)
}

func registers2(k *irql.K, d *driver, h *hook, flags uint32) ntstatus.NTSTATUS {
	return fwps.FwpsCalloutRegister2(k, d.dev, &fwps.FWPS_CALLOUT2{CalloutKey: h.key, Flags: flags,
		ClassifyFn: func(k *irql.K, in *fwps.FWPS_INCOMING_VALUES0, meta *fwps.FWPS_INCOMING_METADATA_VALUES0,
			layerData, ctx any, filter *fwps.FWPS_FILTER2, flow uint64, out *fwps.FWPS_CLASSIFY_OUT0) {
			h.fn(&args{d, k, in, meta, layerData, ctx, (*fwps.FWPS_FILTER1)(filter), flow, out})
		},
		NotifyFn: func(*irql.K, fwps.FWPS_CALLOUT_NOTIFY_TYPE, *fwps.GUID,
			*fwps.FWPS_FILTER2) ntstatus.NTSTATUS {
			h.calls++
			return ok
		}}, &h.id)
}

func registers3(k *irql.K, d *driver, h *hook, flags uint32) ntstatus.NTSTATUS {
	return fwps.FwpsCalloutRegister3(k, d.dev, &fwps.FWPS_CALLOUT3{CalloutKey: h.key, Flags: flags,
		ClassifyFn: func(k *irql.K, in *fwps.FWPS_INCOMING_VALUES0, meta *fwps.FWPS_INCOMING_METADATA_VALUES0,
			layerData, ctx any, filter *fwps.FWPS_FILTER3, flow uint64, out *fwps.FWPS_CLASSIFY_OUT0) {
			h.fn(&args{d, k, in, meta, layerData, ctx, (*fwps.FWPS_FILTER1)(filter), flow, out})
		},
		NotifyFn: func(*irql.K, fwps.FWPS_CALLOUT_NOTIFY_TYPE, *fwps.GUID,
			*fwps.FWPS_FILTER3) ntstatus.NTSTATUS {
			h.calls++
			return ok
		}}, &h.id)
}

var allVersions = []registering{registers0, registers1, registers2, registers3}

// hooked loads a driver with a callout of a version.
func (l *lab) hooked(r registering, w where, flags uint32, fn func(a *args)) (*driver, *hook) {
	h := &hook{key: fwps.GUID{Data1: 0xca}, fn: fn}
	return l.load("redir.sys", func(k *irql.K, d *driver) {
		d.hooks = append(d.hooks, h)
		require.Equal(l.t, ok, r(k, d, h, flags))
		d.addObjects(k, w, h)
		require.Equal(l.t, ok, d.addFilter(k, w, h, &h.filter))
	}), h
}

// TestFwpsCalloutRegister_EveryVersion: each is asked, is told of its filters, and goes away by key and by
// id.
// Reference: wfp.md 1.3, 2.2.
func TestFwpsCalloutRegister_EveryVersion(t *testing.T) {
	for i, r := range allVersions {
		l := newLab(t)
		asked := 0
		d, h := l.hooked(r, atAuth, 0, func(a *args) {
			asked++
			assert.Equal(t, i > 0, a.ctx != nil, "classifyContext")
			assert.Equal(t, h0(a).filter, a.filter.FilterId)
			a.block()
		})
		assert.False(t, l.auth().answer.Permit)
		assert.Equal(t, 1, asked, "version %d", i)
		if i != 1 { // there classifyFn is counted, too
			assert.Equal(t, 1, h.calls, "version %d", i)
		}
		d.as(func(k *irql.K) {
			assert.Equal(t, ntstatus.STATUS_FWP_NULL_POINTER, fwps.FwpsCalloutUnregisterByKey0(k, nil))
			assert.Equal(t, ok, fwps.FwpsCalloutUnregisterByKey0(k, &h.key))
			assert.Equal(t, ntstatus.STATUS_FWP_CALLOUT_NOT_FOUND, fwps.FwpsCalloutUnregisterById0(k, h.id))
			assert.Equal(t, ok, r(k, d, h, 0), "the key is free again")
			assert.Equal(t, ok, fwps.FwpsCalloutUnregisterById0(k, h.id))
			h.fn = permits
			assert.Equal(t, ok, r(k, d, h, 0))
		})
		l.m.Run(nil)
		l.end(d)
		l.silent()
	}
}

// h0 is the callout of a driver that has one.
func h0(a *args) *hook { return a.d.hooks[0] }

func TestFwpsCalloutRegister_NullOfEveryVersion(t *testing.T) {
	inThread(func(k *irql.K, d *driver) {
		assert.Equal(t, ntstatus.STATUS_FWP_NULL_POINTER, fwps.FwpsCalloutRegister0(k, d.dev, nil, nil))
		assert.Equal(t, ntstatus.STATUS_FWP_NULL_POINTER, fwps.FwpsCalloutRegister1(k, d.dev, nil, nil))
		assert.Equal(t, ntstatus.STATUS_FWP_NULL_POINTER, fwps.FwpsCalloutRegister2(k, d.dev, nil, nil))
		assert.Equal(t, ntstatus.STATUS_FWP_NULL_POINTER, fwps.FwpsCalloutRegister3(k, d.dev, nil, nil))
	})(newLab(t))
}

// versions are the cases about versions of a callout.
func versions() []ruleCase {
	redirecting := func(r registering) func(l *lab) {
		return func(l *lab) {
			l.hooked(r, atRedirect, 0, permits)
			l.connect()
		}
	}
	filterFirst := func(r registering) func(l *lab) {
		return func(l *lab) {
			l.load("redir.sys", func(k *irql.K, d *driver) {
				h := &hook{key: fwps.GUID{Data1: 0xca}, fn: permits}
				w := atRedirect.doing(fwps.FWP_ACTION_CALLOUT_UNKNOWN,
					fwpm.FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED)
				d.addObjects(k, w, h)
				d.addFilter(k, w, h, nil)
				r(k, d, h, 0)
			})
			l.connect()
		}
	}
	flags := func(r registering, f uint32) func(l *lab) {
		return func(l *lab) { l.hooked(r, atAuth, f, permits) }
	}
	vetoes := func(hard uint32) func(l *lab) {
		return func(l *lab) {
			l.load("filters.sys", func(k *irql.K, d *driver) {
				d.plain(k, atAuth.weighing(0x200).doing(permit, hard))
				d.hook(k, atAuth, (*args).block)
			})
			l.auth()
		}
	}
	return []ruleCase{
		{verify.WFP_012, nil, redirecting(registers0), redirecting(registers1)},
		{verify.WFP_012, nil, filterFirst(registers0), filterFirst(registers2)},
		{verify.WFP_023, nil, flags(registers0, fwps.FWP_CALLOUT_FLAG_ALLOW_RECLASSIFY),
			flags(registers3, fwps.FWP_CALLOUT_FLAG_ALLOW_RECLASSIFY)},
		{verify.WFP_060, nil, vetoes(fwpm.FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT), vetoes(0)},
	}
}

// Rule: WFP-012, WFP-023, WFP-060
func TestVersions_Misused(t *testing.T) { trip(t, versions()) }

// Near miss: WFP-012, WFP-023, WFP-060
func TestVersions_WellUsed(t *testing.T) { miss(t, versions()) }

// TestNotifyFn_DeletionOfAnOlderFilter: no key, and a context that the driver never set.
// Reference: wfp.md 2.4 (WFP-026, WFP-027).
func TestNotifyFn_DeletionOfAnOlderFilter(t *testing.T) {
	l := newLab(t)
	var got []string
	var kept *fwps.FWPS_FILTER1
	l.load("redir.sys", func(k *irql.K, d *driver) {
		h := &hook{key: fwps.GUID{Data1: 0xca}, fn: permits}
		d.addObjects(k, atAuth, h)
		require.Equal(t, ok, d.addFilter(k, atAuth, h, &h.filter))
		c := d.describe(h)
		c.NotifyFn = func(_ *irql.K, n fwps.FWPS_CALLOUT_NOTIFY_TYPE, key *fwps.GUID,
			f *fwps.FWPS_FILTER1) ntstatus.NTSTATUS {
			assert.Equal(t, fwps.FWPS_CALLOUT_NOTIFY_DELETE_FILTER, n)
			assert.Nil(t, key)
			assert.Zero(t, f.Context)
			assert.Equal(t, h.filter, f.FilterId)
			got, kept = append(got, "deleted"), f
			return ok
		}
		require.Equal(t, ok, fwps.FwpsCalloutRegister1(k, d.dev, c, &h.id))
		require.Equal(t, ok, fwpm.FwpmFilterDeleteById0(k, d.engine, h.filter))
		assert.NotEqual(t, h.filter, kept.FilterId, "what is kept is overwritten (WFP-028)")
	})
	assert.Equal(t, []string{"deleted"}, got)
}
