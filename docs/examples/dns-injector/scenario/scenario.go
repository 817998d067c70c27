// Package scenario lets a program ask for names while dns.sys and its rival look on.
package scenario

import (
	"net/netip"
	"time"

	dnsinjector "calloutsim/docs/examples/dns-injector"
	"calloutsim/sim"
	"calloutsim/wsk/ws2def"
)

// World is the story with everybody in it; look at it after the run.
type World struct {
	Injector *dnsinjector.Injector
	VPN      *dnsinjector.VPN
	Asked    []string // that reached the server
	Listed   netip.Addr
	Other    netip.Addr
	Loaded   bool // both drivers were loaded
}

var (
	server = netip.MustParseAddrPort("192.0.2.53:53")
	real   = [4]byte{203, 0, 113, 80}
	sink   = [4]byte{127, 0, 0, 1}
)

// The names the program asks for; the first is on the list.
const (
	listed = "ads.example"
	other  = "www.example"
)

// Story loads both drivers, lets a program ask for two names, and unloads the drivers.
func Story(d dnsinjector.Defect) func(m *sim.Machine) { return func(m *sim.Machine) { Play(m, d) } }

// Play is Story for those who look at the world afterwards.
func Play(m *sim.Machine, d dnsinjector.Defect) *World {
	a := server.Addr().As4()
	w := &World{Injector: &dnsinjector.Injector{Defect: d, Names: []string{listed}, Answer: sink},
		VPN: &dnsinjector.VPN{Defect: d,
			Peer: uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])}}
	m.Host(server.Addr(), sim.Port{Answer: func(b []byte) []byte {
		w.Asked = append(w.Asked, nameIn(b))
		return reply(b, real)
	}})
	m.Load("dns.sys", w.Injector.DriverEntry)
	defer m.Unload("dns.sys") // also where memory is too short for the other driver
	m.Load("vpn.sys", w.VPN.DriverEntry)
	defer m.Unload("vpn.sys")
	w.Loaded = true
	m.Process("browser.exe").Go("resolver", func(u *sim.User) {
		w.Listed = resolve(u, listed)
		w.Other = resolve(u, other)
	})
	m.Run()
	return w
}

// Race lets a program ask while dns.sys is unloaded.
func Race(d dnsinjector.Defect) func(m *sim.Machine) {
	return func(m *sim.Machine) {
		i := &dnsinjector.Injector{Defect: d, Names: []string{listed}, Answer: sink}
		m.Host(server.Addr(), sim.Silent())
		m.Load("dns.sys", i.DriverEntry)
		m.Process("browser.exe").Go("resolver", func(u *sim.User) {
			if s, err := u.Datagrams(ws2def.AF_INET); err == nil {
				s.SendTo(question(listed), server)
				s.Close()
			}
		})
		m.Unload("dns.sys")
		m.Run()
	}
}

// resolve asks the server for a name; the zero Addr when no answer comes.
func resolve(u *sim.User, name string) netip.Addr {
	s, err := u.Datagrams(ws2def.AF_INET)
	if err != nil {
		return netip.Addr{}
	}
	defer s.Close()
	if _, err := s.SendTo(question(name), server); err != nil {
		return netip.Addr{}
	}
	if n, err := u.Poll([]sim.PollFD{{Socket: s, Events: sim.PollIn}}, 5*time.Second); n == 0 || err != nil {
		return netip.Addr{}
	}
	b := make([]byte, 512)
	n, _, err := s.RecvFrom(b)
	if err != nil || n < 4 {
		return netip.Addr{}
	}
	a, _ := netip.AddrFromSlice(b[n-4 : n])
	return a
}

// question is a query for the IPv4 address of a name.
func question(name string) []byte {
	b := []byte{0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	at := len(b)
	b = append(b, 0)
	for i := range len(name) {
		if name[i] == '.' {
			at = len(b)
			b = append(b, 0)
			continue
		}
		b = append(b, name[i])
		b[at]++
	}
	return append(b, 0, 0, 1, 0, 1)
}

// nameIn is the name in a query.
func nameIn(b []byte) (name string) {
	for at := 12; at < len(b) && b[at] != 0; at += 1 + int(b[at]) {
		if name != "" {
			name += "."
		}
		name += string(b[at+1 : at+1+int(b[at])])
	}
	return name
}

// reply is the answer to a query.
func reply(b []byte, a [4]byte) []byte {
	out := append([]byte(nil), b...)
	out[2] |= 0x80
	out[7] = 1
	out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4)
	return append(out, a[:]...)
}

// Scenarios gives the story as it should be and with each of its defects.
func Scenarios() []sim.Scenario {
	list := []sim.Scenario{{Name: "dns-injector",
		Title: "a callout answers DNS queries by itself, beside a rival that reinjects every packet",
		Doc: "One name is answered by dns.sys, the other by the server, through vpn.sys. Follow nbl# from " +
			"a classifyFn to completionFn.",
		Run: Story(dnsinjector.None)}}
	for _, d := range defects {
		list = append(list, sim.Scenario{Name: "dns-injector-" + string(d.defect), Title: d.title,
			Doc: d.doc, Run: Story(d.defect), Expect: []string{d.rule}})
	}
	return list
}

// defects are the mistakes and the rule that must name each.
var defects = []struct {
	defect dnsinjector.Defect
	rule   string
	title  string
	doc    string
}{
	{dnsinjector.HandleMisfit, "WFP-168", "the injection handle is for other layers",
		"The injection is refused, and the program waits."},
	{dnsinjector.ListNotFreed, "WFP-167", "completionFn does not free the list",
		"Its memory and its MDL are gone, the list stays."},
	{dnsinjector.HandleLeft, "WFP-017", "the injection handle is not destroyed",
		"A packet under way would be completed by code that is gone."},
	{dnsinjector.OffsetLeft, "WFP-058", "classifyFn advances and does not retreat",
		"Who gets the list next takes the question for a UDP header."},
	{dnsinjector.CompartmentUnspecified, "WFP-181", "the answer is injected without the query's compartment",
		"It is routed by the tables of another one."},
	{dnsinjector.StateNotAsked, "WFP-164", "the rival does not know its own packets",
		"It takes out of the network what it has just put back, for ever."},
	{dnsinjector.CloneLost, "WFP-172", "the rival loses the clone of a packet",
		"The packet it was made of is never freed."},
}
