package wsk

import (
	"fmt"
	"net/netip"
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// dump prints the registrations with what keeps them, and every open socket.
func dump(m *ke.Machine, _ trace.ID) []string {
	s := state.On(m)
	out := []string{"**** DUMP OF WINSOCK KERNEL ****"}
	for _, c := range s.clients {
		out = append(out, c.dump(s))
	}
	if len(s.clients) == 0 {
		return append(out, "no registrations")
	}
	for _, o := range s.sockets {
		out = list.Add(out, o.dump())
	}
	return out
}

func (c *client) dump(s *subsystem) string {
	is := "registered"
	switch {
	case c.gone:
		is = "deregistered"
	case c.leaving:
		is = "in WskDeregister"
	}
	return fmt.Sprintf("%v  %s  %s, %d captures, %d sockets, %d under construction%s", c.id, c.image.Name, is,
		c.captures, s.open(c), c.making, maskText(", static ", c.static))
}

// maskText names the events of a mask behind a word; nothing where there are none.
func maskText(word string, mask uint32) string {
	var names []string
	for n := range numEvents {
		if mask&events[n].mask != 0 {
			names = append(names, events[n].name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return word + strings.Join(names, " ")
}

var categoryNames = [numCategories]string{basic: "basic", listen: "listening", datagram: "datagram",
	connection: "connection", stream: "stream"}

// stateName gives the word of wsk.md 8 for where the socket stands.
func (o *socket) stateName() string {
	switch {
	case o.closing:
		return "closing"
	case o.dead:
		return "dead"
	case o.silent:
		return "silent"
	}
	return o.state().String()
}

func (o *socket) dump() []string {
	head := fmt.Sprintf("%v  %v  %s %s", o.id, o.cl.id, categoryNames[o.column()], o.stateName())
	if o.ep != nil {
		head += addressText("  local ", o.ep.Local()) + addressText("  remote ", o.ep.Remote())
		if n := o.ep.Available(); n > 0 {
			head += fmt.Sprintf("  %d bytes to receive", n)
		}
		if n := o.ep.Unsent(); n > 0 {
			head += fmt.Sprintf("  %d bytes not acknowledged", n)
		}
		if n := o.ep.Waiting(); n > 0 {
			head += fmt.Sprintf("  %d connections to accept", n)
		}
	}
	out := []string{head}
	if on := maskText("    events ", o.ev.on|o.ev.always); on != "" {
		out = append(out, on+maskText("; for accepted sockets ", o.ev.pass))
	}
	for n, running := range o.ev.running {
		if running > 0 {
			out = append(out, fmt.Sprintf("    in %s", events[n].name))
		}
	}
	if o.ev.refused {
		out = append(out, "    WskReceiveEvent waits for a WskReceive")
	}
	for _, r := range o.pending {
		out = append(out, fmt.Sprintf("    %v %s%s", r.p.ID(), r.name, r.standing()))
	}
	for _, in := range o.retained {
		out = append(out, fmt.Sprintf("    %v kept by the driver, %d bytes", in.id, in.bytes))
	}
	for _, in := range o.inspections {
		if in.state == inspectPended {
			out = append(out, fmt.Sprintf("    inspection %d pending", in.id.SerialNumber))
		}
	}
	return out
}

func addressText(word string, a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return word + a.String()
}

// standing says how far a request is.
func (r *request) standing() string {
	switch {
	case r.completed:
		return ", completed"
	case r.done:
		return fmt.Sprintf(", to be completed with %v", r.status)
	case r.cancelable:
		return ", waits and can be cancelled"
	}
	return ", waits"
}

// illustrate shows the sockets with what Windows would hang for.
func illustrate(m *ke.Machine, f *verify.Finding) []string {
	switch f.Rule {
	case verify.WSK_013, verify.WSK_017, verify.WSK_041, verify.WSK_076, verify.WSK_119, verify.WSK_168,
		verify.WSK_177, verify.WSK_178, verify.WSK_186, verify.WSK_197, verify.WSK_210:
		return dump(m, 0)
	}
	return nil
}
