// Package callouts has what pendblock, redirhandle and inlinereauth find.
package callouts

import (
	"calloutsim/fwps"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

type driver struct {
	handle irql.HANDLE
	guid   fwps.GUID
}

func (d *driver) forgetsToBlock(k *irql.K, in *fwps.FWPS_INCOMING_VALUES0,
	meta *fwps.FWPS_INCOMING_METADATA_VALUES0, layerData, classifyContext any, filter *fwps.FWPS_FILTER1,
	flow uint64, out *fwps.FWPS_CLASSIFY_OUT0) {
	fwps.FwpsPendClassify0(k, 1, filter.FilterId, 0, out) // want `pendblock: a classification is pended and ActionType is not set`
	d.makeHandle(k)
}

func (d *driver) makeHandle(k *irql.K) {
	fwps.FwpsRedirectHandleCreate0(k, &d.guid, 0, &d.handle) // want `redirhandle: FwpsRedirectHandleCreate0 is reached from a classifyFn`
}

func (d *driver) keepsTheRight(k *irql.K, in *fwps.FWPS_INCOMING_VALUES0,
	meta *fwps.FWPS_INCOMING_METADATA_VALUES0, layerData, classifyContext any, filter *fwps.FWPS_FILTER1,
	flow uint64, out *fwps.FWPS_CLASSIFY_OUT0) {
	s := fwps.FwpsPendClassify0(k, 1, filter.FilterId, 0, out) // want `pendblock: a classification is pended and FWPS_RIGHT_ACTION_WRITE is not cleared`
	if ntstatus.NT_SUCCESS(s) {
		out.ActionType = fwps.FWP_ACTION_BLOCK
	}
}

func (d *driver) pends(k *irql.K, in *fwps.FWPS_INCOMING_VALUES0,
	meta *fwps.FWPS_INCOMING_METADATA_VALUES0, layerData, classifyContext any, filter *fwps.FWPS_FILTER1,
	flow uint64, out *fwps.FWPS_CLASSIFY_OUT0) {
	if s := fwps.FwpsPendClassify0(k, 1, filter.FilterId, 0, out); ntstatus.NT_SUCCESS(s) {
		out.ActionType = fwps.FWP_ACTION_BLOCK
		out.Rights &^= fwps.FWPS_RIGHT_ACTION_WRITE
	}
	fwps.FwpsApplyModifiedLayerData0(k, 1, layerData, fwps.FWPS_CLASSIFY_FLAG_REAUTHORIZE_IF_MODIFIED_BY_OTHERS)
}

func (d *driver) inline(k *irql.K, in *fwps.FWPS_INCOMING_VALUES0,
	meta *fwps.FWPS_INCOMING_METADATA_VALUES0, layerData, classifyContext any, filter *fwps.FWPS_FILTER1,
	flow uint64, out *fwps.FWPS_CLASSIFY_OUT0) {
	fwps.FwpsApplyModifiedLayerData0(k, 1, layerData, // want `inlinereauth: an inline redirection asks for reauthorization`
		fwps.FWPS_CLASSIFY_FLAG_REAUTHORIZE_IF_MODIFIED_BY_OTHERS)
	fwps.FwpsApplyModifiedLayerData0(k, 1, layerData, 0)
}
