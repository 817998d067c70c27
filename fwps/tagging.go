package fwps

import (
	"fmt"

	"calloutsim/fwps/ndis"
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/packet"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// FWPS_NET_BUFFER_LIST_EVENT_TYPE0 says what has happened to a tagged packet.
type FWPS_NET_BUFFER_LIST_EVENT_TYPE0 uint32

// The events that are modelled, numbered in the order of the enumeration.
const (
	FWPS_NET_BUFFER_LIST_CLONED_VIA_WFP_API FWPS_NET_BUFFER_LIST_EVENT_TYPE0 = 2
	FWPS_NET_BUFFER_LIST_CONTEXT_REMOVED    FWPS_NET_BUFFER_LIST_EVENT_TYPE0 = 5
)

// FWPS_NET_BUFFER_LIST_NOTIFY_FN0 is told of what happens to a tagged packet. netBufferList may be NULL when
// the context is removed.
//
// IRQL: <= DISPATCH_LEVEL.
// Not modelled: events but cloning and removal.
// Reference: fwpsk/nc-fwpsk-fwps_net_buffer_list_notify_fn0.
type FWPS_NET_BUFFER_LIST_NOTIFY_FN0 func(k *irql.K, eventType FWPS_NET_BUFFER_LIST_EVENT_TYPE0,
	netBufferList, newNetBufferList *ndis.NET_BUFFER_LIST, layerId uint16, context, contextTag uint64)

// FWPS_NET_BUFFER_LIST_NOTIFY_FN1 is FWPS_NET_BUFFER_LIST_NOTIFY_FN0 with a status, which counts for nothing.
//
// IRQL: <= DISPATCH_LEVEL.
// Not modelled: events but cloning and removal.
// Reference: fwpsk/nc-fwpsk-fwps_net_buffer_list_notify_fn1.
type FWPS_NET_BUFFER_LIST_NOTIFY_FN1 func(k *irql.K, eventType FWPS_NET_BUFFER_LIST_EVENT_TYPE0,
	netBufferList, newNetBufferList *ndis.NET_BUFFER_LIST, layerId uint16, context,
	contextTag uint64) ntstatus.NTSTATUS

// tagged is a context of a driver on a packet: on one that the stack has, or on a list of a driver, from
// where it goes on when that is injected.
type tagged struct {
	packet  *packet.Packet
	nbl     *ndis.NET_BUFFER_LIST
	layer   uint16
	context uint64
	tag     uint64
	owner   image
	device  *irp.DEVICE_OBJECT
	notify  FWPS_NET_BUFFER_LIST_NOTIFY_FN1
	at      uintptr
}

// firstTag is where tags begin. The numbers are the same in every run of one seed.
const firstTag = 0x5A00_0000_0000_0001

// tagging is what an engine knows of tagged packets.
type tagging struct {
	owners []image // of each tag
	on     []*tagged
}

// tagsID stands for the tags and contexts of all packets, in footprints.
func (e *engine) tagsID() trace.ID { return ke.Beside.Of(e.id) }

// FwpsNetBufferListGetTagForContext0 gives a tag: a driver asks once and uses it for its contexts.
//
// IRQL: <= DISPATCH_LEVEL.
// Returns: a number that no other driver has.
// Rules: WFP-001.
// Reference: fwpsk/nf-fwpsk-fwpsnetbufferlistgettagforcontext0.
func FwpsNetBufferListGetTagForContext0(k *irql.K) uint64 {
	const d = ddi.FwpsNetBufferListGetTagForContext0
	ke.Enter(k, d)
	e := state.Of(k)
	ke.Point(k, ke.Writes(e.tagsID()))
	e.tags.owners = append(e.tags.owners, ke.Acting(k))
	ke.Call(k, d, 0)
	return firstTag + uint64(len(e.tags.owners)) - 1
}

// FwpsNetBufferListAssociateContext0 puts a context on a packet. It leaves the packet when that leaves the
// stack, which notifyFn is told; a clone does not have it.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the context is the driver's again when notifyFn hears that it is removed.
// Returns: STATUS_SUCCESS; STATUS_INVALID_PARAMETER (INFERRED, the page names no other) without notifyFn, or
// for a tag that FwpsNetBufferListGetTagForContext0 has not given; STATUS_INSUFFICIENT_RESOURCES when memory
// is short.
// Rules: WFP-001, WFP-054, WFP-166, WFP-182.
// Not modelled: layers but those of packets.
// Reference: fwpsk/nf-fwpsk-fwpsnetbufferlistassociatecontext0.
func FwpsNetBufferListAssociateContext0(k *irql.K, netBufferList *ndis.NET_BUFFER_LIST, layerId uint16,
	context, contextTag uint64, providerGuid *GUID, deviceObject *irp.DEVICE_OBJECT,
	notifyFn FWPS_NET_BUFFER_LIST_NOTIFY_FN0, flags uint32) ntstatus.NTSTATUS {
	const d = ddi.FwpsNetBufferListAssociateContext0
	ke.Enter(k, d)
	t := &tagged{layer: layerId, context: context, tag: contextTag, device: deviceObject}
	if notifyFn != nil {
		t.at = ke.CodeOf(notifyFn)
		t.notify = func(k *irql.K, event FWPS_NET_BUFFER_LIST_EVENT_TYPE0, nbl,
			clone *ndis.NET_BUFFER_LIST, layer uint16, context, tag uint64) ntstatus.NTSTATUS {
			notifyFn(k, event, nbl, clone, layer, context, tag)
			return ntstatus.STATUS_SUCCESS
		}
	}
	return state.Of(k).tagList(k, d, netBufferList, t, flags)
}

// FwpsNetBufferListAssociateContext1 is FwpsNetBufferListAssociateContext0 for a notifyFn with a status.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: as FwpsNetBufferListAssociateContext0.
// Returns: as FwpsNetBufferListAssociateContext0.
// Rules: as FwpsNetBufferListAssociateContext0.
// Reference: fwpsk/nf-fwpsk-fwpsnetbufferlistassociatecontext1.
func FwpsNetBufferListAssociateContext1(k *irql.K, netBufferList *ndis.NET_BUFFER_LIST, layerId uint16,
	context, contextTag uint64, providerGuid *GUID, deviceObject *irp.DEVICE_OBJECT,
	notifyFn FWPS_NET_BUFFER_LIST_NOTIFY_FN1, flags uint32) ntstatus.NTSTATUS {
	const d = ddi.FwpsNetBufferListAssociateContext1
	ke.Enter(k, d)
	t := &tagged{layer: layerId, context: context, tag: contextTag, device: deviceObject, notify: notifyFn}
	if notifyFn != nil {
		t.at = ke.CodeOf(notifyFn)
	}
	return state.Of(k).tagList(k, d, netBufferList, t, flags)
}

var siteTag = ke.Site{Name: "fault/FwpsNetBufferListAssociateContext", Alts: []string{"succeeds",
	"no memory"}, Spec: "wfp.md 16.4"}

func (e *engine) tagList(k *ke.K, d ddi.ID, nbl *ndis.NET_BUFFER_LIST, t *tagged,
	flags uint32) ntstatus.NTSTATUS {
	if !ndis.Sim.Known(nbl) || !ndis.Sim.Mine(k, nbl, d.String()) {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	if s := flagsZero(k, nbl.ID(), d.String(), flags); s != ntstatus.STATUS_SUCCESS {
		return s
	}
	ke.Point(k, ke.Writes(e.tagsID()))
	t.owner = ke.Acting(k)
	f := verify.Finding{Rule: verify.WFP_182, Obj: nbl.ID().String()}
	n := t.tag - firstTag
	switch {
	case t.notify == nil:
		f.Headline = fmt.Sprintf("%v without notifyFn: nobody hears when the context is removed", d)
	case t.tag < firstTag || n >= uint64(len(e.tags.owners)):
		f.Headline = fmt.Sprintf("%v with %#x, which is no tag", d, t.tag)
	case e.tags.owners[n] != t.owner:
		f.Headline = fmt.Sprintf("%v with a tag of another driver", d)
		ke.Collect(k, f)
		f.Headline = ""
	}
	s := ntstatus.STATUS_SUCCESS
	switch {
	case f.Headline != "":
		ke.Collect(k, f)
		s = ntstatus.STATUS_INVALID_PARAMETER
	case ke.Fails(k, &siteTag):
		s = ntstatus.STATUS_INSUFFICIENT_RESOURCES
	default:
		t.packet, t.nbl = tagKey(nbl)
		e.tags.on = append(e.tags.on, t)
	}
	ke.CallStatus(k, d, nbl.ID(), uint32(s))
	return s
}

// tagKey is what the contexts of a list are kept with: the packet it was indicated for, or the list itself.
func tagKey(nbl *ndis.NET_BUFFER_LIST) (*packet.Packet, *ndis.NET_BUFFER_LIST) {
	if s, ok := ndis.Sim.About(nbl).(*carried); ok && ndis.Sim.Indicated(nbl) {
		return s.packet, nil
	}
	return nil, nbl
}

// FwpsNetBufferListRetrieveContext0 gives the context of a packet, and with removeContext takes it away; then
// notifyFn is not told.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: with removeContext the context is the driver's again.
// Returns: STATUS_SUCCESS; STATUS_NOT_FOUND when there is none (INFERRED, the page names no status);
// STATUS_INVALID_PARAMETER.
// Rules: WFP-001, WFP-054, WFP-073.
// Reference: fwpsk/nf-fwpsk-fwpsnetbufferlistretrievecontext0.
func FwpsNetBufferListRetrieveContext0(k *irql.K, netBufferList *ndis.NET_BUFFER_LIST, contextTag uint64,
	removeContext bool, flags uint32, context *uint64) ntstatus.NTSTATUS {
	const d = ddi.FwpsNetBufferListRetrieveContext0
	ke.Enter(k, d)
	e := state.Of(k)
	if !ndis.Sim.Known(netBufferList) || context == nil {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	if s := flagsZero(k, netBufferList.ID(), d.String(), flags); s != ntstatus.STATUS_SUCCESS {
		return s
	}
	ke.Point(k, ke.Writes(e.tagsID()))
	p, nbl := tagKey(netBufferList)
	s := ntstatus.STATUS_NOT_FOUND
	for i, t := range e.tags.on {
		if t.tag == contextTag && t.packet == p && t.nbl == nbl {
			s, *context = ntstatus.STATUS_SUCCESS, t.context
			if removeContext {
				e.tags.on = list.Cut(e.tags.on, i)
			}
			break
		}
	}
	ke.CallStatus(k, d, netBufferList.ID(), uint32(s))
	return s
}

// FwpsNetBufferListRemoveContext0 takes the contexts of a tag off a packet, or with NULL off all; notifyFn is
// told from a delivery.
//
// IRQL: <= DISPATCH_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_NOT_FOUND when there is none (INFERRED).
// Rules: WFP-001, WFP-073.
// Reference: fwpsk/nf-fwpsk-fwpsnetbufferlistremovecontext0.
func FwpsNetBufferListRemoveContext0(k *irql.K, netBufferList *ndis.NET_BUFFER_LIST, contextTag uint64,
	flags uint32) ntstatus.NTSTATUS {
	const d = ddi.FwpsNetBufferListRemoveContext0
	ke.Enter(k, d)
	e := state.Of(k)
	if s := flagsZero(k, 0, d.String(), flags); s != ntstatus.STATUS_SUCCESS {
		return s
	}
	ke.Point(k, ke.Writes(e.tagsID()))
	var p *packet.Packet
	var nbl *ndis.NET_BUFFER_LIST
	if ndis.Sim.Known(netBufferList) {
		p, nbl = tagKey(netBufferList)
	}
	off := e.untag(func(t *tagged) bool {
		return t.tag == contextTag && (p == nil && nbl == nil || t.packet == p && t.nbl == nbl)
	})
	s := ntstatus.STATUS_SUCCESS
	if len(off) == 0 {
		s = ntstatus.STATUS_NOT_FOUND
	}
	ke.CallStatus(k, d, netBufferList.ID(), uint32(s))
	for _, t := range off {
		e.m.Post(e.m.NewChannel("tagged packets"), ke.Delivery{Text: "context removed", Obj: e.id,
			Touches: e.tagsID(), Run: func(k *ke.K) {
				t.tell(k, FWPS_NET_BUFFER_LIST_CONTEXT_REMOVED, t.nbl, nil)
			}})
	}
	return s
}

// untag takes away the contexts that match, and gives them.
func (e *engine) untag(match func(t *tagged) bool) (off []*tagged) {
	for i := 0; i < len(e.tags.on); {
		if t := e.tags.on[i]; match(t) {
			off = append(off, t)
			e.tags.on = list.Cut(e.tags.on, i)
			continue
		}
		i++
	}
	return off
}

// tell calls notifyFn.
func (t *tagged) tell(k *ke.K, event FWPS_NET_BUFFER_LIST_EVENT_TYPE0, nbl, clone *ndis.NET_BUFFER_LIST) {
	ke.Push(k, ke.Frame{Kind: ke.FrameNotify, Image: t.owner, Device: t.device, Object: t, Fn: t.at})
	s := t.notify(k, event, nbl, clone, t.layer, t.context, t.tag)
	ke.PopStatus(k, s)
}

// cloned tells the contexts of a list that a driver has cloned it: they are not copied.
func (e *engine) cloned(k *ke.K, of, clone *ndis.NET_BUFFER_LIST) {
	p, nbl := tagKey(of)
	for _, t := range list.Add(nil, e.tags.on) {
		if t.packet == p && t.nbl == nbl {
			t.tell(k, FWPS_NET_BUFFER_LIST_CLONED_VIA_WFP_API, of, clone)
		}
	}
}

// entered lets the contexts of a list go on with the packet that it has become.
func (e *engine) entered(nbl *ndis.NET_BUFFER_LIST, p *packet.Packet) {
	for _, t := range e.tags.on {
		if t.nbl == nbl {
			t.nbl, t.packet = nil, p
		}
	}
}

// PacketGone is of tcpip.Watcher: the contexts of a packet are removed.
func (e *engine) PacketGone(k *ke.K, p *packet.Packet) {
	if len(e.tags.owners) == 0 {
		return
	}
	ke.Adds(k, ke.Writes(e.tagsID()))
	for _, t := range e.untag(func(t *tagged) bool { return t.packet == p }) {
		t.tell(k, FWPS_NET_BUFFER_LIST_CONTEXT_REMOVED, nil, nil)
	}
}
