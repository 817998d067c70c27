package wsk

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/pool"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// SECURITY_DESCRIPTOR says who may share the address of a socket. What is in one is the driver's affair: the
// check of the sharing matrix always finds the default descriptor, which denies (wsk.md 19).
type SECURITY_DESCRIPTOR struct {
	Revision, Sbz1           uint8
	Control                  uint16
	Owner, Group, Sacl, Dacl any
}

// sizeofPointer is the size of a PSECURITY_DESCRIPTOR.
const sizeofPointer = 8

// descriptors stands for the cache of security descriptors.
var descriptors = ke.Table(trace.Registration, 2)

// descriptor is one in the cache.
type descriptor struct {
	sd    *SECURITY_DESCRIPTOR // the cached copy, which is what the client knows it by
	c     *client
	asked bool // SO_WSK_SECURITY gave it
	lent  int  // requests that use it and are not completed
	seq   uint64
}

// cached finds a descriptor that a client has and has not released.
func (s *subsystem) cached(k *irql.K, sd any) *descriptor {
	p, ok := sd.(*SECURITY_DESCRIPTOR)
	if !ok || p == nil {
		return nil
	}
	ke.Adds(k, ke.Writes(descriptors))
	for _, d := range s.cache {
		if d.sd == p {
			return d
		}
	}
	return nil
}

// cacheSD keeps a copy of a descriptor for a client.
func (s *subsystem) cacheSD(k *irql.K, c *client, sd *SECURITY_DESCRIPTOR, asked bool) *SECURITY_DESCRIPTOR {
	ke.Adds(k, ke.Writes(descriptors))
	own := *sd
	s.cache = append(s.cache, &descriptor{sd: &own, c: c, asked: asked, seq: s.m.Log().Len()})
	return &own
}

// useSD lends a cached descriptor to a request until its IRP is completed.
func (r *request) useSD(k *irql.K, d *descriptor) {
	ke.Adds(k, ke.Writes(descriptors))
	d.lent++
	r.sd = d
}

// secures gives a new socket its descriptor.
func (o *socket) secures(k *irql.K, r *request, sd any) {
	if d := o.sub.cached(k, sd); d != nil {
		r.useSD(k, d)
		o.sd = *d.sd
	}
}

// returnSD ends that.
func (r *request) returnSD(k *irql.K) {
	if r.sd != nil {
		ke.Adds(k, ke.Writes(descriptors))
		r.sd.lent--
		r.sd = nil
	}
}

// leftDescriptors: nobody can release them any more. Rules: WSK-039, WSK-211.
func (s *subsystem) leftDescriptors(k *irql.K, c *client) {
	ke.Adds(k, ke.Reads(descriptors))
	for _, d := range s.cache {
		if d.c != c {
			continue
		}
		f := verify.Finding{Rule: verify.WSK_039, Obj: c.id.String(),
			Headline: "a security descriptor that WSK_CACHE_SD has cached is never released",
			Places:   []verify.Place{{Label: "CACHED", Seq: d.seq}}}
		if d.asked {
			f.Rule = verify.WSK_211
			f.Headline = "the security descriptor that SO_WSK_SECURITY gave is never released"
		}
		ke.Report(k, f)
		return
	}
}

// cacheCode is WSK_CACHE_SD.
func (q *clientRequest) cacheCode(k *irql.K) ntstatus.NTSTATUS {
	const invalid = ntstatus.STATUS_INVALID_PARAMETER
	if q.p != nil {
		return q.bad(k, verify.WSK_044, invalid, "WSK_CACHE_SD takes no IRP")
	}
	in, out := descriptorAt(q.in, q.inSize), descriptorAt(q.out, q.outSize)
	if in == nil || *in == nil || out == nil {
		return q.bad(k, verify.WSK_202, invalid, "WSK_CACHE_SD takes and gives a PSECURITY_DESCRIPTOR")
	}
	*out = state.Of(k).cacheSD(k, q.c, *in, false)
	return ntstatus.STATUS_SUCCESS
}

// releaseCode is WSK_RELEASE_SD. Rules: WSK-038, WSK-266.
func (q *clientRequest) releaseCode(k *irql.K) ntstatus.NTSTATUS {
	const invalid = ntstatus.STATUS_INVALID_PARAMETER
	if q.p != nil {
		return q.bad(k, verify.WSK_044, invalid, "WSK_RELEASE_SD takes no IRP")
	}
	in := descriptorAt(q.in, q.inSize)
	if in == nil || q.outSize != 0 || q.out != nil {
		return q.bad(k, verify.WSK_202, invalid, "WSK_RELEASE_SD takes a PSECURITY_DESCRIPTOR")
	}
	s := state.Of(k)
	d := s.cached(k, *in)
	if d == nil {
		return q.bad(k, verify.WSK_266, invalid,
			"WSK_RELEASE_SD of what is not in the cache, or not any more")
	}
	if d.lent > 0 {
		ke.Report(k, verify.Finding{Rule: verify.WSK_038, Obj: q.c.id.String(),
			Headline: "WSK_RELEASE_SD of a descriptor that a request uses whose IRP is not completed",
			Places:   []verify.Place{{Label: "CACHED", Seq: d.seq}}})
	}
	for i, o := range s.cache {
		if o == d {
			s.cache = list.Cut(s.cache, i)
			break
		}
	}
	return ntstatus.STATUS_SUCCESS
}

// descriptorAt is the PSECURITY_DESCRIPTOR that lies in a buffer; nil where there is none.
func descriptorAt(v *pool.Buffer, size uint64) **SECURITY_DESCRIPTOR {
	if v == nil || size != sizeofPointer {
		return nil
	}
	return pool.Holds[*SECURITY_DESCRIPTOR](v)
}

// isSecurity reports whether a control request is SO_WSK_SECURITY.
func (c *control) isSecurity() bool {
	return c.what != WskIoctl && c.code == SO_WSK_SECURITY
}

// SO_WSK_SECURITY is the option that sets or gets the security descriptor of a socket.
const SO_WSK_SECURITY uint32 = 0x4001

// security is SO_WSK_SECURITY. Rules: WSK-037, WSK-202, WSK-204 to WSK-206.
func (o *socket) security(k *irql.K, r *request, c *control) {
	bad := func(rule verify.RuleID, st ntstatus.NTSTATUS, why string) {
		ke.Collect(k, verify.Finding{Rule: rule, Obj: o.id.String(), Headline: "SO_WSK_SECURITY " + why})
		r.refuse(k, st)
	}
	const invalid = ntstatus.STATUS_INVALID_PARAMETER
	in, out := descriptorAt(c.in, c.inSize), descriptorAt(c.out, c.outSize)
	switch {
	case o.ep == nil:
		bad(verify.WSK_205, ntstatus.STATUS_NOT_SUPPORTED, "is not for basic sockets")
	case c.level != ws2def.SOL_SOCKET:
		bad(verify.WSK_206, invalid, "belongs to SOL_SOCKET")
	case c.what == WskGetOption && (out == nil || c.inSize != 0 || c.in != nil),
		c.what == WskSetOption && (in == nil || c.outSize != 0 || c.out != nil):
		bad(verify.WSK_202, invalid, "takes or gives a PSECURITY_DESCRIPTOR")
	case c.what == WskGetOption:
		o.getSecurity(k, r, c, out)
	case o.ep.State() != tcpip.Created:
		r.wrongState(k, verify.WSK_204, "is bound already: SO_WSK_SECURITY comes before bind")
	default:
		d := o.sub.cached(k, *in)
		if d == nil {
			bad(verify.WSK_037, invalid, "with a descriptor that does not come from the cache")
			return
		}
		r.useSD(k, d)
		r.lendControl(k, c, verify.WSK_207)
		o.sd = *d.sd
		r.finish(k, ntstatus.STATUS_SUCCESS, 0, nil)
	}
}

// getSecurity gives a cached copy, which the client has to release.
func (o *socket) getSecurity(k *irql.K, r *request, c *control, out **SECURITY_DESCRIPTOR) {
	r.lendControl(k, c, verify.WSK_207)
	r.fill = func(k *irql.K) { *out = o.sub.cacheSD(k, o.cl, &o.sd, true) }
	r.finish(k, ntstatus.STATUS_SUCCESS, sizeofPointer, nil)
}
