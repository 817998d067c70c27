package main

import (
	bindredirector "calloutsim/docs/examples/bind-redirector/scenario"
	connectredirect "calloutsim/docs/examples/connect-redirect/scenario"
	connectionmonitor "calloutsim/docs/examples/connection-monitor/scenario"
	datagramclient "calloutsim/docs/examples/datagram-client/scenario"
	dnsinjector "calloutsim/docs/examples/dns-injector/scenario"
	echoserver "calloutsim/docs/examples/echo-server/scenario"
	hellodpc "calloutsim/docs/examples/hello-dpc/scenario"
	invertedcall "calloutsim/docs/examples/inverted-call/scenario"
	irppassthrough "calloutsim/docs/examples/irp-passthrough/scenario"
	pendfirewall "calloutsim/docs/examples/pend-firewall/scenario"
	synccall "calloutsim/docs/examples/sync-call/scenario"
	tworedirectors "calloutsim/docs/examples/two-redirectors/scenario"
	useafterfree "calloutsim/docs/examples/use-after-free/scenario"
	"calloutsim/sim"
)

// registry holds the scenario packages of docs/examples; a new example adds its line.
var registry = []func() []sim.Scenario{
	bindredirector.Scenarios,
	connectionmonitor.Scenarios,
	connectredirect.Scenarios,
	datagramclient.Scenarios,
	dnsinjector.Scenarios,
	echoserver.Scenarios,
	hellodpc.Scenarios,
	invertedcall.Scenarios,
	irppassthrough.Scenarios,
	pendfirewall.Scenarios,
	tworedirectors.Scenarios,
	synccall.Scenarios,
	useafterfree.Scenarios,
}
