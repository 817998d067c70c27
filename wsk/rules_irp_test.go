package wsk_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

const more = ntstatus.STATUS_MORE_PROCESSING_REQUIRED

// basicSocket calls WskSocket with an IRP of the test's making.
func (r *rig) basicSocket(k *irql.K, p *irp.IRP) ntstatus.NTSTATUS {
	return r.npi.Dispatch.WskSocket(k, r.npi.Client, ws2def.AF_INET, ws2def.SOCK_STREAM, ws2def.IPPROTO_TCP,
		wsk.WSK_FLAG_BASIC_SOCKET, nil, nil, nil, nil, nil, p)
}

// takeSocket closes what a basicSocket request made.
func (r *rig) takeSocket(k *irql.K, s irp.IO_STATUS_BLOCK) {
	r.closeAll(k, r.ok(s).Pointer.(*wsk.WSK_SOCKET))
}

// Rule: WSK-060
// Near miss: WSK-060
func TestIrp_Null(t *testing.T) {
	tripIn(t, verify.WSK_060, func(r *rig, k *irql.K) {
		assert.Equal(r, ntstatus.STATUS_INVALID_PARAMETER, r.basicSocket(k, nil))
	})
	missIn(t, func(r *rig, k *irql.K) { r.closeAll(k, r.socket(k, wsk.WSK_FLAG_CONNECTION_SOCKET)) })
}

// Rule: WSK-061
// Near miss: WSK-061
func TestIrp_NoCompletionRoutine(t *testing.T) {
	f := tripIn(t, verify.WSK_061, func(r *rig, k *irql.K) {
		r.basicSocket(k,
			irp.IoAllocateIrp(k, 1, false))
	})
	assert.Contains(t, f.Also, verify.IRP_036)
	missIn(t, func(r *rig, k *irql.K) {
		r.takeSocket(k, do(k, func(p *irp.IRP) ntstatus.NTSTATUS { return r.basicSocket(k, p) }))
	})
}

// Rule: WSK-062
// Near miss: WSK-062
func TestIrp_RoutineMissesAFlag(t *testing.T) {
	f := tripIn(t, verify.WSK_062, func(r *rig, k *irql.K) {
		q := newRequest(k)
		irp.IoSetCompletionRoutine(k, q.p, signal, q.event, true, false, true)
		r.basicSocket(k, q.p)
	})
	assert.Contains(t, f.Also, verify.IRP_071)
	missIn(t, func(r *rig, k *irql.K) {
		r.takeSocket(k, do(k, func(p *irp.IRP) ntstatus.NTSTATUS { return r.basicSocket(k, p) }))
	})
}

// Rule: WSK-063
// Near miss: WSK-063
func TestIrp_RoutineLetsTheClimbGoOn(t *testing.T) {
	body := func(result ntstatus.NTSTATUS) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			q := newRequest(k)
			routine := func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, _ any) ntstatus.NTSTATUS {
				irql.KeSetEvent(k, q.event, 0, false)
				return result
			}
			irp.IoSetCompletionRoutine(k, q.p, routine, nil, true, true, true)
			r.basicSocket(k, q.p)
			s := q.wait(k)
			q.free(k)
			r.takeSocket(k, s)
		}
	}
	f := tripIn(t, verify.WSK_063, body(good))
	assert.Contains(t, f.Also, verify.IRP_036)
	missIn(t, body(more))
}

// Rule: WSK-064
// Near miss: WSK-064
func TestIrp_NoStackLocation(t *testing.T) {
	tripIn(t, verify.WSK_064, func(r *rig, k *irql.K) { r.basicSocket(k, irp.IoAllocateIrp(k, 0, false)) })
	missIn(t, func(r *rig, k *irql.K) {
		p := irp.IoAllocateIrp(k, 3, false)
		q := &request{p: p, event: new(irql.KEVENT)}
		irql.KeInitializeEvent(k, q.event, irql.NotificationEvent, false)
		q.arm(k)
		r.basicSocket(k, p)
		s := q.wait(k)
		q.free(k)
		r.takeSocket(k, s)
	})
}

// accepting leaves a WskAccept pending, gives it to body and closes the socket.
func accepting(body func(r *rig, k *irql.K, q *request)) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		l := r.listener(k, server)
		q := newRequest(k)
		assert.Equal(r, ntstatus.STATUS_PENDING, listening(l).WskAccept(k, l, 0, nil, nil, nil, nil, q.p))
		body(r, k, q)
		r.closeAll(k, l)
		s := q.wait(k)
		assert.Equal(r, ntstatus.STATUS_CANCELLED, s.Status)
		assert.Zero(r, s.Information)
		q.free(k)
	}
}

// Rule: WSK-066
// Near miss: WSK-066
func TestIrp_FreedWhilePending(t *testing.T) {
	f := tripIn(t, verify.WSK_066, accepting(func(r *rig, k *irql.K, q *request) { q.free(k) }))
	assert.Contains(t, f.Also, verify.IRP_030)
	tripIn(t, verify.WSK_066, accepting(func(r *rig, k *irql.K, q *request) { irp.IoReuseIrp(k, q.p, good) }))
	missIn(t, accepting(func(*rig, *irql.K, *request) {}))
}

// Rule: WSK-067
// Near miss: WSK-067
func TestIrp_GivenTwice(t *testing.T) {
	f := tripIn(t, verify.WSK_067, accepting(func(r *rig, k *irql.K, q *request) { r.basicSocket(k, q.p) }))
	assert.Contains(t, f.Also, verify.IRP_003)
	missIn(t, accepting(func(r *rig, k *irql.K, q *request) {
		r.takeSocket(k, do(k, func(p *irp.IRP) ntstatus.NTSTATUS { return r.basicSocket(k, p) }))
	}))
}

// twice makes two calls with one IRP and does something in between.
func twice(between func(k *irql.K, q *request)) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		q := newRequest(k)
		r.basicSocket(k, q.p)
		s := q.wait(k)
		between(k, q)
		r.basicSocket(k, q.p)
		t := q.wait(k)
		q.free(k)
		r.takeSocket(k, s)
		r.takeSocket(k, t)
	}
}

// Rule: WSK-068
// Near miss: WSK-068
func TestIrp_NotReused(t *testing.T) {
	tripIn(t, verify.WSK_068, twice(func(k *irql.K, q *request) { q.arm(k) }))
	missIn(t, twice(func(k *irql.K, q *request) { q.reuse(k) }))
}

// Rule: WSK-069
// Near miss: WSK-069
func TestIrp_RoutineNotSetAgain(t *testing.T) {
	tripIn(t, verify.WSK_069, twice(func(k *irql.K, q *request) { irp.IoReuseIrp(k, q.p, good) }))
	missIn(t, twice(func(k *irql.K, q *request) { q.reuse(k) }))
}

// Rule: WSK-073
// Near miss: WSK-073
func TestIrp_TouchedAfterTheRoutineFreedIt(t *testing.T) {
	body := func(touch bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			var got irp.IO_STATUS_BLOCK
			event := new(irql.KEVENT)
			irql.KeInitializeEvent(k, event, irql.NotificationEvent, false)
			p := irp.IoAllocateIrp(k, 1, false)
			irp.IoSetCompletionRoutine(k, p, func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP,
				_ any) ntstatus.NTSTATUS {
				got = *p.IoStatus()
				irp.IoFreeIrp(k, p)
				irql.KeSetEvent(k, event, 0, false)
				return more
			}, nil, true, true, true)
			r.basicSocket(k, p)
			irql.KeWaitForSingleObject(k, event, irql.Executive, 0, false, nil)
			if touch {
				got = *p.IoStatus()
			}
			r.takeSocket(k, got)
		}
	}
	f := tripIn(t, verify.WSK_073, body(true))
	assert.Contains(t, f.Also, verify.IRP_005)
	missIn(t, body(false))
}

// Rule: WSK-074
// Near miss: WSK-074
func TestIrp_ReadWhilePending(t *testing.T) {
	tripIn(t, verify.WSK_074, accepting(func(r *rig, k *irql.K, q *request) { _ = q.p.IoStatus().Status }))
	missIn(t, accepting(func(*rig, *irql.K, *request) {}))
}

// Rule: WSK-084
// Near miss: WSK-084
func TestIrp_CompletedByTheDriver(t *testing.T) {
	f := tripIn(t, verify.WSK_084, accepting(func(r *rig, k *irql.K,
		q *request) {
		irp.IoCompleteRequest(k, q.p, 0)
	}))
	assert.Contains(t, f.Also, verify.IRP_002)
	missIn(t, accepting(func(*rig, *irql.K, *request) {}))
}

// Rule: WSK-081
// Near miss: WSK-081
func TestIrp_Leaked(t *testing.T) {
	body := func(free bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			q := newRequest(k)
			r.basicSocket(k, q.p)
			s := q.wait(k)
			if free {
				q.free(k)
			}
			r.takeSocket(k, s)
		}
	}
	tripIn(t, verify.WSK_081, body(false))
	missIn(t, body(true))
}

// Rule: WSK-246
// Near miss: WSK-246
func TestIoCancelIrp_ThenFreed(t *testing.T) {
	f := tripIn(t, verify.WSK_246, accepting(func(r *rig, k *irql.K, q *request) {
		r.calmly(func() {
			irp.IoCancelIrp(k, q.p)
			q.free(k)
		})
	}))
	assert.Contains(t, f.Also, verify.IRP_030)
	missIn(t, accepting(func(r *rig, k *irql.K, q *request) { irp.IoCancelIrp(k, q.p) }))
}

// Rule: WSK-252
// Near miss: WSK-252
func TestIoCancelIrp_AfterFree(t *testing.T) {
	body := func(late bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			q := newRequest(k)
			r.basicSocket(k, q.p)
			s := q.wait(k)
			q.free(k)
			if late {
				irp.IoCancelIrp(k, q.p)
			}
			r.takeSocket(k, s)
		}
	}
	tripIn(t, verify.WSK_252, body(true))
	missIn(t, body(false))
}

// Rule: WSK-077
// Near miss: WSK-077
func TestIrp_CallInCompletionRoutine(t *testing.T) {
	f := tripIn(t, verify.WSK_077, func(r *rig, k *irql.K) { r.chain(k, 2) })
	assert.Equal(t, verify.Warning, f.Severity())
	missIn(t, func(r *rig, k *irql.K) { r.chain(k, 1) })
}

// Rule: WSK-078
// Near miss: WSK-078
func TestIrp_InlineRecursion(t *testing.T) {
	// From the second on the calls are also WSK-077, a warning of its own.
	tripBeside(t, (*rig).driver, verify.WSK_078, []verify.RuleID{verify.WSK_077},
		func(r *rig, k *irql.K) { r.chain(k, 40) }, answers("WskControlSocket", 1))
	missBeside(t, verify.WSK_077, func(r *rig, k *irql.K) { r.chain(k, 40) },
		answers("WskControlSocket", 0))
}

// chain reads an option n times, each time from the completion routine of the time before.
func (r *rig) chain(k *irql.K, n int) {
	s := r.socket(k, wsk.WSK_FLAG_CONNECTION_SOCKET)
	out := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 4, tag)
	event := new(irql.KEVENT)
	irql.KeInitializeEvent(k, event, irql.NotificationEvent, false)
	var routine irp.IO_COMPLETION_ROUTINE
	running := 0
	start := func(k *irql.K, p *irp.IRP) {
		running++
		defer func() { running-- }()
		irp.IoSetCompletionRoutine(k, p, routine, nil, true, true, true)
		connected(s).WskControlSocket(k, s, wsk.WskGetOption, ws2def.SO_KEEPALIVE, ws2def.SOL_SOCKET, 0, nil,
			4, out, nil, p)
	}
	routine = func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, _ any) ntstatus.NTSTATUS {
		if n--; n == 0 {
			irp.IoFreeIrp(k, p)
			irql.KeSetEvent(k, event, 0, false)
			return more
		}
		irp.IoReuseIrp(k, p, good)
		start(k, p)
		return more
	}
	start(k, irp.IoAllocateIrp(k, 1, false))
	irql.KeWaitForSingleObject(k, event, irql.Executive, 0, false, nil)
	for running > 0 { // the last calls may not have returned
		due := int64(-10000)
		irql.KeDelayExecutionThread(k, irql.KernelMode, false, &due)
	}
	irp.ExFreePoolWithTag(k, out, tag)
	r.closeAll(k, s)
}

// Rule: WSK-090
// Near miss: WSK-090
func TestLevel_AboveDispatch(t *testing.T) {
	body := func(level irql.KIRQL) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			var old irql.KIRQL
			q := newRequest(k)
			irql.KeRaiseIrql(k, level, &old)
			r.basicSocket(k, q.p)
			irql.KeLowerIrql(k, old)
			s := q.wait(k)
			q.free(k)
			r.takeSocket(k, s)
		}
	}
	f := tripIn(t, verify.WSK_090, body(irql.HIGH_LEVEL))
	assert.Contains(t, f.Also, verify.IRQL_001)
	missIn(t, body(irql.DISPATCH_LEVEL))
}

// Rule: WSK-095
// Near miss: WSK-095
func TestLevel_PagedMemoryInCompletionRoutine(t *testing.T) {
	body := func(flags uint64) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			note := irp.ExAllocatePool2(k, flags, 4, tag)
			q := newRequest(k)
			irp.IoSetCompletionRoutine(k, q.p, func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP,
				_ any) ntstatus.NTSTATUS {
				note.Store32(0, 1)
				irql.KeSetEvent(k, q.event, 0, false)
				return more
			}, nil, true, true, true)
			r.basicSocket(k, q.p)
			s := q.wait(k)
			q.free(k)
			irp.ExFreePoolWithTag(k, note, tag)
			r.takeSocket(k, s)
		}
	}
	f := tripIn(t, verify.WSK_095, body(irp.POOL_FLAG_PAGED), ke.Pin{Site: "env/Wsk/completion/irql"},
		answers("WskSocket", 0))
	assert.Contains(t, f.Also, verify.IRQL_008)
	missIn(t, body(irp.POOL_FLAG_NON_PAGED))
	missIn(t, body(irp.POOL_FLAG_PAGED), ke.Pin{Site: "env/Wsk/completion/irql", Alt: 1})
}

// Rule: WSK-097
// Near miss: WSK-097
func TestLevel_WaitAtDispatch(t *testing.T) {
	f := tripIn(t, verify.WSK_097, accepting(func(r *rig, k *irql.K,
		q *request) {
		atDispatch(k, func() { q.wait(k) })
	}))
	assert.Contains(t, f.Also, verify.IRQL_011)
	missIn(t, accepting(func(r *rig, k *irql.K, q *request) {
		atDispatch(k, func() {
			var zero int64
			irql.KeWaitForSingleObject(k, q.event, irql.Executive, 0, false, &zero)
		})
	}))
}
