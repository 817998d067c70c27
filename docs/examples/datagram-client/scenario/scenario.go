// Package scenario lets the driver of datagram-client ask a time server elsewhere.
package scenario

import (
	"fmt"
	"net/netip"

	datagramclient "calloutsim/docs/examples/datagram-client"
	"calloutsim/irql"
	"calloutsim/sim"
	"calloutsim/wsk/ws2def"
)

var server = netip.MustParseAddrPort("192.0.2.37:37")

// timeServer is the program on the server. The first question gets lost.
type timeServer struct {
	sim.Handler
	asked int
}

// Datagram answers all questions but the first.
func (s *timeServer) Datagram(k *irql.K, h *sim.Host, from, to netip.AddrPort, b []byte) sim.Verdict {
	if s.asked++; s.asked == 1 {
		return sim.Ignores
	}
	h.SendTo(k, to, from, fmt.Appendf(nil, "it is %d o'clock", s.asked))
	return sim.Accepts
}

// Ask loads the driver, lets it ask, and unloads it.
func Ask(d datagramclient.Defect) func(m *sim.Machine) { return func(m *sim.Machine) { Play(m, d) } }

// Play is Ask for those who look at the driver afterwards.
func Play(m *sim.Machine, d datagramclient.Defect) *datagramclient.Client {
	m.Host(server.Addr(), &timeServer{Handler: sim.Shut()}).Latency = 50_000 // 100 ns: 5 ms
	c := &datagramclient.Client{Defect: d}
	c.Server = ws2def.SOCKADDR_IN{Sin_family: ws2def.AF_INET, Sin_port: ws2def.Htons(server.Port()),
		Sin_addr: server.Addr().As4()}
	m.Load("time.sys", c.DriverEntry)
	m.Run()
	m.Unload("time.sys")
	return c
}

// Scenarios gives the driver as it should be and with each of its defects.
func Scenarios() []sim.Scenario {
	return []sim.Scenario{
		{Name: "datagram-client", Title: "a driver asks a time server over UDP, and again where that is lost",
			Doc: "The first question gets lost: look at IoCancelIrp a second later, and at who frees the " +
				"IRP and when.",
			Run: Ask(datagramclient.None)},
		{Name: "datagram-client-freed-after-cancel", Title: "the IRP is freed right behind IoCancelIrp",
			Doc: "IoCancelIrp only asks. The completion routine of the IRP has not run yet.",
			Run: Ask(datagramclient.FreedAfterCancel), Expect: []string{"WSK-246"}},
		{Name: "datagram-client-length-on-stack", Title: "ControlLength is a local variable",
			Doc: "The function that has it returns while the receive is pending; WSK stores into its stack.",
			Run: Ask(datagramclient.LengthOnStack), Expect: []string{"WSK-147"}},
		{Name: "datagram-client-reads-all", Title: "the answer is looked for in the whole buffer",
			Doc: "Only IoStatus.Information bytes were received.",
			Run: Ask(datagramclient.ReadsAll), Expect: []string{"WSK-152"}},
		{Name: "datagram-client-no-server", Title: "a question is sent to nobody",
			Doc: "RemoteAddress is NULL, and SIO_WSK_SET_REMOTE_ADDRESS was not issued.",
			Run: Ask(datagramclient.NoServer), Expect: []string{"WSK-149"}},
		{Name: "datagram-client-not-bound", Title: "the socket is not bound",
			Doc: "A datagram socket that is not bound has no address to receive at.",
			Run: Ask(datagramclient.NotBound), Expect: []string{"WSK-105"}},
	}
}
