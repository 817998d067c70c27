// Package scenario lets bind.sys meet the program that it confines, another one, and their visitors.
package scenario

import (
	"net/netip"

	bindredirector "calloutsim/docs/examples/bind-redirector"
	"calloutsim/sim"
)

// World is the story with everybody in it; look at it after the run.
type World struct {
	Driver            *bindredirector.Redirector
	Service, Other    *Server
	Neighbour, Remote error // of those who visit the service by the loopback address, and by the other one
}

// Server is a program that listens.
type Server struct {
	Asked, Got netip.AddrPort
	Err        error
	Guests     int
}

var (
	anywhere = netip.MustParseAddr("0.0.0.0")
	loopback = netip.MustParseAddrPort("127.0.0.1:8080")
	outside  = netip.MustParseAddrPort("192.0.2.10:8080")
)

// Story loads the driver, lets both programs listen and visits the one.
func Story(d bindredirector.Defect) func(m *sim.Machine) { return func(m *sim.Machine) { Play(m, d) } }

// Play is Story for those who look at the world afterwards.
func Play(m *sim.Machine, d bindredirector.Defect) *World {
	w := &World{Driver: &bindredirector.Redirector{Defect: d, Image: "service.exe"},
		Service: &Server{Asked: netip.AddrPortFrom(anywhere, 8080)},
		Other:   &Server{Asked: netip.AddrPortFrom(anywhere, 9090)}}
	m.Load("bind.sys", w.Driver.DriverEntry)
	m.Process("service.exe").Go("listens", w.Service.listen)
	m.Process("other.exe").Go("listens", w.Other.listen)
	m.Run()
	visit := func(name string, addr netip.AddrPort, err *error) {
		m.Process(name).Go("visits", func(u *sim.User) {
			s, e := u.Dial(addr)
			if *err = e; e == nil {
				s.Close()
			}
		})
		m.Run()
	}
	visit("neighbour.exe", loopback, &w.Neighbour)
	visit("remote.exe", outside, &w.Remote)
	m.Unload("bind.sys")
	return w
}

// listen binds, and waits for one guest in a thread of its own. The second bind is to one address, which
// nobody changes.
func (s *Server) listen(u *sim.User) {
	l, err := u.Listen(s.Asked)
	if s.Err = err; err != nil {
		return
	}
	s.Got = l.LocalAddr()
	if second, err := u.Listen(netip.AddrPortFrom(outside.Addr(), s.Asked.Port()+1)); err == nil {
		second.Close()
	}
	u.Process().Go("accepts", func(u *sim.User) {
		if c, err := l.For(u).Accept(); err == nil {
			s.Guests++
			c.Close()
		}
	})
}

// Scenarios gives the story as it should be and with each of its defects.
func Scenarios() []sim.Scenario {
	list := []sim.Scenario{{Name: "bind-redirector",
		Title: "a callout binds a program's sockets to another address",
		Doc:   "Follow classify# at ALE_BIND_REDIRECT_V4 from service.exe to bind.sys and back.",
		Run:   Story(bindredirector.None)}}
	for _, d := range defects {
		list = append(list, sim.Scenario{Name: "bind-redirector-" + string(d.defect), Title: d.title,
			Doc: d.doc, Run: Story(d.defect), Expect: []string{d.rule}})
	}
	return list
}

// defects are the mistakes and the rule that must name each.
var defects = []struct {
	defect bindredirector.Defect
	rule   string
	title  string
	doc    string
}{
	{bindredirector.NotApplied, "WFP-083", "a copy of the request is acquired and not applied",
		"Also a copy that is not changed has to be given back."},
	{bindredirector.HandleLeaked, "WFP-061", "the classify handle is not released",
		"Each classification costs memory for ever."},
	{bindredirector.InPlace, "WFP-088", "the request is changed in place",
		"The engine does not look at what it lent; the socket is bound as the program asked."},
	{bindredirector.FamilyChanged, "WFP-091", "an address of the other family is written",
		"The socket is one of IPv4."},
	{bindredirector.AnswerLeft, "WFP-094", "the answer is left as the acquire has put it",
		"It is a block, which means nothing at a redirect layer."},
}
