package wsk_test

import (
	"testing"

	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
)

// Rule: LOCK-013
// Near miss: LOCK-013
func TestWskBind_WithASpinLockHeld(t *testing.T) {
	body := func(held bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			s := r.socket(k, wsk.WSK_FLAG_CONNECTION_SOCKET)
			do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
				var lock irql.EX_SPIN_LOCK
				old := irql.ExAcquireSpinLockShared(k, &lock)
				if !held {
					irql.ExReleaseSpinLockShared(k, &lock, old)
					return connected(s).WskBind(k, s, any4, 0, p)
				}
				status := connected(s).WskBind(k, s, any4, 0, p)
				irql.ExReleaseSpinLockShared(k, &lock, old)
				return status
			})
			r.closeAll(k, s)
		}
	}
	tripIn(t, verify.LOCK_013, body(true))
	missIn(t, body(false))
}
