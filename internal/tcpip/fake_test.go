package tcpip

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
)

// fake is an engine that redirects one destination to a proxy, blocks what a test names, and writes down
// what it is asked.
type fake struct {
	from, to netip.AddrPort
	pid      uint32
	context  string
	block    Layer
	later    bool // answer CONNECT_REDIRECT from another context
	log      []string
	gone     []string
	chains   []*chain
}

type chain struct {
	id    trace.ID
	links int
	ctx   string
}

func (c *chain) ID() trace.ID { return c.id }
func (c *chain) Len() int     { return c.links }

type text string

func (c text) Size() int             { return len(c) }
func (c text) CopyTo(dst []byte) int { return copy(dst, c) }

var layerNames = [...]string{"", "bind-redirect", "resource", "listen", "redirect", "connect", "accept",
	"flow", "closure",
	"release"}

func (f *fake) Classify(k *ke.K, q *Question) {
	f.log = append(f.log, fmt.Sprintf("%s %v->%v %x", layerNames[q.At], q.Local, q.Remote,
		uint32(q.Flags)))
	if q.Inbound {
		f.log[len(f.log)-1] += " inbound"
	}
	a := Answer{Permit: q.At != f.block, Target: Target{Local: q.Local, Remote: q.Remote}}
	if q.At == ConnectRedirect && q.Remote == f.from && q.Matter.(*ConnectRequest).Records.Len() == 0 {
		c := q.Matter.(*ConnectRequest).Records.(*chain)
		c.links, c.ctx = c.links+1, f.context
		a.Target.Remote, a.Target.TargetPID, a.Target.Modified, a.Target.Redirected = f.to, f.pid, true, true
	}
	if f.later && q.At == ConnectRedirect {
		ke.Of(k).QueueWork("completes the classification", func(k *ke.K) { q.Done(k, a) })
		return
	}
	q.Done(k, a)
}

func (f *fake) NewRecords(k *ke.K, inherited Records) Records {
	c := &chain{id: ke.Of(k).NewID(trace.RedirectRecords)}
	if inherited != nil {
		c.links = inherited.Len()
	}
	f.chains = append(f.chains, c)
	return c
}

func (f *fake) FormatRecords(r Records) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, uint64(r.ID())), make([]byte, 92)...)
}

func (f *fake) ParseRecords(b []byte) (Records, bool) {
	for _, c := range f.chains {
		if len(b) == 100 && uint64(c.id) == binary.LittleEndian.Uint64(b) {
			return c, true
		}
	}
	return nil, false
}

func (f *fake) ContextOf(r Records) (Context, ntstatus.NTSTATUS) {
	if c := r.(*chain); c.ctx != "" {
		return text(c.ctx), ntstatus.STATUS_SUCCESS
	}
	return nil, ntstatus.STATUS_NOT_FOUND
}

func (f *fake) RedirectTarget(Records) uint32 { return f.pid }

func (f *fake) FlowGone(k *ke.K, flow *Flow, r Records) {
	s := flow.ID.String()
	if r != nil {
		s += " " + r.ID().String()
	}
	f.gone = append(f.gone, s)
}
