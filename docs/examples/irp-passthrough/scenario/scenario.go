// Package scenario puts the three drivers of irp-passthrough together and lets them run.
package scenario

import (
	irppassthrough "calloutsim/docs/examples/irp-passthrough"
	"calloutsim/ntstatus"
	"calloutsim/sim"
)

// Stack loads the three drivers, lets the top one send its requests, and unloads them from the top down.
func Stack(d irppassthrough.Defect) func(m *sim.Machine) {
	return func(m *sim.Machine) {
		lowest := &irppassthrough.Lowest{Defect: d}
		m.Load("lowest.sys", lowest.DriverEntry)
		defer m.Unload("lowest.sys") // also where memory is too short for the others
		middle := &irppassthrough.Middle{Defect: d, Below: lowest.Device}
		m.Load("middle.sys", middle.DriverEntry)
		defer m.Unload("middle.sys")
		top := &irppassthrough.Top{Defect: d, Below: lowest.Device, Requests: 4}
		m.Load("top.sys", top.DriverEntry)
		m.Run()
		m.Unload("top.sys")
		check(m, top)
	}
}

// check looks at the results: a request ends well, is cancelled, or was never made.
func check(m *sim.Machine, top *irppassthrough.Top) {
	for i, s := range top.Results {
		switch {
		case s == ntstatus.STATUS_SUCCESS, s == ntstatus.STATUS_INSUFFICIENT_RESOURCES:
		case s == ntstatus.STATUS_CANCELLED && i%2 == 1:
		default:
			m.Errorf("request %d ended with %v", i, s)
		}
	}
}

// Scenarios gives the stack as it should be and with each of its defects.
func Scenarios() []sim.Scenario {
	return []sim.Scenario{
		{Name: "irp-passthrough", Title: "a stack of three drivers: pended, completed from a DPC, or " +
			"cancelled",
			Doc: "Follow one irp# down and up again. Every second request is cancelled while the lowest " +
				"driver holds it.",
			Run: Stack(irppassthrough.None)},
		{Name: "irp-passthrough-mark", Title: "the middle driver's completion routine ignores " +
			"PendingReturned",
			Doc: "The drivers above would take a pended request for a synchronous one.",
			Run: Stack(irppassthrough.MarkNotCarriedOn), Expect: []string{"IRP-011"}},
		{Name: "irp-passthrough-touch", Title: "the top driver reads the status block of a request that is " +
			"still on its way",
			Doc: "IoCallDriver returned STATUS_PENDING; whoever holds the IRP now may free it at any moment.",
			Run: Stack(irppassthrough.TouchedAfterSend), Expect: []string{"IRP-005"}},
		{Name: "irp-passthrough-double", Title: "the DPC completes requests that their cancel routine " +
			"completes, too",
			Doc: "IoSetCancelRoutine answered NULL: the cancel routine owns the IRP, and the DPC takes it " +
				"all the same.",
			Run: Stack(irppassthrough.DoubleCompletion), Expect: []string{"IRP-005"}},
	}
}
