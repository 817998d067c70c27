package tworedirectors

import (
	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Firewall is a driver that blocks connections at ALE_AUTH_CONNECT_V4, for good: whoever is lighter is asked
// without the right to write.
type Firewall struct {
	Port   uint16 // remote, of the connections that it blocks; 0 is all
	Weight uint16 // 0 is Heavy

	rival   rival
	Blocked int32
}

// DriverEntry starts the firewall.
func (f *Firewall) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) { f.rival.stop(k) }
	if f.Weight == 0 {
		f.Weight = Heavy
	}
	return f.rival.start(k, drv, &callout{key: keyOf(1, f.Port), layer: fwpm.FWPM_LAYER_ALE_AUTH_CONNECT_V4,
		weight: f.Weight, action: fwps.FWP_ACTION_CALLOUT_TERMINATING, port: f.Port, classify: f.classifyFn1})
}

func (f *Firewall) classifyFn1(k *irql.K, _ *fwps.FWPS_INCOMING_VALUES0,
	_ *fwps.FWPS_INCOMING_METADATA_VALUES0, _, _ any, _ *fwps.FWPS_FILTER1, _ uint64,
	out *fwps.FWPS_CLASSIFY_OUT0) {
	if out.Rights&fwps.FWPS_RIGHT_ACTION_WRITE == 0 {
		return
	}
	out.ActionType = fwps.FWP_ACTION_BLOCK
	out.Rights &^= fwps.FWPS_RIGHT_ACTION_WRITE
	irql.InterlockedIncrement(k, &f.Blocked)
}
