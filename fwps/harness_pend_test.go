package fwps_test

import (
	"github.com/stretchr/testify/require"

	"calloutsim/fwps"
	"calloutsim/irp"
	"calloutsim/irql"
)

// pended is what a driver keeps about a pended classification.
type pended struct {
	d        *driver
	handle   uint64
	filter   uint64
	out      fwps.FWPS_CLASSIFY_OUT0
	original *fwps.FWPS_CLASSIFY_OUT0
	ctx      any
	meta     *fwps.FWPS_INCOMING_METADATA_VALUES0
	in       *fwps.FWPS_INCOMING_VALUES0
	records  irql.HANDLE
}

// pend is the start of wfp.md 8.4 A; later runs in a work item.
func (a *args) pend(later func(k *irql.K, p *pended)) *pended {
	p := &pended{d: a.d, filter: a.filter.FilterId, original: a.out, ctx: a.ctx, meta: a.meta, in: a.in}
	if fwps.FWPS_IS_METADATA_FIELD_PRESENT(a.meta, fwps.FWPS_METADATA_FIELD_REDIRECT_RECORD_HANDLE) {
		p.records = a.meta.RedirectRecords()
	}
	require.Equal(a.d.l.t, ok, fwps.FwpsAcquireClassifyHandle0(a.k, a.ctx, 0, &p.handle))
	require.Equal(a.d.l.t, ok, fwps.FwpsPendClassify0(a.k, p.handle, p.filter, 0, a.out))
	a.block()
	p.out = *a.out
	if later == nil {
		return p
	}
	item := irp.IoAllocateWorkItem(a.k, a.d.dev)
	irp.IoQueueWorkItem(a.k, item, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ any) {
		irp.IoFreeWorkItem(k, item)
		later(k, p)
	}, irp.DelayedWorkQueue, nil)
	return p
}

// done completes with a permit and releases.
func (p *pended) done(k *irql.K) {
	p.complete(k)
	fwps.FwpsReleaseClassifyHandle0(k, p.handle)
}

func (p *pended) complete(k *irql.K) {
	p.out.ActionType = fwps.FWP_ACTION_PERMIT
	p.out.Rights |= fwps.FWPS_RIGHT_ACTION_WRITE
	fwps.FwpsCompleteClassify0(k, p.handle, 0, &p.out)
}
