package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var noCallbackFaults = []ke.Pin{{Site: "fault/ExCreateCallback"}, {Site: "fault/ExRegisterCallback"}}

// callbackObject makes or opens the object of a name.
func callbackObject(k *irql.K, name string, multiple bool) *irp.CALLBACK_OBJECT {
	var attributes irp.OBJECT_ATTRIBUTES
	irp.InitializeObjectAttributes(k, &attributes, name, irp.OBJ_CASE_INSENSITIVE, 0, nil)
	var c *irp.CALLBACK_OBJECT
	if s := irp.ExCreateCallback(k, &c, &attributes, true, multiple); s != ok {
		return nil
	}
	return c
}

func TestExNotifyCallback_CallsWhoIsRegistered(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			c := callbackObject(k, `\Callback\Test`, true)
			assert.Same(t, c, callbackObject(k, `\Callback\Test`, false))
			var none *irp.CALLBACK_OBJECT
			attributes := irp.OBJECT_ATTRIBUTES{ObjectName: `\Callback\Other`}
			assert.Equal(t, ntstatus.STATUS_OBJECT_NAME_NOT_FOUND,
				irp.ExCreateCallback(k, &none, &attributes, false, true))
			var heard []any
			hears := func(k *irql.K, context, one, two any) {
				assert.Equal(t, irql.DISPATCH_LEVEL, irql.KeGetCurrentIrql(k))
				heard = append(heard, context, one, two)
			}
			a := irp.ExRegisterCallback(k, c, hears, "a")
			b := irp.ExRegisterCallback(k, c, hears, "b")
			old := irql.KeRaiseIrqlToDpcLevel(k)
			irp.ExNotifyCallback(k, c, 1, 2)
			irql.KeLowerIrql(k, old)
			assert.Equal(t, []any{"a", 1, 2, "b", 1, 2}, heard)
			irp.ExUnregisterCallback(k, a)
			irp.ExUnregisterCallback(k, b)
			irp.ExNotifyCallback(k, c, 3, 4)
			assert.Len(t, heard, 6)
			irp.ObDereferenceObject(k, c)
			irp.ObDereferenceObject(k, c)
		})
	}, noCallbackFaults...)
}

func TestExRegisterCallback_OneOnly(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			c := callbackObject(k, "", false)
			ignore := func(*irql.K, any, any, any) {}
			r := irp.ExRegisterCallback(k, c, ignore, nil)
			assert.Nil(t, irp.ExRegisterCallback(k, c, ignore, nil))
			irp.ExUnregisterCallback(k, r)
			irp.ObDereferenceObject(k, c)
		})
	}, noCallbackFaults...)
}

// After ExUnregisterCallback no call of the routine is under way.
func TestExUnregisterCallback_WaitsForCallsUnderWay(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			c := callbackObject(k, "", true)
			gone := false
			r := irp.ExRegisterCallback(k, c, func(k *irql.K, _, _, _ any) {
				irql.Yield(k)
				assert.False(t, gone)
			}, nil)
			l.as(l.image, func(k *irql.K) { irp.ExNotifyCallback(k, c, nil, nil) })
			irp.ExUnregisterCallback(k, r)
			gone = true
		})
	}, noCallbackFaults...)
}

// Rule: UNLOAD-008
func TestExRegisterCallback_RegisteredAtUnload(t *testing.T) {
	trips(t, verify.UNLOAD_008, func(l *lab) {
		l.begin(func(k *irql.K) {
			irp.ExRegisterCallback(k, callbackObject(k, "", true), func(*irql.K, any, any, any) {}, nil)
		})
		irp.Sim.UnloadDriver(l.m, l.client)
		l.rest()
	}, noCallbackFaults...)
}

// Rule: OBJ-003
func TestExUnregisterCallback_Twice(t *testing.T) {
	trips(t, verify.OBJ_003, func(l *lab) {
		l.run(func(k *irql.K) {
			c := callbackObject(k, "", true)
			r := irp.ExRegisterCallback(k, c, func(*irql.K, any, any, any) {}, nil)
			irp.ExUnregisterCallback(k, r)
			irp.ExUnregisterCallback(k, r)
		})
	}, noCallbackFaults...)
}

// Rule: OBJ-003
func TestExNotifyCallback_AfterTheLastReference(t *testing.T) {
	trips(t, verify.OBJ_003, func(l *lab) {
		l.run(func(k *irql.K) {
			c := callbackObject(k, "", true)
			irp.ObDereferenceObject(k, c)
			irp.ExNotifyCallback(k, c, nil, nil)
		})
	}, noCallbackFaults...)
}

// Near miss: OBJ-003
func TestExNotifyCallback_WhileSomebodyIsRegistered(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			c := callbackObject(k, "", true)
			r := irp.ExRegisterCallback(k, c, func(*irql.K, any, any, any) {}, nil)
			irp.ObDereferenceObject(k, c)
			irp.ExNotifyCallback(k, c, nil, nil)
			irp.ExUnregisterCallback(k, r)
		})
	}, noCallbackFaults...)
}
