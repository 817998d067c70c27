package tcpip

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/ntstatus"
)

// udp NAME [v6|dual] [window=N] makes a socket for datagrams.
func (r *transcript) udp(a []string) {
	e := r.s.NewDatagram(nil, slices.Contains(a, "v6") || slices.Contains(a, "dual"))
	e.Owner = r
	for _, w := range a[1:] {
		if n, ok := strings.CutPrefix(w, "window="); ok {
			size, err := strconv.Atoi(n)
			require.NoError(r, err)
			e.Window = size
		}
		if w == "dual" {
			e.V6Only = false
		}
	}
	r.sockets[a[0]], r.names[e.ID] = e, a[0]
}

// sendto NAME ADDR|- TEXT sends a datagram; an unbound socket is bound first.
func (r *transcript) sendTo(a []string) {
	m := Outgoing{Data: []byte(strings.Join(a[2:], " "))}
	if a[1] != "-" {
		m.To = netip.MustParseAddrPort(a[1])
	}
	r.of(a).SendTo(nil, m, true, nil, func(_ *ke.K, n int, s ntstatus.NTSTATUS) {
		r.say("%s sendto: %v, %d", a[0], s, n)
	})
}

// recvfrom NAME takes a datagram.
func (r *transcript) recvFrom(a []string) {
	d := r.of(a).TakeFrom(nil)
	if d == nil {
		r.say("nothing is there")
		return
	}
	r.say("%v > %v %q, interface %d", d.From, d.To, d.Data, d.Interface())
	if d.Broadcast() || d.Multicast() {
		r.say("broadcast %v, multicast %v", d.Broadcast(), d.Multicast())
	}
	if b, s := r.of(a).RecordsOf(nil, d); s != ntstatus.STATUS_NOT_FOUND {
		r.say("records: %v, %d bytes", s, len(b))
	}
}

// connectto NAME ADDR|- is connect of a datagram socket.
func (r *transcript) connectTo(a []string) {
	var to netip.AddrPort
	if a[1] != "-" {
		to = netip.MustParseAddrPort(a[1])
	}
	r.of(a).ConnectTo(nil, to, nil, r.over(a[0], "connect"))
}

// fix NAME peer|destination ADDR|-
func (r *transcript) fix(a []string) {
	var to netip.AddrPort
	if a[2] != "-" {
		to = netip.MustParseAddrPort(a[2])
	}
	if a[1] == "peer" {
		r.of(a).FixPeer(nil, to)
		return
	}
	r.of(a).FixDestination(nil, to)
}

// join NAME GROUP, leave NAME GROUP
func (r *transcript) join(a []string) {
	r.say("%v", r.of(a).Join(nil, netip.MustParseAddr(a[1])))
}

func (r *transcript) leaveGroup(a []string) {
	r.say("%v", r.of(a).Leave(nil, netip.MustParseAddr(a[1])))
}

// option NAME broadcast|reuse|exclusive
func (r *transcript) option(a []string) {
	e := r.of(a)
	switch a[1] {
	case "broadcast":
		e.Broadcast = true
	case "reuse":
		e.Share = ShareReuse
	case "exclusive":
		e.Share = ShareExclusive
	}
}

// later SECONDS moves the clock.
func (r *transcript) moveClock(a []string) {
	n, err := strconv.Atoi(a[0])
	require.NoError(r, err)
	r.w.clock += int64(n) * ke.Second
}
