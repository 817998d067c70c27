package fwps_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/fwps"
	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/wsk/ws2def"
)

// The logic of published drivers in words of our own, and the reports that docs/spec/wfp.md 25 expects of it:
// those appear and no other. What is about flows, streams and packets is tested where that is.

// publishedCase is a driver, or a path of one.
type publishedCase struct {
	name string
	w    where
	pins []ke.Pin
	fn   func(a *args)
	want []string
}

// published runs each case under both levels of the layer.
func published(t *testing.T, cases []publishedCase) {
	t.Helper()
	for _, c := range cases {
		for _, level := range []ke.Pin{dispatch, passive} {
			l := newLab(t, append(slices.Clone(c.pins), level)...)
			d := l.load("published.sys", func(k *irql.K, d *driver) {
				d.hook(k, c.w, c.fn)
				d.hook(k, atAuth, permits)
			})
			conn := l.connect()
			require.Equal(t, 1, conn.answers, c.name)
			conn.authorise()
			conn.gone()
			l.end(d)
			got := l.found()
			slices.Sort(got)
			assert.Equal(t, c.want, slices.Compact(got), "%s: %q", c.name, l.story())
		}
	}
}

// ebpfRedirects is net_ebpf_ext_sock_addr: inline, with a look at the state and the history.
func ebpfRedirects(a *args) {
	a.out.ActionType = fwps.FWP_ACTION_PERMIT
	if a.again() {
		return
	}
	switch a.state() {
	case fwps.FWPS_CONNECTION_REDIRECTED_BY_SELF, fwps.FWPS_CONNECTION_PREVIOUSLY_REDIRECTED_BY_SELF:
		return
	}
	request := a.data.(*fwps.FWPS_CONNECT_REQUEST0)
	for v := request.PreviousVersion; v != nil; v = v.PreviousVersion {
		if v.ModifierFilterId == a.filter.FilterId {
			return
		}
	}
	var h uint64
	if fwps.FwpsAcquireClassifyHandle0(a.k, a.ctx, 0, &h) != ok {
		return
	}
	var data any
	if fwps.FwpsAcquireWritableLayerDataPointer0(a.k, h, a.filter.FilterId, 0, &data, a.out) == ok {
		r := data.(*fwps.FWPS_CONNECT_REQUEST0)
		context := irp.ExAllocatePool2(a.k, irp.POOL_FLAG_NON_PAGED, 64, tag)
		r.RemoteAddressAndPort = ws2def.Storage(proxy)
		r.LocalRedirectTargetPID, r.LocalRedirectHandle = 1234, a.d.handle // the same number for everybody
		r.LocalRedirectContext, r.LocalRedirectContextSize = context, 64
		fwps.FwpsApplyModifiedLayerData0(a.k, h, data, 0)
	}
	a.out.ActionType = fwps.FWP_ACTION_PERMIT
	a.out.Rights |= fwps.FWPS_RIGHT_ACTION_WRITE
	fwps.FwpsReleaseClassifyHandle0(a.k, h)
}

// piaRedirects is the connect callout of a split tunnel: only the local address, a hard permit by habit, and
// the address of the variable where the pointer belongs.
func piaRedirects(a *args) {
	var h uint64
	if fwps.FwpsAcquireClassifyHandle0(a.k, a.ctx, 0, &h) != ok {
		return
	}
	var data any
	if fwps.FwpsAcquireWritableLayerDataPointer0(a.k, h, a.filter.FilterId, 0, &data, a.out) == ok {
		r := data.(*fwps.FWPS_CONNECT_REQUEST0)
		r.LocalAddressAndPort = ws2def.Storage(tunnel)
		fwps.FwpsApplyModifiedLayerData0(a.k, h, &data, 0)
	}
	a.out.ActionType = fwps.FWP_ACTION_PERMIT
	a.out.Rights &^= fwps.FWPS_RIGHT_ACTION_WRITE
	fwps.FwpsReleaseClassifyHandle0(a.k, h)
}

// samplerChanges is the proxy callout of WFPSampler up to the change, which it applies in the worker when it
// pends.
func samplerChanges(a *args) (h uint64, data any, acquired bool) {
	require.Equal(a.d.l.t, ok, fwps.FwpsAcquireClassifyHandle0(a.k, a.ctx, 0, &h))
	s := fwps.FwpsAcquireWritableLayerDataPointer0(a.k, h, a.filter.FilterId, 0, &data, a.out)
	if s != ok {
		return h, nil, false
	}
	r := data.(*fwps.FWPS_CONNECT_REQUEST0)
	r.RemoteAddressAndPort = ws2def.Storage(proxy)
	r.LocalRedirectTargetPID, r.LocalRedirectHandle = 1234, a.d.handle
	return h, data, true
}

// tunnel is the address of the adapter.
var tunnel = netip.MustParseAddrPort("10.8.0.2:50000")

const reauthorize = fwps.FWPS_CLASSIFY_FLAG_REAUTHORIZE_IF_MODIFIED_BY_OTHERS

func samplerInline(a *args) {
	if a.again() || a.state() != fwps.FWPS_CONNECTION_NOT_REDIRECTED {
		a.permit()
		return
	}
	h, data, acquired := samplerChanges(a)
	if !acquired {
		a.out.ActionType = fwps.FWP_ACTION_BLOCK
		fwps.FwpsReleaseClassifyHandle0(a.k, h)
		return
	}
	fwps.FwpsApplyModifiedLayerData0(a.k, h, data, reauthorize)
	a.out.ActionType = fwps.FWP_ACTION_PERMIT
	a.out.Rights ^= fwps.FWPS_RIGHT_ACTION_WRITE
	fwps.FwpsReleaseClassifyHandle0(a.k, h)
}

func samplerPends(a *args) {
	if a.again() || a.state() != fwps.FWPS_CONNECTION_NOT_REDIRECTED {
		a.permit()
		return
	}
	h, data, _ := samplerChanges(a)
	require.Equal(a.d.l.t, ok, fwps.FwpsPendClassify0(a.k, h, a.filter.FilterId, 0, a.out))
	a.out.ActionType = fwps.FWP_ACTION_BLOCK
	a.out.Rights ^= fwps.FWPS_RIGHT_ACTION_WRITE // sets what the acquire has cleared (wfp.md 21 #8)
	out := *a.out
	item := irp.IoAllocateWorkItem(a.k, a.d.dev)
	irp.IoQueueWorkItem(a.k, item, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ any) {
		irp.IoFreeWorkItem(k, item)
		fwps.FwpsApplyModifiedLayerData0(k, h, data, reauthorize)
		out.ActionType = fwps.FWP_ACTION_PERMIT
		out.Rights |= fwps.FWPS_RIGHT_ACTION_WRITE
		fwps.FwpsCompleteClassify0(k, h, 0, &out)
		fwps.FwpsReleaseClassifyHandle0(k, h)
	}, irp.DelayedWorkQueue, nil)
}

// TestPublished_ReportsAreThoseExpected. Reference: docs/spec/wfp.md 25.
func TestPublished_ReportsAreThoseExpected(t *testing.T) {
	terminating := atRedirect.doing(fwps.FWP_ACTION_CALLOUT_TERMINATING, 0)
	acquireFails := []ke.Pin{pin("fault/FwpsAcquireWritableLayerDataPointer0", 1)}
	published(t, []publishedCase{
		{"ebpf-for-windows", atRedirect, nil, ebpfRedirects, nil},
		{"ebpf-for-windows without memory", atRedirect, acquireFails, ebpfRedirects, nil},
		{"pia", terminating, nil, piaRedirects, []string{"WFP-044", "WFP-085", "WFP-090"}},
		{"pia, an early return", terminating, nil, func(*args) {}, []string{"WFP-047"}},
		{"WFPSampler inline", terminating, nil, samplerInline, []string{"WFP-087"}},
		{"WFPSampler pended", terminating, nil, samplerPends, []string{"WFP-066"}},
		{"WFPSampler on its error path", terminating, acquireFails, samplerInline,
			[]string{"WFP-042", "WFP-052"}},
	})
}
