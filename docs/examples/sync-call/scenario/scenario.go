// Package scenario gives the driver of sync-call a server to talk to.
package scenario

import (
	"net/netip"
	"time"

	synccall "calloutsim/docs/examples/sync-call"
	"calloutsim/ntstatus"
	"calloutsim/sim"
)

// Talk serves an echo on the loopback address and loads the driver.
func Talk(d synccall.Defect) func(m *sim.Machine) {
	return func(m *sim.Machine) {
		m.Process("server.exe").Serve(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"),
			synccall.Port), slowly)
		m.Run()
		driver := &synccall.Driver{Defect: d}
		_, s := m.LoadStatus("sync.sys", driver.DriverEntry)
		switch {
		case m.Ended() || !ntstatus.NT_SUCCESS(s):
			return
		case driver.Answer != "hello":
			m.Errorf("the server said %q", driver.Answer)
		}
		m.Run()
		m.Unload("sync.sys")
	}
}

// slowly is a server that takes its time for an answer.
func slowly(u *sim.User, s *sim.Socket) {
	b := make([]byte, 16)
	for {
		n, err := s.Recv(b)
		if err != nil || n == 0 {
			break
		}
		u.Sleep(time.Second)
		if _, err := s.Send(b[:n]); err != nil {
			break
		}
	}
	_ = s.Close()
}

// Scenarios gives the conversation as it should be and with each of the defects.
func Scenarios() []sim.Scenario {
	return []sim.Scenario{
		{Name: "sync-call", Title: "a WSK client waits for each of its calls",
			Doc: "Look at call: it waits only for STATUS_PENDING, and takes the result from the IRP.",
			Run: Talk(synccall.None)},
		{Name: "sync-call-nowait", Title: "STATUS_PENDING is taken for the end of the request",
			Doc: "The status and the socket are read while the subsystem has the IRP.",
			Run: Talk(synccall.NeverWaits), Expect: []string{"WSK-074"}},
		{Name: "sync-call-signal", Title: "the routine signals only what pended, the helper always waits",
			Doc: "A request that ends inside its call is never signalled, and the driver hangs.",
			Run: Talk(synccall.SignalsIfPending), Expect: []string{"WSK-076"}, Sometimes: true},
		{Name: "sync-call-climb", Title: "the completion routine lets the I/O manager go on with the IRP",
			Doc: "There is no driver above whose IRP it would be.",
			Run: Talk(synccall.LetsGo), Expect: []string{"WSK-063"}},
		{Name: "sync-call-cancel", Title: "a slow request is cancelled and its IRP freed at once",
			Doc: "IoCancelIrp asks for the end of a request; it does not wait for it.",
			Run: Talk(synccall.GivesUp), Expect: []string{"WSK-246"}},
	}
}
