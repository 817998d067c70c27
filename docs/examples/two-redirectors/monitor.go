package tworedirectors

import (
	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Monitor is a driver that looks at every connection at ALE_AUTH_CONNECT_V4 and decides nothing.
type Monitor struct {
	Weight uint16 // 0 is Light

	rival      rival
	Seen       int32
	Redirected int32 // of those, connections that somebody redirected
	Proxied    int32 // of those, connections of proxies
}

// DriverEntry starts the monitor.
func (m *Monitor) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) { m.rival.stop(k) }
	if m.Weight == 0 {
		m.Weight = Light
	}
	return m.rival.start(k, drv, &callout{key: keyOf(2, m.Weight), layer: fwpm.FWPM_LAYER_ALE_AUTH_CONNECT_V4,
		weight: m.Weight, action: fwps.FWP_ACTION_CALLOUT_INSPECTION, classify: m.classifyFn1})
}

func (m *Monitor) classifyFn1(k *irql.K, in *fwps.FWPS_INCOMING_VALUES0,
	_ *fwps.FWPS_INCOMING_METADATA_VALUES0, _, _ any, _ *fwps.FWPS_FILTER1, _ uint64,
	out *fwps.FWPS_CLASSIFY_OUT0) {
	irql.InterlockedIncrement(k, &m.Seen)
	flags := in.IncomingValue(fwps.FWPS_FIELD_ALE_AUTH_CONNECT_V4_FLAGS).Value().Uint32()
	if flags&fwps.FWP_CONDITION_FLAG_IS_CONNECTION_REDIRECTED != 0 {
		irql.InterlockedIncrement(k, &m.Redirected)
	}
	if flags&fwps.FWP_CONDITION_FLAG_IS_PROXY_CONNECTION != 0 {
		irql.InterlockedIncrement(k, &m.Proxied)
	}
	if out.Rights&fwps.FWPS_RIGHT_ACTION_WRITE != 0 {
		out.ActionType = fwps.FWP_ACTION_CONTINUE
	}
}
