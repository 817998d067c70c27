package fwps_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// early is a driver that starts before the service behind the engine: it opens its session when it is told
// that the service runs.
type early struct {
	dev     *irp.DEVICE_OBJECT
	changes irql.HANDLE
	engine  irql.HANDLE
	told    func(k *irql.K, e *early)
}

// subscribe is the end of its DriverEntry.
func (e *early) subscribe(k *irql.K) ntstatus.NTSTATUS {
	return fwpm.FwpmBfeStateSubscribeChanges0(k, e.dev, func(k *irql.K, _ any, s fwpm.FWPM_SERVICE_STATE) {
		if s == fwpm.FWPM_SERVICE_RUNNING {
			e.told(k, e)
		}
	}, nil, &e.changes)
}

func (e *early) open(k *irql.K) ntstatus.NTSTATUS {
	return fwpm.FwpmEngineOpen0(k, "", fwpm.RPC_C_AUTHN_WINNT, nil, nil, &e.engine)
}

// starts loads the driver, lets the machine run and unloads the driver, which then does stop.
func (e *early) starts(stop func(k *irql.K, e *early)) func(l *lab) {
	return func(l *lab) {
		drv := irp.Sim.LoadDriver(l.m, "early.sys", func(k *irql.K, drv *irp.DRIVER_OBJECT,
			_ string) ntstatus.NTSTATUS {
			drv.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) {
				stop(k, e)
				irp.IoDeleteDevice(k, e.dev)
			}
			s := irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_NETWORK, 0, false, &e.dev)
			require.Equal(l.t, ok, s)
			return e.subscribe(k)
		})
		l.m.Run(nil)
		irp.Sim.UnloadDriver(l.m, drv)
		l.m.Run(nil)
		l.m.RunEndChecks()
	}
}

func unsubscribes(k *irql.K, e *early) { fwpm.FwpmBfeStateUnsubscribeChanges0(k, e.changes) }

// services are the cases about the state of the service behind the engine.
func services() []ruleCase {
	nothing := func(*irql.K, *early) {}
	return []ruleCase{
		{verify.WFP_021, nil, (&early{told: nothing}).starts(nothing),
			(&early{told: nothing}).starts(unsubscribes)},
		{verify.WFP_021, []ke.Pin{pin("env/Bfe/state", 1)}, (&early{told: unsubscribes}).starts(nothing),
			(&early{told: nothing}).starts(unsubscribes)},
	}
}

// Rule: WFP-021
func TestFwpmBfeState_Misused(t *testing.T) { trip(t, services()) }

// Near miss: WFP-021
func TestFwpmBfeState_WellUsed(t *testing.T) { miss(t, services()) }

// TestFwpmBfeState_SessionWaitsForTheService: until the service runs no session can be opened, and the
// callback says when it does. Reference: wfp.md 1.2.
func TestFwpmBfeState_SessionWaitsForTheService(t *testing.T) {
	for alt, want := range []fwpm.FWPM_SERVICE_STATE{fwpm.FWPM_SERVICE_RUNNING,
		fwpm.FWPM_SERVICE_START_PENDING} {
		calls := 0
		e := &early{told: func(k *irql.K, e *early) {
			calls++
			assert.Equal(t, fwpm.FWPM_SERVICE_RUNNING, fwpm.FwpmBfeStateGet0(k))
			assert.Equal(t, ok, e.open(k))
			assert.Equal(t, ok, fwpm.FwpmEngineClose0(k, e.engine))
		}}
		var first ntstatus.NTSTATUS
		l := newLab(t, pin("env/Bfe/state", alt))
		l.m.NewThread("test", nil, func(k *irql.K) {
			assert.Equal(t, fwpm.FWPM_SERVICE_STOPPED, fwpm.FwpmBfeStateGet0(k), "nobody has subscribed")
			e.dev = new(irp.DEVICE_OBJECT)
			require.Equal(t, ok, e.subscribe(k))
			assert.Equal(t, want, fwpm.FwpmBfeStateGet0(k))
			first = e.open(k)
		})
		l.m.Run(nil)
		if want == fwpm.FWPM_SERVICE_RUNNING {
			assert.Equal(t, ok, first)
		} else {
			assert.Equal(t, ntstatus.RPC_NT_SERVER_UNAVAILABLE, first)
		}
		assert.Equal(t, alt, calls)
	}
}

// weights are the cases about sublayers and that of the system.
func weights() []ruleCase {
	at := func(w where) func(l *lab) { return func(l *lab) { l.single(w, permits) } }
	return []ruleCase{{verify.WFP_031, nil, at(atAuth.weighing(0xFFFF)), at(atAuth.weighing(0x7FFF))}}
}

// Rule: WFP-031
func TestFwpmFilterAdd0_AboveUniversal(t *testing.T) { trip(t, weights()) }

// Near miss: WFP-031
func TestFwpmFilterAdd0_BelowUniversal(t *testing.T) { miss(t, weights()) }

// TestProviderContext_ReachesTheCallout: what a filter hands out is there when the callout object says that
// it is used. Reference: wfp.md 1.2.
func TestProviderContext_ReachesTheCallout(t *testing.T) {
	for _, uses := range []bool{true, false} {
		l := newLab(t)
		var got any
		var context, id uint64
		l.load("redir.sys", func(k *irql.K, d *driver) {
			c := &fwpm.FWPM_PROVIDER_CONTEXT0{ProviderContextKey: fwps.GUID{Data1: 7},
				DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: "test"}, Type: fwpm.FWPM_GENERAL_CONTEXT,
				DataBuffer: &fwps.FWP_BYTE_BLOB{Size: 3, Data: []byte("why")}}
			require.Equal(t, ok, fwpm.FwpmProviderContextAdd0(k, d.engine, c, nil, &id))
			h := d.newHook(k, func(a *args) {
				got, context = a.filter.ProviderContext, a.filter.Context
				a.permit()
			})
			o := &fwpm.FWPM_CALLOUT0{CalloutKey: h.key, DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: "test"},
				ApplicableLayer: atAuth.layer}
			if uses {
				o.Flags = fwpm.FWPM_CALLOUT_FLAG_USES_PROVIDER_CONTEXT
			}
			require.Equal(t, ok, fwpm.FwpmCalloutAdd0(k, d.engine, o, nil, nil))
			f := &fwpm.FWPM_FILTER0{LayerKey: atAuth.layer,
				DisplayData:        fwpm.FWPM_DISPLAY_DATA0{Name: "test"},
				Flags:              fwpm.FWPM_FILTER_FLAG_HAS_PROVIDER_CONTEXT,
				ProviderContextKey: c.ProviderContextKey,
				Action: fwpm.FWPM_ACTION0{Type: fwps.FWP_ACTION_CALLOUT_TERMINATING,
					CalloutKey: h.key}}
			require.Equal(t, ok, fwpm.FwpmFilterAdd0(k, d.engine, f, nil, nil))
		})
		l.auth()
		assert.Equal(t, id, context)
		if !uses {
			assert.Nil(t, got)
			continue
		}
		assert.Equal(t, "why", string(got.(*fwpm.FWPM_PROVIDER_CONTEXT0).DataBuffer.Data))
	}
}
