package tcpip

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/packet"
	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
)

// commands are what a transcript consists of; the arguments are words.
var commands = map[string]func(r *transcript, a []string){
	"host": (*transcript).host, "socket": (*transcript).socket, "bind": (*transcript).bind,
	"listen": (*transcript).listen, "connect": (*transcript).connect, "accept": (*transcript).accept,
	"send": (*transcript).send, "recv": (*transcript).recv, "fin": (*transcript).fin,
	"abort": (*transcript).abort, "close": (*transcript).close, "state": (*transcript).state,
	"deliver": (*transcript).deliver, "drop": (*transcript).dropNext, "tick": (*transcript).tick,
	"filter": (*transcript).filter, "complete": (*transcript).complete, "redirect": (*transcript).redirect,
	"query": (*transcript).query, "run": (*transcript).run, "emit": (*transcript).emit,
	"forwards": (*transcript).forwards,
	"udp":      (*transcript).udp, "sendto": (*transcript).sendTo, "recvfrom": (*transcript).recvFrom,
	"connectto": (*transcript).connectTo, "fix": (*transcript).fix, "join": (*transcript).join,
	"leave": (*transcript).leaveGroup, "option": (*transcript).option, "later": (*transcript).moveClock,
}

// host ADDR echo|shut|silent [ms] declares a host, with a latency.
func (r *transcript) host(a []string) {
	h := r.s.AddHost(netip.MustParseAddr(a[0]),
		map[string]Handler{"echo": Echo(), "shut": Shut(), "silent": Silent()}[a[1]])
	if len(a) > 2 {
		ms, err := strconv.Atoi(a[2])
		require.NoError(r, err)
		h.Latency = int64(ms) * ke.Millisecond
	}
}

// socket NAME [v6] [window=N] makes a socket.
func (r *transcript) socket(a []string) {
	e := r.s.NewEndpoint(nil, len(a) > 1 && a[1] == "v6")
	e.Owner = r
	if w := a[len(a)-1]; strings.HasPrefix(w, "window=") {
		n, err := strconv.Atoi(w[7:])
		require.NoError(r, err)
		e.Window = n
	}
	r.sockets[a[0]], r.names[e.ID] = e, a[0]
}

func (r *transcript) of(a []string) *Endpoint {
	e := r.sockets[a[0]]
	require.NotNil(r, e, "no socket %s", a[0])
	return e
}

// bind NAME ADDR
func (r *transcript) bind(a []string) {
	r.of(a).Bind(nil, netip.MustParseAddrPort(a[1]), nil, r.over(a[0], "bind"))
}

// listen NAME [BACKLOG]
func (r *transcript) listen(a []string) {
	n := 0
	if len(a) > 1 {
		n, _ = strconv.Atoi(a[1])
	}
	r.of(a).Listen(nil, n, nil, r.over(a[0], "listen"))
}

// connect NAME ADDR
func (r *transcript) connect(a []string) {
	r.of(a).Connect(nil, netip.MustParseAddrPort(a[1]), true, nil, r.over(a[0], "connect"))
}

// accept NAME NEW takes a connection that waits.
func (r *transcript) accept(a []string) {
	e := r.of(a).Accept(nil)
	if e == nil {
		r.say("nobody waits")
		return
	}
	e.Owner = r
	r.sockets[a[1]], r.names[e.ID] = e, a[1]
	r.say("%s %v > %v", a[1], e.Local(), e.Peer())
}

// send NAME TEXT, or send NAME bytes=N
func (r *transcript) send(a []string) {
	b := []byte(a[1])
	if n, ok := strings.CutPrefix(a[1], "bytes="); ok {
		size, err := strconv.Atoi(n)
		require.NoError(r, err)
		b = make([]byte, size)
	}
	r.of(a).Send(nil, b, func(_ *ke.K, n int, s ntstatus.NTSTATUS) { r.say("%s send: %v, %d", a[0], s, n) })
}

// recv NAME MAX [all|drain]
func (r *transcript) recv(a []string) {
	n, err := strconv.Atoi(a[1])
	require.NoError(r, err)
	how := a[len(a)-1]
	r.readers(a[0]).Add(nil, r.of(a), &Reader{Max: n, All: how == "all", Drain: how == "drain",
		Done: func(_ *ke.K, b []byte, s ntstatus.NTSTATUS) {
			if len(b) < 40 {
				r.say("%s recv: %v, %q", a[0], s, b)
				return
			}
			r.say("%s recv: %v, %d bytes", a[0], s, len(b))
		}})
}

// fin NAME [TEXT] finishes sending, behind a last piece.
func (r *transcript) fin(a []string) {
	r.of(a).Disconnect(nil, []byte(strings.Join(a[1:], " ")), false, r.over(a[0], "fin"))
}

// abort NAME
func (r *transcript) abort(a []string) {
	r.of(a).Disconnect(nil, nil, true, r.over(a[0], "abort"))
}

// close NAME [graceful]
func (r *transcript) close(a []string) {
	r.of(a).Close(nil, len(a) > 1, func(*ke.K) { r.say("%s closed", a[0]) })
}

// state NAME
func (r *transcript) state(a []string) {
	e := r.of(a)
	r.say("%v, %v > %v, %d to read, %d unsent", e.State(), e.Local(), e.Remote(), e.Available(), e.Unsent())
}

// deliver [N] lets what is due happen: N packets, or all there are and those they cause.
func (r *transcript) deliver(a []string) {
	n := 1000
	if len(a) > 0 {
		n, _ = strconv.Atoi(a[0])
	}
	for ; n > 0; n-- {
		if len(r.w.due) == 0 {
			return
		}
		r.w.deliver(0)
	}
}

// drop loses the packet that is due next.
func (r *transcript) dropNext([]string) {
	r.s.net.lose = true
	r.deliver([]string{"1"})
	r.s.net.lose = false
}

// tick moves the clock to the next timer.
func (r *transcript) tick([]string) {
	if !r.w.tick() {
		r.say("no timer")
	}
}

// run is deliver and tick until nothing is left.
func (r *transcript) run([]string) {
	for r.deliver(nil); r.w.tick(); r.deliver(nil) {
	}
}

// forwards makes the machine pass on packets for others.
func (r *transcript) forwards([]string) { r.s.Forwards = true }

// emit FROM TO syn|data|udp [pieces=N] puts a packet of a host on the wire, whole or in pieces of N bytes.
func (r *transcript) emit(a []string) {
	p := &packet.Packet{Proto: TCP, TTL: ttl, Src: netip.MustParseAddrPort(a[0]),
		Dst: netip.MustParseAddrPort(a[1])}
	switch a[2] {
	case "syn":
		p.TCP = packet.Segment{Flags: packet.SYN, Window: 1000}
	case "data":
		p.TCP, p.Payload = packet.Segment{Flags: packet.ACK | packet.PSH, Window: 1000}, make([]byte, 60)
	case "udp":
		p.Proto, p.Payload = packet.ProtoUDP, make([]byte, 60)
	}
	size := 1 << 15
	if len(a) > 3 {
		size, _ = strconv.Atoi(strings.TrimPrefix(a[3], "pieces="))
	}
	for _, q := range p.Cut(size, 7) {
		r.s.net.hosts[0].Emit(nil, q)
	}
}

// filter STATION permit|block|absorb|hold; a discard station is written -STATION. Stations of packets are
// asked from then on.
func (r *transcript) filter(a []string) {
	r.verdict[a[0]] = a[1]
	at := Layer(slices.Index(stationNames[:], strings.TrimPrefix(a[0], "-")))
	if a[0][0] == '-' {
		at |= Discarded
	}
	w := r.s.wants
	w.Add(at, false)
	w.Add(at, true)
	r.s.SetWants(w)
}

// complete STATION permit|block answers a question that is held.
func (r *transcript) complete(a []string) {
	q := r.held[a[0]]
	require.NotNil(r, q)
	delete(r.held, a[0])
	q.Done(nil, Answer{Permit: a[1] == "permit", Target: Target{Local: q.Local, Remote: q.Remote}})
}

// redirect ADDR sends every further connection there.
func (r *transcript) redirect(a []string) { r.to = netip.MustParseAddrPort(a[0]) }

// query NAME prints what the owner of an accepted connection learns of its redirection.
func (r *transcript) query(a []string) {
	e := r.of(a)
	_, s := e.QueryRecords(nil)
	original, _ := e.OriginalRemote()
	r.say("records: %v, original %v", s, original)
}

// Classify is the filter engine of a transcript.
func (r *transcript) Classify(k *ke.K, q *Question) {
	name := stationNames[q.At&^Discarded]
	if q.At&Discarded != 0 {
		name = "-" + name
	}
	verdict := r.verdict[name]
	if verdict == "" {
		verdict = "permit"
	}
	answer := Answer{Permit: verdict == "permit", Absorb: verdict == "absorb",
		Target: Target{Local: q.Local, Remote: q.Remote}}
	if q.At == ConnectRedirect && r.to.IsValid() && verdict == "permit" {
		verdict = "to " + r.to.String()
		answer.Target = Target{Local: q.Local, Remote: r.to, TargetPID: 4, Redirected: true, Modified: true}
		q.Matter.(*ConnectRequest).Records.(*chain).links++
	}
	label := name
	if q.Again != 0 {
		label += fmt.Sprintf(" again (0x%x)", uint32(q.Again))
	}
	r.say("  %s %v %v > %v%s: %s", label, q.Endpoint.ID, q.Local, q.Remote, about(q), verdict)
	if verdict == "hold" {
		r.held[name] = q
		return
	}
	q.Done(k, answer)
}

// about is what a question about a packet says besides.
func about(q *Question) (text string) {
	c, ok := q.Matter.(*Carried)
	if !ok || q.At <= ResourceRelease {
		return ""
	}
	for _, f := range []struct {
		flag Flag
		name string
	}{{RequiresALE, "to be authorised"}, {Fragment, "piece"}, {Reassembled, "whole"}} {
		if q.Flags&f.flag != 0 {
			text += ", " + f.name
		}
	}
	if c.Reason != NotDropped {
		text += ", " + c.Reason.String()
	}
	return text
}

var stationNames = [...]string{"", "BindRedirect", "ResourceAssignment", "AuthListen", "ConnectRedirect",
	"AuthConnect", "AuthRecvAccept", "FlowEstablished", "EndpointClosure", "ResourceRelease", "TransportOut",
	"TransportIn", "IPOut", "IPIn", "IPForward", "DatagramOut", "DatagramIn", "StreamPacketOut",
	"StreamPacketIn", "IcmpErrorOut", "IcmpErrorIn"}

// NewRecords and its like keep chains as the fake of the other tests does.
func (r *transcript) NewRecords(*ke.K, Records) Records {
	r.chains++
	return &chain{id: trace.MakeID(trace.RedirectRecords, uint64(r.chains))}
}
func (r *transcript) FormatRecords(Records) []byte        { return make([]byte, 100) }
func (r *transcript) ParseRecords([]byte) (Records, bool) { return nil, false }
func (r *transcript) RedirectTarget(Records) uint32       { return 4 }
func (r *transcript) ContextOf(Records) (Context, ntstatus.NTSTATUS) {
	return nil, ntstatus.STATUS_NOT_FOUND
}

// FlowGone prints the end of a flow.
func (r *transcript) FlowGone(_ *ke.K, flow *Flow, records Records) {
	if records != nil {
		r.say("  gone: %v, with %v", flow.ID, records.ID())
		return
	}
	r.say("  gone: %v", flow.ID)
}
