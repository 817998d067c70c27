// Package scenario lets two redirectors with a proxy each, and a monitor, meet one connection.
package scenario

import (
	"net/netip"

	tworedirectors "calloutsim/docs/examples/two-redirectors"
	"calloutsim/sim"
	"calloutsim/wsk/ws2def"
)

// World is the story with everybody in it; look at it after the run.
type World struct {
	First, Second *tworedirectors.Redirector // the first is the heavier one
	Monitor       *tworedirectors.Monitor
	Reply         string
	Err           error
	Carried       []string // by which proxy
}

var (
	server = netip.MustParseAddrPort("192.0.2.10:80")
	first  = netip.MustParseAddrPort("127.0.0.1:8801")
	second = netip.MustParseAddrPort("127.0.0.1:8802")
)

// The control codes of redirection (mstcpip.h).
const (
	queryRecords = 0x980000DC
	queryContext = 0x980000DD
	setRecords   = 0x980000DE
)

// Story loads both drivers and the monitor, and makes a connection.
func Story(d tworedirectors.Defect) func(m *sim.Machine) { return func(m *sim.Machine) { Play(m, d) } }

// Play is Story for those who look at the world afterwards. The second, lighter driver makes the mistake.
func Play(m *sim.Machine, d tworedirectors.Defect) *World {
	w := &World{Err: errNotDone}
	m.Process("server.exe").Serve(server, answer)
	one, two := w.proxy(m, "first.exe", first), w.proxy(m, "second.exe", second)
	m.Run()
	w.First = &tworedirectors.Redirector{Port: server.Port(), Proxy: first, PID: one,
		Weight: tworedirectors.Heavy}
	w.Second = &tworedirectors.Redirector{Port: server.Port(), Proxy: second, PID: two, Defect: d}
	w.Monitor = new(tworedirectors.Monitor)
	m.Load("first.sys", w.First.DriverEntry)
	defer m.Unload("first.sys")
	m.Load("second.sys", w.Second.DriverEntry)
	defer m.Unload("second.sys")
	m.Load("monitor.sys", w.Monitor.DriverEntry)
	defer m.Unload("monitor.sys")
	m.Process("browser.exe").Go("asks", func(u *sim.User) { w.Err = w.ask(u) })
	m.Run()
	return w
}

type notDone struct{}

// Error says so.
func (notDone) Error() string { return "the program did not get to its end" }

var errNotDone error = notDone{}

// ask says something to the server and reads the answer to its end.
func (w *World) ask(u *sim.User) error {
	s, err := u.Dial(server)
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.Send([]byte("hello")); err != nil {
		return err
	}
	b := make([]byte, 64)
	n, err := s.Recv(b)
	w.Reply = string(b[:n])
	return err
}

// answer is the server's side of one connection.
func answer(_ *sim.User, s *sim.Socket) {
	defer s.Close()
	b := make([]byte, 64)
	if n, err := s.Recv(b); err == nil && n > 0 {
		s.Send(append([]byte("you said: "), b[:n]...))
	}
}

// proxy starts a program that accepts what is redirected to it; it gives its process id.
func (w *World) proxy(m *sim.Machine, image string, addr netip.AddrPort) uint32 {
	p := m.Process(image, sim.ProcessOptions{Admin: true}) // only one may set records
	p.Go("accepts", func(u *sim.User) {
		l, err := u.Listen(netip.AddrPortFrom(netip.IPv4Unspecified(), addr.Port()))
		if err != nil {
			return
		}
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.Carried = append(w.Carried, image)
			carry(u, c)
		}
	})
	return p.PID()
}

// carry connects to where the connection wanted to go, with its records, and carries a question and an
// answer.
func carry(u *sim.User, c *sim.Socket) {
	defer c.Close()
	records, context := make([]byte, 1024), make([]byte, ws2def.SizeofSockaddrStorage)
	n, err := c.Ioctl(queryRecords, nil, records)
	if err != nil {
		return
	}
	if _, err = c.Ioctl(queryContext, nil, context); err != nil {
		return
	}
	original := ws2def.StorageFromBytes(context)
	out, err := u.Socket(ws2def.AF_INET)
	if err != nil {
		return
	}
	defer out.Close()
	if _, err = out.Ioctl(setRecords, records[:n], nil); err != nil {
		return
	}
	if err = out.Connect(ws2def.AddrPort(&original)); err != nil {
		return
	}
	b := make([]byte, 64)
	if n, err = c.Recv(b); err != nil || n == 0 {
		return
	}
	if _, err = out.Send(b[:n]); err != nil {
		return
	}
	if n, err = out.Recv(b); err == nil && n > 0 {
		c.Send(b[:n])
	}
}

// Scenarios gives the story as it should be and with each of its defects.
func Scenarios() []sim.Scenario {
	list := []sim.Scenario{{Name: "two-redirectors",
		Title: "two callout drivers redirect the same connection, one after the other, and do not fight",
		Doc: "Follow classify# at ALE_CONNECT_REDIRECT_V4: browser.exe to first.exe, that one to " +
			"second.exe, second.exe to server.exe.",
		Run: Story(tworedirectors.None)}}
	for _, d := range defects {
		list = append(list, sim.Scenario{Name: "two-redirectors-" + string(d.defect), Title: d.title,
			Doc: d.doc, Run: Story(d.defect), Expect: []string{d.rule}})
	}
	return append(list, sim.Scenario{Name: "two-redirectors-" + string(tworedirectors.IgnoresOthers),
		Title: "what another driver has redirected is redirected again, a hazard: WFP-104",
		Doc:   "The heavier driver's proxy gets no connection. Look with --failon warning.",
		Run:   Story(tworedirectors.IgnoresOthers)})
}

// defects are the mistakes and the rule that must name each.
var defects = []struct {
	defect tworedirectors.Defect
	rule   string
	title  string
	doc    string
}{
	{tworedirectors.RedirectsItself, "WFP-102", "the proxy's own connection is redirected to the proxy",
		"It never leaves the machine: the proxy talks to itself."},
	{tworedirectors.NoHandle, "WFP-106", "the redirect handle is not set",
		"The redirection to this machine is not accepted."},
	{tworedirectors.NoTarget, "WFP-105", "the process of the proxy is not named",
		"The redirection to this machine is not accepted."},
}
