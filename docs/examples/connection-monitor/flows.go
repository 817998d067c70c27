package connectionmonitor

import (
	"calloutsim/fwps"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// flowFn1 gives every flow that is established a record as context for the callout at ENDPOINT_CLOSURE.
func (d *Monitor) flowFn1(k *irql.K, _ *fwps.FWPS_INCOMING_VALUES0,
	meta *fwps.FWPS_INCOMING_METADATA_VALUES0, _, _ any, _ *fwps.FWPS_FILTER1, _ uint64,
	out *fwps.FWPS_CLASSIFY_OUT0) {
	out.ActionType = fwps.FWP_ACTION_CONTINUE
	if !fwps.FWPS_IS_METADATA_FIELD_PRESENT(meta, fwps.FWPS_METADATA_FIELD_FLOW_HANDLE) {
		return
	}
	if !irql.ExAcquireRundownProtection(k, &d.rundown) {
		return
	}
	d.watch(k, meta.FlowHandle())
	irql.ExReleaseRundownProtection(k, &d.rundown)
}

// watch makes the record of a flow. It is on the list before it is on the flow: flowDeleteFn may come at
// once.
func (d *Monitor) watch(k *irql.K, flow uint64) {
	b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, recordSize, tag)
	if b == nil {
		return // a connection that nobody watches
	}
	r := irp.As[record](b)
	r.refs, r.flow = 1, flow
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	d.records = append(d.records, b)
	irql.KeReleaseSpinLock(k, &d.lock, old)
	// STATUS_OBJECT_NAME_EXISTS is a success for NT_SUCCESS, and the record would not be on the flow.
	s := fwps.FwpsFlowAssociateContext0(k, flow, fwps.FWPS_LAYER_ALE_ENDPOINT_CLOSURE_V4, d.closure,
		irp.ToNumber(b))
	if !ntstatus.NT_SUCCESS(s) || s == ntstatus.STATUS_OBJECT_NAME_EXISTS {
		d.forget(k, b)
		return
	}
	irql.InterlockedIncrement(k, &d.Seen)
}

// closureFn1 notes in the record of a connection that its program has closed it.
func (d *Monitor) closureFn1(k *irql.K, _ *fwps.FWPS_INCOMING_VALUES0,
	_ *fwps.FWPS_INCOMING_METADATA_VALUES0, _, _ any, _ *fwps.FWPS_FILTER1, flowContext uint64,
	out *fwps.FWPS_CLASSIFY_OUT0) {
	out.ActionType = fwps.FWP_ACTION_CONTINUE
	if flowContext != 0 { // the engine keeps the record as long as this routine runs
		b := irp.FromNumber(k, flowContext)
		irql.InterlockedExchange(k, &irp.As[record](b).closed, 1)
		if d.Defect == FreedAtClosure {
			d.forget(k, b)
		}
	}
}

// flowDeleteFn gives up the flow's reference to the record.
func (d *Monitor) flowDeleteFn(k *irql.K, _ uint16, _ uint32, flowContext uint64) {
	irql.InterlockedIncrement(k, &d.Ended)
	d.forget(k, irp.FromNumber(k, flowContext))
}

// forget takes a record off the list and gives up the reference that went with that.
func (d *Monitor) forget(k *irql.K, b *irp.Buffer) {
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	for i, o := range d.records {
		if o == b {
			d.records = append(d.records[:i], d.records[i+1:]...)
			break
		}
	}
	irql.KeReleaseSpinLock(k, &d.lock, old)
	d.drop(k, b)
}

// drop gives up one reference to a record; the last one frees it.
func (d *Monitor) drop(k *irql.K, b *irp.Buffer) {
	if irql.InterlockedDecrement(k, &irp.As[record](b).refs) == 0 {
		irp.ExFreePoolWithTag(k, b, tag)
	}
}

// all gives the records on the list, each with a reference for the caller.
func (d *Monitor) all(k *irql.K) (out []*irp.Buffer) {
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	for _, b := range d.records {
		if d.Defect != NoReference {
			irql.InterlockedIncrement(k, &irp.As[record](b).refs)
		}
		out = append(out, b)
	}
	irql.KeReleaseSpinLock(k, &d.lock, old)
	return out
}

// report counts the connections, and those of them that are closed.
func (d *Monitor) report(k *irql.K) (open, closed uint32) {
	for _, b := range d.all(k) {
		open++
		if irql.InterlockedCompareExchange(k, &irp.As[record](b).closed, 0, 0) != 0 {
			closed++
		}
		if d.Defect != NoReference {
			d.drop(k, b)
		}
	}
	return open, closed
}

// removeAll takes the contexts off their flows. What FwpsFlowRemoveContext0 returns is all one: flowDeleteFn
// has been called, will be, or the flow has just ended and it was called for that.
func (d *Monitor) removeAll(k *irql.K) {
	if d.Defect == RemovedUnderLock {
		d.removeUnderLock(k)
		return
	}
	for _, b := range d.all(k) {
		flow := irp.As[record](b).flow
		fwps.FwpsFlowRemoveContext0(k, flow, fwps.FWPS_LAYER_ALE_ENDPOINT_CLOSURE_V4, d.closure)
		d.drop(k, b)
		if d.Defect == FreedAfterRemove {
			irp.ExFreePoolWithTag(k, b, tag)
		}
	}
}

func (d *Monitor) removeUnderLock(k *irql.K) {
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	for _, b := range d.records {
		fwps.FwpsFlowRemoveContext0(k, irp.As[record](b).flow, fwps.FWPS_LAYER_ALE_ENDPOINT_CLOSURE_V4,
			d.closure)
	}
	irql.KeReleaseSpinLock(k, &d.lock, old)
}
