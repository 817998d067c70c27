// Package scenario lets ksim run the driver of hello-dpc.
package scenario

import (
	"calloutsim/docs/examples/hello-dpc"
	"calloutsim/sim"
)

// Scenarios gives the driver as it should be and with each of its defects.
func Scenarios() []sim.Scenario {
	run := func(d *hellodpc.Driver) func(m *sim.Machine) {
		return func(m *sim.Machine) {
			one := *d // a scenario may be run many times
			m.Load("hello.sys", one.DriverEntry)
			m.Run()
			m.Unload("hello.sys")
		}
	}
	return []sim.Scenario{
		{Name: "hello-dpc", Title: "a driver queues a DPC, the DPC queues a work item",
			Doc: "Look at the IRQL column: the DPC runs at DISPATCH_LEVEL, the work item at PASSIVE_LEVEL.",
			Run: run(&hellodpc.Driver{})},
		{Name: "hello-dpc-wait", Title: "the DPC waits for the work item",
			Doc: "At DISPATCH_LEVEL the processor cannot run anybody else, so the wait would never end.",
			Run: run(&hellodpc.Driver{WaitsInDPC: true}), Expect: []string{"IRQL-011"}},
		{Name: "hello-dpc-leak", Title: "DriverUnload forgets to delete the device",
			Doc: "The device object outlives the code that its dispatch table points to.",
			Run: run(&hellodpc.Driver{ForgetsDevice: true}), Expect: []string{"UNLOAD-006"}},
	}
}
