package sim_test

import (
	"fmt"

	hellodpc "calloutsim/docs/examples/hello-dpc"
	"calloutsim/sim"
)

// A scenario is a run without a test. Here a DPC waits, which nobody may do at DISPATCH_LEVEL.
func ExampleRunScenario() {
	out, err := sim.RunScenario(sim.Scenario{Name: "example", Run: func(m *sim.Machine) {
		d := &hellodpc.Driver{WaitsInDPC: true}
		m.Load("hello.sys", d.DriverEntry)
		m.Run()
	}}, sim.RunOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer out.Close()
	fmt.Println(out.Failed, out.Machine.Rules())
	// Output: true [IRQL-011]
}
