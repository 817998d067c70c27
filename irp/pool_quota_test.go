package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// byQuota are the routines that charge quota, with the name of each.
var byQuota = []named[func(k *irql.K, t irp.POOL_TYPE) *irp.Buffer]{
	{"ExAllocatePoolWithQuotaTag", func(k *irql.K, t irp.POOL_TYPE) *irp.Buffer {
		return irp.ExAllocatePoolWithQuotaTag(k, t, 64, tag)
	}},
	{"ExAllocatePoolWithQuota", func(k *irql.K, t irp.POOL_TYPE) *irp.Buffer {
		return irp.ExAllocatePoolWithQuota(k, t, 64)
	}},
	{"ExAllocatePoolQuotaZero", func(k *irql.K, t irp.POOL_TYPE) *irp.Buffer {
		return irp.ExAllocatePoolQuotaZero(k, t, 64, tag)
	}},
	{"ExAllocatePoolQuotaUninitialized", func(k *irql.K, t irp.POOL_TYPE) *irp.Buffer {
		return irp.ExAllocatePoolQuotaUninitialized(k, t, 64, tag)
	}},
}

func TestQuotaPool(t *testing.T) {
	for _, c := range byQuota {
		passes(t, does(func(k *irql.K) {
			b := c.do(k, irp.NonPagedPoolNx)
			want := byte(pool.UninitializedByte)
			if c.name == "ExAllocatePoolQuotaZero" {
				want = 0
			}
			assert.Equal(t, want, b.Bytes()[63], c.name)
			irp.ExFreePool(k, b)
		}))
	}
}

func TestQuotaPool_RaisesUnlessTold(t *testing.T) {
	for _, c := range byQuota {
		for name, s := range map[string]ntstatus.NTSTATUS{
			"STATUS_QUOTA_EXCEEDED":         ntstatus.STATUS_QUOTA_EXCEEDED,
			"STATUS_INSUFFICIENT_RESOURCES": ntstatus.STATUS_INSUFFICIENT_RESOURCES,
		} {
			passes(t, does(func(k *irql.K) {
				assert.PanicsWithValue(t, irql.Exception{Status: s, Routine: c.name},
					func() { c.do(k, irp.NonPagedPoolNx) })
				assert.Nil(t, c.do(k, irp.NonPagedPoolNx|irp.POOL_QUOTA_FAIL_INSTEAD_OF_RAISE))
			}), ke.Pin{Site: "fault/" + c.name, Name: name})
		}
	}
}

func TestQuotaPool_InADpc(t *testing.T) {
	for _, c := range byQuota {
		tripsEach(t, verify.POOL_020, func(l *lab) {
			var dpc irql.KDPC
			l.run(func(k *irql.K) {
				irql.KeInitializeDpc(k, &dpc, func(k *irql.K, _ *irql.KDPC, _, _, _ any) {
					irp.ExFreePool(k, c.do(k, irp.NonPagedPoolNx))
				}, nil)
				irql.KeInsertQueueDpc(k, &dpc, nil, nil)
			})
		})
	}
}

func TestQuotaPool_PagedAtDispatch(t *testing.T) {
	trips(t, verify.POOL_002, does(func(k *irql.K) {
		at(k, irql.DISPATCH_LEVEL, func() { irp.ExAllocatePoolQuotaZero(k, irp.PagedPool, 8, tag) })
	}))
}

func TestQuotaPool_Deprecated(t *testing.T) {
	l := newLab(t, ke.Config{})
	l.run(func(k *irql.K) {
		irp.ExFreePool(k, irp.ExAllocatePoolWithQuotaTag(k, irp.NonPagedPoolNx, 8, tag))
		irp.ExFreePool(k, irp.ExAllocatePoolWithQuota(k, irp.NonPagedPoolNx, 8))
		irp.ExFreePool(k, irp.ExAllocatePoolQuotaZero(k, irp.NonPagedPoolNx, 8, tag))
	})
	require.Len(t, l.findings(verify.POOL_015), 2)
	l.expect(verify.POOL_022) // the default tag
}
