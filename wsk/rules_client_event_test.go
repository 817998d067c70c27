package wsk_test

import (
	"testing"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
)

// Rule: WSK-188
// Near miss: WSK-188
func TestWskClientEvent_Status(t *testing.T) {
	unknown := ke.Pin{Site: "env/WskClientEvent/event", Alt: 1}
	body := func(st ntstatus.NTSTATUS) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			r.disp.WskClientEvent = func(*irql.K, any, uint32, any, uint64) ntstatus.NTSTATUS { return st }
			r.driverOpen(k)
		}
	}
	trip(t, verify.WSK_188, body(good), unknown)
	miss(t, body(ntstatus.STATUS_NOT_IMPLEMENTED), unknown)
}

// driverOpen registers, lets a second pass and deregisters.
func (r *rig) driverOpen(k *irql.K) {
	r.open(k)
	second(k)
	closeClient(k, r)
}

func closeClient(k *irql.K, r *rig) {
	wsk.WskReleaseProviderNPI(k, &r.reg)
	wsk.WskDeregister(k, &r.reg)
}
