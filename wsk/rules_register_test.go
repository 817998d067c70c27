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

// trip runs body as an unregistered driver and expects the rule.
func trip(t *testing.T, rule verify.RuleID, body func(r *rig, k *irql.K), pins ...ke.Pin) verify.Finding {
	t.Helper()
	return tripRig(t, (*rig).bare, rule, body, pins)
}

// miss runs body as an unregistered driver and expects no finding at all.
func miss(t *testing.T, body func(r *rig, k *irql.K), pins ...ke.Pin) {
	t.Helper()
	missRig(t, (*rig).bare, body, pins)
}

// tripIn and missIn run body as a registered driver.
func tripIn(t *testing.T, rule verify.RuleID, body func(r *rig, k *irql.K), pins ...ke.Pin) verify.Finding {
	t.Helper()
	return tripRig(t, (*rig).driver, rule, body, pins)
}

func missIn(t *testing.T, body func(r *rig, k *irql.K), pins ...ke.Pin) {
	t.Helper()
	missRig(t, (*rig).driver, body, pins)
}

func register(r *rig, k *irql.K) ntstatus.NTSTATUS {
	return wsk.WskRegister(k, &wsk.WSK_CLIENT_NPI{Dispatch: &r.disp}, &r.reg)
}

func atDispatch(k *irql.K, fn func()) {
	var old irql.KIRQL
	irql.KeRaiseIrql(k, irql.DISPATCH_LEVEL, &old)
	fn()
	irql.KeLowerIrql(k, old)
}

// Rule: WSK-001
// Near miss: WSK-001
func TestWskRegister_Level(t *testing.T) {
	trip(t, verify.WSK_001, func(r *rig, k *irql.K) { atDispatch(k, func() { register(r, k) }) })
	miss(t, func(r *rig, k *irql.K) {
		register(r, k)
		wsk.WskDeregister(k, &r.reg)
	})
}

// Rule: WSK-002
// Near miss: WSK-002
func TestWskRegister_Reserved(t *testing.T) {
	trip(t, verify.WSK_002, func(r *rig, k *irql.K) {
		r.disp.Reserved = 1
		register(r, k)
	})
	miss(t, func(r *rig, k *irql.K) {
		register(r, k)
		wsk.WskDeregister(k, &r.reg)
	})
}

// Rule: WSK-004
// Near miss: WSK-004
func TestWskRegister_BlockInUse(t *testing.T) {
	trip(t, verify.WSK_004, func(r *rig, k *irql.K) {
		register(r, k)
		register(r, k)
	})
	miss(t, func(r *rig, k *irql.K) {
		for range 2 {
			register(r, k)
			wsk.WskDeregister(k, &r.reg)
		}
	})
}

// Rule: WSK-005
// Near miss: WSK-005
func TestUnload_RegistrationLeft(t *testing.T) {
	f := trip(t, verify.WSK_005, func(r *rig, k *irql.K) { register(r, k) })
	assert.Equal(t, "proxy.sys", f.Driver)
	missIn(t, func(*rig, *irql.K) {})
}

// Rule: WSK-020
// Near miss: WSK-020
func TestUnload_WhileDeregisterRuns(t *testing.T) {
	// The thread that deregisters is left as well, and waits for an NPI that nobody releases.
	also := []verify.RuleID{verify.UNLOAD_004, verify.WSK_013}
	tripBeside(t, (*rig).bare, verify.WSK_020, also, func(r *rig, k *irql.K) {
		r.open(k)
		var h irql.HANDLE
		irql.PsCreateSystemThread(k, &h, irql.THREAD_ALL_ACCESS, nil, 0, nil, func(k *irql.K, _ any) {
			wsk.WskDeregister(k, &r.reg)
		}, nil)
	})
	missIn(t, func(*rig, *irql.K) {})
}

// Rule: WSK-006
// Near miss: WSK-006
func TestWskDeregister_Twice(t *testing.T) {
	trip(t, verify.WSK_006, func(r *rig, k *irql.K) {
		register(r, k)
		wsk.WskDeregister(k, &r.reg)
		wsk.WskDeregister(k, &r.reg)
	})
	trip(t, verify.WSK_006, func(r *rig, k *irql.K) { wsk.WskDeregister(k, &r.reg) })
	missIn(t, func(*rig, *irql.K) {})
}

// Rule: WSK-007
// Near miss: WSK-007
func TestWskRegister_BlockGone(t *testing.T) {
	body := func(early bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			block := irp.New[wsk.WSK_REGISTRATION](k, irp.POOL_FLAG_NON_PAGED, tag)
			wsk.WskRegister(k, &wsk.WSK_CLIENT_NPI{Dispatch: &r.disp}, block.Get())
			if !early {
				wsk.WskDeregister(k, block.Get())
			}
			irp.Free(k, block, tag)
		}
	}
	trip(t, verify.WSK_007, body(true))
	miss(t, body(false))
}

// Rule: WSK-008
// Near miss: WSK-008
func TestWskRegister_DispatchGone(t *testing.T) {
	body := func(early bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			d := irp.StackVar[wsk.WSK_CLIENT_DISPATCH](k)
			d.Get().Version = wsk.MAKE_WSK_VERSION(1, 0)
			wsk.WskRegister(k, &wsk.WSK_CLIENT_NPI{Dispatch: d.Get()}, &r.reg)
			if !early {
				wsk.WskDeregister(k, &r.reg)
			}
		}
	}
	trip(t, verify.WSK_008, body(true))
	miss(t, body(false))
}

// Rule: WSK-009
// Near miss: WSK-009
func TestWskCapture_BlockChanged(t *testing.T) {
	trip(t, verify.WSK_009, func(r *rig, k *irql.K) {
		register(r, k)
		r.reg = wsk.WSK_REGISTRATION{}
		wsk.WskCaptureProviderNPI(k, &r.reg, wsk.WSK_NO_WAIT, &r.npi)
	})
	missIn(t, func(*rig, *irql.K) {})
}

// Rule: WSK-010
// Near miss: WSK-010
func TestWskCapture_Level(t *testing.T) {
	capture := func(wait uint32) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			register(r, k)
			atDispatch(k, func() { wsk.WskCaptureProviderNPI(k, &r.reg, wait, &r.npi) })
			wsk.WskReleaseProviderNPI(k, &r.reg)
			wsk.WskDeregister(k, &r.reg)
		}
	}
	trip(t, verify.WSK_010, capture(10))
	miss(t, capture(wsk.WSK_NO_WAIT))
}

// Rule: WSK-011
// Near miss: WSK-011
func TestWskCapture_InDriverEntry(t *testing.T) {
	capture := func(wait uint32) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			register(r, k)
			wsk.WskCaptureProviderNPI(k, &r.reg, wait, &r.npi)
			wsk.WskReleaseProviderNPI(k, &r.reg)
			wsk.WskDeregister(k, &r.reg)
		}
	}
	trip(t, verify.WSK_011, capture(wsk.WSK_INFINITE_WAIT))
	miss(t, capture(100))
}

// Rule: WSK-013
// Near miss: WSK-013
func TestWskDeregister_NpiNotReleased(t *testing.T) {
	trip(t, verify.WSK_013, func(r *rig, k *irql.K) {
		r.open(k)
		wsk.WskCaptureProviderNPI(k, &r.reg, wsk.WSK_NO_WAIT, &r.npi)
		wsk.WskReleaseProviderNPI(k, &r.reg)
		wsk.WskDeregister(k, &r.reg)
	})
	missIn(t, func(r *rig, k *irql.K) {
		wsk.WskCaptureProviderNPI(k, &r.reg, wsk.WSK_NO_WAIT, &r.npi)
		wsk.WskReleaseProviderNPI(k, &r.reg)
	})
}

// Rule: WSK-014
// Near miss: WSK-014
func TestWskRelease_WithoutCapture(t *testing.T) {
	body := func(release bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			register(r, k)
			st := wsk.WskCaptureProviderNPI(k, &r.reg, wsk.WSK_NO_WAIT, &r.npi)
			assert.Equal(r, ntstatus.STATUS_DEVICE_NOT_READY, st)
			if release {
				wsk.WskReleaseProviderNPI(k, &r.reg)
			}
			wsk.WskDeregister(k, &r.reg)
		}
	}
	pin := ke.Pin{Site: "fault/WskCaptureProviderNPI", Alt: 1}
	trip(t, verify.WSK_014, body(true), pin)
	miss(t, body(false), pin)
}

// Rule: WSK-015
// Near miss: WSK-015
func TestWskSocket_AfterRelease(t *testing.T) {
	trip(t, verify.WSK_015, func(r *rig, k *irql.K) {
		r.open(k)
		wsk.WskReleaseProviderNPI(k, &r.reg)
		r.socket(k, wsk.WSK_FLAG_LISTEN_SOCKET)
	})
	miss(t, func(r *rig, k *irql.K) { // sockets outlive the release
		r.open(k)
		l := r.socket(k, wsk.WSK_FLAG_LISTEN_SOCKET)
		wsk.WskReleaseProviderNPI(k, &r.reg)
		r.ok(bind(k, l, server))
		r.closeAll(k, l)
		wsk.WskDeregister(k, &r.reg)
	})
}

// Rule: WSK-016
// Near miss: WSK-016
func TestWskRelease_AfterDeregister(t *testing.T) {
	trip(t, verify.WSK_016, func(r *rig, k *irql.K) {
		register(r, k)
		wsk.WskDeregister(k, &r.reg)
		wsk.WskReleaseProviderNPI(k, &r.reg)
	})
	miss(t, func(r *rig, k *irql.K) { // a capture is legal and fails
		register(r, k)
		wsk.WskDeregister(k, &r.reg)
		st := wsk.WskCaptureProviderNPI(k, &r.reg, wsk.WSK_INFINITE_WAIT, &r.npi)
		assert.Equal(r, ntstatus.STATUS_DEVICE_NOT_READY, st)
	})
}

// Rule: WSK-017
// Near miss: WSK-017
func TestWskDeregister_WithOpenSocket(t *testing.T) {
	body := func(leave bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			l := r.listener(k, server)
			if !leave {
				r.closeAll(k, l)
			}
		}
	}
	f := tripIn(t, verify.WSK_017, body(true))
	assert.Contains(t, f.Also, verify.LOCK_026)
	missIn(t, body(false))
}

// Rule: WSK-041
// Near miss: WSK-041
func TestWskDeregister_SocketDropped(t *testing.T) {
	tripIn(t, verify.WSK_041, func(r *rig, k *irql.K) { r.socket(k, wsk.WSK_FLAG_BASIC_SOCKET) })
	missIn(t, func(r *rig, k *irql.K) { r.closeAll(k, r.socket(k, wsk.WSK_FLAG_BASIC_SOCKET)) })
}

// Rule: WSK-018
// Near miss: WSK-018
func TestWskDeregister_InCompletionRoutine(t *testing.T) {
	tripIn(t, verify.WSK_018, func(r *rig, k *irql.K) {
		p := irp.IoAllocateIrp(k, 1, false)
		irp.IoSetCompletionRoutine(k, p, func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP,
			_ any) ntstatus.NTSTATUS {
			wsk.WskDeregister(k, &r.reg)
			return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
		}, nil, true, true, true)
		r.npi.Dispatch.WskSocket(k, r.npi.Client, ws2def.AF_INET, ws2def.SOCK_STREAM, ws2def.IPPROTO_TCP,
			wsk.WSK_FLAG_BASIC_SOCKET, nil, nil, nil, nil, nil, p)
	})
	missIn(t, func(*rig, *irql.K) {})
}

// Rule: WSK-019
// Near miss: WSK-019
func TestWskDeregister_Level(t *testing.T) {
	trip(t, verify.WSK_019, func(r *rig, k *irql.K) {
		register(r, k)
		atDispatch(k, func() { wsk.WskDeregister(k, &r.reg) })
	})
	missIn(t, func(*rig, *irql.K) {})
}

// Rule: WSK-021
// Near miss: WSK-021
func TestWskCapture_NoInterface(t *testing.T) {
	body := func(again bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			r.disp.Version = wsk.MAKE_WSK_VERSION(7, 0)
			register(r, k)
			for range 2 {
				st := wsk.WskCaptureProviderNPI(k, &r.reg, wsk.WSK_NO_WAIT, &r.npi)
				assert.Equal(r, ntstatus.STATUS_NOINTERFACE, st)
				if !again {
					break
				}
			}
			var c wsk.WSK_PROVIDER_CHARACTERISTICS
			assert.Equal(r, good, wsk.WskQueryProviderCharacteristics(k, &r.reg, &c))
			assert.EqualValues(r, 1, wsk.WSK_MAJOR_VERSION(c.HighestVersion))
			assert.EqualValues(r, 0, wsk.WSK_MINOR_VERSION(c.LowestVersion))
			wsk.WskDeregister(k, &r.reg)
		}
	}
	trip(t, verify.WSK_021, body(true))
	miss(t, body(false))
}

// Rule: WSK-022
// Near miss: WSK-022
func TestWskQuery_BeforeCapture(t *testing.T) {
	var c wsk.WSK_PROVIDER_CHARACTERISTICS
	trip(t, verify.WSK_022, func(r *rig, k *irql.K) {
		register(r, k)
		wsk.WskQueryProviderCharacteristics(k, &r.reg, &c)
		wsk.WskDeregister(k, &r.reg)
	})
	missIn(t, func(r *rig, k *irql.K) { wsk.WskQueryProviderCharacteristics(k, &r.reg, &c) })
}
