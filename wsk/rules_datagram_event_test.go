package wsk_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

// ears is a datagram socket with its callback.
type ears struct {
	r      *rig
	s      *wsk.WSK_SOCKET
	table  wsk.WSK_CLIENT_DATAGRAM_DISPATCH
	got    []string
	from   string
	flags  wsk.EventFlags
	info   []byte // ancillary data
	kept   []*wsk.WSK_DATAGRAM_INDICATION
	heard  *irql.KEVENT
	answer func(k *irql.K, d *wsk.WSK_DATAGRAM_INDICATION) ntstatus.NTSTATUS
}

func newEars(r *rig, k *irql.K) *ears {
	e := &ears{r: r, heard: new(irql.KEVENT)}
	irql.KeInitializeEvent(k, e.heard, irql.NotificationEvent, false)
	e.table.WskReceiveFromEvent = e.receiveFromEvent
	e.s = r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return r.npi.Dispatch.WskSocket(k, r.npi.Client, ws2def.AF_INET, ws2def.SOCK_DGRAM,
			ws2def.IPPROTO_UDP, wsk.WSK_FLAG_DATAGRAM_SOCKET, e, &e.table, nil, nil, nil, p)
	})).Pointer.(*wsk.WSK_SOCKET)
	r.made = append(r.made, e.s)
	return e
}

func (e *ears) receiveFromEvent(k *irql.K, context any, flags wsk.EventFlags,
	d *wsk.WSK_DATAGRAM_INDICATION) ntstatus.NTSTATUS {
	assert.Same(e.r, e, context)
	st := good
	if e.flags = flags; e.answer != nil {
		st = e.answer(k, d)
	} else {
		e.read(k, d)
	}
	irql.KeSetEvent(k, e.heard, 0, false)
	return st
}

// read takes what a list holds.
func (e *ears) read(k *irql.K, d *wsk.WSK_DATAGRAM_INDICATION) {
	for ; d != nil; d = d.Next() {
		e.got = append(e.got, textOf(k, d.Buffer()))
		e.from = ws2def.AddrPort(d.RemoteAddress()).String()
		if c := d.ControlInfo(); c != nil {
			e.info = append([]byte(nil), c.Slice(0, int(d.ControlInfoLength())).Bytes()...)
		}
	}
}

// keepsOne enables the callback and keeps a list with a datagram of the socket to itself.
func (e *ears) keepsOne(k *irql.K) {
	e.answer = e.keep
	e.enable(k)
	e.r.ok(sendTo(k, e.s, "hello", dns))
	await(k, e.heard)
}

func (e *ears) keep(_ *irql.K, d *wsk.WSK_DATAGRAM_INDICATION) ntstatus.NTSTATUS {
	e.kept = append(e.kept, d)
	return ntstatus.STATUS_PENDING
}

func (e *ears) enable(k *irql.K) { assert.Equal(e.r, good, events(k, e.s, wsk.WSK_EVENT_RECEIVE_FROM)) }

func (e *ears) release(k *irql.K, d *wsk.WSK_DATAGRAM_INDICATION) ntstatus.NTSTATUS {
	return datagrams(e.s).WskRelease(k, e.s, d)
}

// await waits until so many datagrams were read.
func (e *ears) await(k *irql.K, n int) string {
	for len(e.got) < n {
		await(k, e.heard)
	}
	return strings.Join(e.got, " ")
}

// listens makes bound ears.
func listens(r *rig, k *irql.K) *ears {
	e := newEars(r, k)
	r.bindTo(k, e.s, dns)
	return e
}

// hears runs a body with bound ears whose callback is enabled.
func hears(body func(r *rig, k *irql.K, e *ears)) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		e := listens(r, k)
		e.enable(k)
		body(r, k, e)
		r.closeAll(k, e.s)
	}
}

func TestReceiveFromEvent(t *testing.T) {
	missIn(t, hears(func(r *rig, k *irql.K, e *ears) {
		r.ok(r.setULONG(k, e.s, ws2def.IPPROTO_IP, ws2def.IP_PKTINFO, 1))
		b := r.dgram(k, other)
		r.ok(sendTo(k, b, "hello", dns))
		assert.Equal(r, "hello", e.await(k, 1))
		assert.Equal(r, "127.0.0.1:5353", e.from)
		assert.Zero(r, e.flags&^wsk.WSK_FLAG_AT_DISPATCH_LEVEL)
		assert.NotEmpty(r, e.info)
		r.ok(sendTo(k, b, "", dns))
		e.await(k, 2)
		r.closeAll(k, b)
	}))
	missIn(t, func(r *rig, k *irql.K) { // what has arrived before
		assert.Equal(r, good, r.static(k, wsk.WSK_EVENT_RECEIVE_FROM|wsk.WSK_EVENT_RECEIVE))
		e := listens(r, k)
		r.ok(sendTo(k, e.s, "hello", dns))
		assert.Equal(r, "hello", e.await(k, 1))
		r.closeAll(k, e.s)
	})
	missIn(t, func(r *rig, k *irql.K) {
		e := listens(r, k)
		r.ok(sendTo(k, e.s, "hello", dns))
		second(k)
		assert.Empty(r, e.got)
		e.enable(k)
		assert.Equal(r, "hello", e.await(k, 1))
		second(k) // the call returns
		assert.Equal(r, good, events(k, e.s, wsk.WSK_EVENT_RECEIVE_FROM|disable))
		r.ok(sendTo(k, e.s, "again", dns))
		assert.Equal(r, "again", receiveFrom(k, e.s, 10, 0).text)
		r.closeAll(k, e.s)
	})
}

func TestReceiveFromEvent_Flags(t *testing.T) {
	missIn(t, hears(func(r *rig, k *irql.K, e *ears) {
		r.ok(r.setULONG(k, e.s, ws2def.SOL_SOCKET, ws2def.SO_BROADCAST, 1))
		r.ok(sendTo(k, e.s, "all", addr("255.255.255.255:53")))
		second(k)
		if len(e.got) > 0 {
			assert.NotZero(r, e.flags&wsk.EventFlags(ws2def.MSG_BCAST))
		}
	}))
}

// A list that is kept is the client's until it is given back.
func TestReceiveFromEvent_Retained(t *testing.T) {
	missIn(t, hears(func(r *rig, k *irql.K, e *ears) {
		e.keepsOne(k)
		e.answer = nil
		r.ok(sendTo(k, e.s, "more", dns))
		e.await(k, 1)
		e.read(k, e.kept[0])
		assert.Equal(r, "more hello", e.await(k, 2))
		assert.Equal(r, good, e.release(k, e.kept[0]))
	}))
	tripIn(t, verify.WSK_172, hears(func(r *rig, k *irql.K, e *ears) {
		e.keepsOne(k)
		assert.Equal(r, good, e.release(k, e.kept[0]))
		assert.Equal(r, invalid, e.release(k, e.kept[0]))
	}))
	tripIn(t, verify.WSK_171, hears(func(r *rig, k *irql.K, e *ears) {
		e.keepsOne(k)
		assert.Equal(r, good, e.release(k, e.kept[0]))
		e.kept[0].RemoteAddress()
	}))
	tripIn(t, verify.WSK_170, hears(func(r *rig, k *irql.K, e *ears) { // the list is lost (wsk.md 25.31)
		e.answer = func(*irql.K, *wsk.WSK_DATAGRAM_INDICATION) ntstatus.NTSTATUS {
			return ntstatus.STATUS_DEVICE_NOT_READY
		}
		r.ok(sendTo(k, e.s, "hello", dns))
		await(k, e.heard)
	}))
	tripIn(t, verify.WSK_174, hears(func(_ *rig, k *irql.K, e *ears) { e.keepsOne(k) }))
}

// refuses lets the callback not accept the first datagram.
func (e *ears) refuses(k *irql.K) {
	e.answer = func(*irql.K, *wsk.WSK_DATAGRAM_INDICATION) ntstatus.NTSTATUS {
		return ntstatus.STATUS_DATA_NOT_ACCEPTED
	}
	e.r.ok(sendTo(k, e.s, "hello", dns))
	await(k, e.heard)
	second(k)
	e.answer = nil
}

// What was not accepted comes first when the callback is enabled again; one that is enabled statically goes
// on with what is new.
func TestReceiveFromEvent_NotAccepted(t *testing.T) {
	missIn(t, hears(func(r *rig, k *irql.K, e *ears) {
		e.refuses(k)
		r.ok(sendTo(k, e.s, "more", dns))
		second(k)
		assert.Empty(r, e.got)
		e.enable(k)
		e.await(k, 2)
		assert.ElementsMatch(r, []string{"hello", "more"}, e.got)
	}))
	missIn(t, func(r *rig, k *irql.K) {
		assert.Equal(r, good, r.static(k, wsk.WSK_EVENT_RECEIVE_FROM))
		e := listens(r, k)
		e.refuses(k)
		r.ok(sendTo(k, e.s, "more", dns))
		assert.Equal(r, "more", e.await(k, 1))
		r.closeAll(k, e.s)
	})
}

// Rule: WSK-178
// Near miss: WSK-178
func TestReceiveFromEvent_NotEnabledAgain(t *testing.T) {
	waits := func(then func(r *rig, k *irql.K, e *ears)) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			e := listens(r, k)
			e.enable(k)
			e.refuses(k)
			then(r, k, e)
		}
	}
	tripRig(t, openEnd, verify.WSK_178, waits(func(*rig, *irql.K, *ears) {}), nil)
	missRig(t, openEnd, waits(func(_ *rig, k *irql.K, e *ears) {
		e.enable(k)
		e.await(k, 1)
	}), nil)
	missRig(t, openEnd, waits(func(r *rig, k *irql.K, e *ears) { // it goes on with WskReceiveFrom
		assert.Equal(r, "hello", receiveFrom(k, e.s, 10, 0).text)
	}), nil)
}

// most is how many calls of the callback run at once, under many schedules.
func most(t *testing.T, pin ke.Pin) (n int) {
	rigs := scheduled(t, []ke.Pin{pin})
	for number := range 60 {
		r := rigs(number)
		r.driver(hearsTwo(r, &n)).clean()
	}
	return n
}

func hearsTwo(r *rig, n *int) func(k *irql.K) {
	return func(k *irql.K) {
		hears(func(r *rig, k *irql.K, e *ears) {
			inside := 0
			var lock irql.KSPIN_LOCK
			irql.KeInitializeSpinLock(k, &lock)
			count := func(k *irql.K, by int) {
				var old irql.KIRQL
				irql.KeAcquireSpinLock(k, &lock, &old)
				inside += by
				*n = max(*n, inside)
				irql.KeReleaseSpinLock(k, &lock, old)
			}
			e.answer = func(k *irql.K, d *wsk.WSK_DATAGRAM_INDICATION) ntstatus.NTSTATUS {
				count(k, 1)
				e.got = append(e.got, textOf(k, d.Buffer()))
				if d.Next() != nil {
					e.got = append(e.got, "")
				}
				count(k, -1)
				return good
			}
			r.ok(sendTo(k, e.s, "hello", dns))
			r.ok(sendTo(k, e.s, "again", dns))
			e.await(k, 2)
		})(r, k)
	}
}

// A driver that takes calls to come one after the other (WSK-185) meets both.
func TestReceiveFromEvent_Concurrent(t *testing.T) {
	const site = "env/WskReceiveFromEvent/serial"
	assert.Equal(t, 1, most(t, ke.Pin{Site: site, Alt: 0}))
	assert.Equal(t, 2, most(t, ke.Pin{Site: site, Alt: 1}))
}

// A close waits for the callback that runs; what waits then is lost.
func TestReceiveFromEvent_Close(t *testing.T) {
	missIn(t, func(r *rig, k *irql.K) {
		e, done := listens(r, k), 0
		begun := new(irql.KEVENT)
		irql.KeInitializeEvent(k, begun, irql.NotificationEvent, false)
		e.answer = func(k *irql.K, _ *wsk.WSK_DATAGRAM_INDICATION) ntstatus.NTSTATUS {
			done--
			irql.KeSetEvent(k, begun, 0, false)
			irql.KeStallExecutionProcessor(k, 10)
			done++
			return ntstatus.STATUS_DATA_NOT_ACCEPTED
		}
		e.enable(k)
		r.ok(sendTo(k, e.s, "hello", dns))
		await(k, begun)
		r.ok(closeSocket(k, e.s))
		assert.Zero(r, done)
	})
}
