// Package scenario lets the two drivers of connect-redirect meet an application and a server.
package scenario

import (
	"fmt"
	"net/netip"

	connectredirect "calloutsim/docs/examples/connect-redirect"
	"calloutsim/sim"
)

// World is the story with everybody in it; look at it after the run.
type World struct {
	Proxy    *connectredirect.Proxy
	Redirect *connectredirect.Redirector
	Talks    []*Talk
	Loaded   bool // both drivers were loaded
}

// Talk is one connection of the application.
type Talk struct {
	Err   error
	Reply string
}

var (
	local  = netip.MustParseAddr("192.0.2.10")
	server = netip.AddrPortFrom(local, 80)
)

const talks = 2

// Story loads both drivers, lets an application make two connections to a server at the same time, and
// unloads everything.
func Story(d connectredirect.Defect) func(m *sim.Machine) { return func(m *sim.Machine) { Play(m, d) } }

// Play is Story for those who look at the world afterwards.
func Play(m *sim.Machine, d connectredirect.Defect) *World {
	w := &World{Proxy: &connectredirect.Proxy{Defect: d}}
	m.Load("proxy.sys", w.Proxy.DriverEntry)
	defer m.Unload("proxy.sys") // also where memory is too short for the other driver
	w.Redirect = &connectredirect.Redirector{Defect: d, Proxy: w.Proxy.Device, Port: server.Port(),
		BigContexts: true}
	m.Load("redirect.sys", w.Redirect.DriverEntry)
	w.Loaded = true
	m.Process("server.exe").Serve(server, answer)
	browser := m.Process("browser.exe")
	for n := range talks {
		t := &Talk{Err: errNotDone}
		w.Talks = append(w.Talks, t)
		browser.Go(fmt.Sprintf("tab %d", n+1), func(u *sim.User) { t.Err = t.talk(u, n) })
	}
	m.Run()
	m.Unload("redirect.sys")
	return w
}

type notDone struct{}

func (notDone) Error() string { return "the program did not get to its end" }

var errNotDone error = notDone{}

// talk connects, says something, reads the answer to its end and closes.
func (t *Talk) talk(u *sim.User, n int) error {
	s, err := u.Dial(server)
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.Send(fmt.Appendf(nil, "hello %d", n+1)); err != nil {
		return err
	}
	b := make([]byte, 64)
	for {
		got, err := s.Recv(b)
		if err != nil || got == 0 {
			return err
		}
		t.Reply += string(b[:got])
	}
}

// answer is the server's side of one connection: it greets back and hangs up.
func answer(_ *sim.User, s *sim.Socket) {
	defer s.Close()
	b := make([]byte, 64)
	n, err := s.Recv(b)
	if err != nil || n == 0 {
		return
	}
	s.Send(append([]byte("you said: "), b[:n]...))
}

// Scenarios gives the story as it should be and with each of its defects.
func Scenarios() []sim.Scenario {
	list := []sim.Scenario{{Name: "connect-redirect",
		Title: "a callout pends a connection and redirects it to a kernel proxy",
		Doc: "Two connections at once. Follow classify#, records and irp# from browser.exe to redirect.sys " +
			"and proxy.sys and back.",
		Run: Story(connectredirect.None)}}
	for _, d := range defects {
		list = append(list, sim.Scenario{Name: "connect-redirect-" + string(d.defect), Title: d.title,
			Doc: d.doc,
			Run: Story(d.defect), Expect: []string{d.rule}})
	}
	return list
}

// defects are the mistakes and the rule that must name each.
var defects = []struct {
	defect connectredirect.Defect
	rule   string
	title  string
	doc    string
}{
	{connectredirect.ContextFreedEarly, "WSK-222",
		"the buffer of a query is freed before its IRP is completed",
		"WSK writes the context into it when the request ends."},
	{connectredirect.RoutineContinues, "IRP-050",
		"the completion routine of an own IRP returns STATUS_SUCCESS",
		"The routine freed the IRP; the I/O manager would go on with it."},
	{connectredirect.FlagMissing, "WSK-062", "a completion routine is not invoked on cancel",
		"When the request is cancelled nobody stops the climb, and the I/O manager gets an IRP it cannot " +
			"finish."},
	{connectredirect.CompletedTwice, "WFP-068", "a classification is completed twice",
		"The second time its state is gone."},
	{connectredirect.NeverCompleted, "WFP-067", "a pended classification is forgotten",
		"The application waits for ever."},
	{connectredirect.HandleMissing, "WFP-106", "the redirect handle is not set",
		"The redirection to this machine is not accepted."},
	{connectredirect.RecordsNotSet, "WFP-120", "the proxy connects without the redirect records",
		"Its connection looks like any other and would be redirected to the proxy again."},
	{connectredirect.QueryAtDispatch, "WSK-093", "the redirect context is queried at DISPATCH_LEVEL",
		"The control code is for PASSIVE_LEVEL."},
	{connectredirect.ContextFreedByUs, "WFP-108",
		"the redirect context is freed by the driver after it was applied", "The engine owns it by then."},
	{connectredirect.UnregisteredTooLate, "WFP-016",
		"the callout is unregistered after its device object was deleted",
		"A connection that comes in between is classified with a device that is gone."},
}
