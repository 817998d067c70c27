package fwps_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/fwps"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// The exemplar of style.md 3, word for word.

type styleDriver struct{ device *irp.DEVICE_OBJECT }

type stylePended struct {
	handle uint64
	item   *irp.IO_WORKITEM
	out    fwps.FWPS_CLASSIFY_OUT0 // deep copy: the engine's own dies when classifyFn returns
}

func (d *styleDriver) classifyFn1(k *irql.K, in *fwps.FWPS_INCOMING_VALUES0,
	meta *fwps.FWPS_INCOMING_METADATA_VALUES0,
	layerData, classifyContext any, filter *fwps.FWPS_FILTER1, flowContext uint64,
	out *fwps.FWPS_CLASSIFY_OUT0) {
	if out.Rights&fwps.FWPS_RIGHT_ACTION_WRITE == 0 {
		return // somebody heavier has decided
	}
	out.ActionType = fwps.FWP_ACTION_PERMIT // the answer if pending is not possible
	p := &stylePended{item: irp.IoAllocateWorkItem(k, d.device)}
	if p.item == nil {
		return
	}
	if s := fwps.FwpsAcquireClassifyHandle0(k, classifyContext, 0, &p.handle); !ntstatus.NT_SUCCESS(s) {
		irp.IoFreeWorkItem(k, p.item)
		return
	}
	if s := fwps.FwpsPendClassify0(k, p.handle, filter.FilterId, 0, out); !ntstatus.NT_SUCCESS(s) {
		fwps.FwpsReleaseClassifyHandle0(k, p.handle)
		irp.IoFreeWorkItem(k, p.item)
		return
	}
	out.ActionType = fwps.FWP_ACTION_BLOCK
	out.Rights &^= fwps.FWPS_RIGHT_ACTION_WRITE
	p.out = *out
	irp.IoQueueWorkItem(k, p.item, stylePermitLater, irp.DelayedWorkQueue, p)
}

func stylePermitLater(k *irql.K, _ *irp.DEVICE_OBJECT, context any) {
	p := context.(*stylePended)
	irp.IoFreeWorkItem(k, p.item)
	p.out.ActionType = fwps.FWP_ACTION_PERMIT
	p.out.Rights |= fwps.FWPS_RIGHT_ACTION_WRITE
	fwps.FwpsCompleteClassify0(k, p.handle, 0, &p.out)
	fwps.FwpsReleaseClassifyHandle0(k, p.handle)
}

func TestStyle_ClassifyFnExampleRunsSilently(t *testing.T) {
	l := strict(t)
	d := l.load("redir.sys", func(k *irql.K, d *driver) {
		s := &styleDriver{d.dev}
		d.hook(k, atRedirect, func(a *args) {
			s.classifyFn1(a.k, a.in, a.meta, a.data, a.ctx, a.filter, 0, a.out)
		})
	})
	c := l.connect()
	assert.True(t, c.answer.Permit)
	l.end(d)
	l.silent()
}
