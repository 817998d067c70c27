package wsk_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

var (
	dns   = addr("127.0.0.1:53")
	other = addr("127.0.0.1:5353")
)

func datagrams(s *wsk.WSK_SOCKET) *wsk.WSK_PROVIDER_DATAGRAM_DISPATCH {
	return s.Dispatch.(*wsk.WSK_PROVIDER_DATAGRAM_DISPATCH)
}

// dgram is a bound datagram socket.
func (r *rig) dgram(k *irql.K, a ws2def.SOCKADDR) *wsk.WSK_SOCKET {
	r.Helper()
	s := r.socket(k, wsk.WSK_FLAG_DATAGRAM_SOCKET)
	r.bindTo(k, s, a)
	return s
}

func (r *rig) bindTo(k *irql.K, s *wsk.WSK_SOCKET, a ws2def.SOCKADDR) {
	r.Helper()
	r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS { return datagrams(s).WskBind(k, s, a, 0, p) }))
}

func sendTo(k *irql.K, s *wsk.WSK_SOCKET, data string, to ws2def.SOCKADDR) irp.IO_STATUS_BLOCK {
	return sendControl(k, s, data, to, nil)
}

// sendControl sends a datagram with control data.
func sendControl(k *irql.K, s *wsk.WSK_SOCKET, data string, to ws2def.SOCKADDR,
	control []byte) irp.IO_STATUS_BLOCK {
	m := text(k, data+".")
	buf := &wsk.WSK_BUF{Mdl: m.mdl, Length: uint64(len(data))}
	var c *irp.Buffer
	if control != nil {
		c = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, uint64(len(control)), tag)
		c.CopyFrom(0, control)
	}
	st := do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return datagrams(s).WskSendTo(k, s, buf, 0, to, uint32(len(control)), c, p)
	})
	if c != nil {
		irp.ExFreePoolWithTag(k, c, tag)
	}
	m.free(k)
	return st
}

// got is what a WskReceiveFrom stored.
type got struct {
	text    string
	status  ntstatus.NTSTATUS
	from    string
	control []byte
	flags   uint32
}

// receiveFrom receives a datagram with all that is told about it.
func receiveFrom(k *irql.K, s *wsk.WSK_SOCKET, n, control int) (g got) {
	m, c := newMemory(k, n), irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, uint64(control+1), tag)
	from := irp.New[ws2def.SOCKADDR_STORAGE](k, irp.POOL_FLAG_NON_PAGED, tag)
	length := irp.New[uint32](k, irp.POOL_FLAG_NON_PAGED, tag)
	flags := irp.New[uint32](k, irp.POOL_FLAG_NON_PAGED, tag)
	*length.Get() = uint32(control)
	st := do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return datagrams(s).WskReceiveFrom(k, s, m.buf(), 0, from.Get(), length.Get(), c, flags.Get(), p)
	})
	g.status, g.flags = st.Status, *flags.Get()
	if a := ws2def.AddrPort(from.Get()); a.IsValid() {
		g.from = a.String()
	}
	g.text = string(m.b.Bytes()[:st.Information])
	if *length.Get() > 0 {
		g.control = append(g.control, c.Bytes()[:*length.Get()]...)
	}
	m.free(k)
	irp.ExFreePoolWithTag(k, c, tag)
	irp.Free(k, from, tag)
	irp.Free(k, length, tag)
	irp.Free(k, flags, tag)
	return g
}

func (r *rig) setULONG(k *irql.K, s *wsk.WSK_SOCKET, level, code, v uint32) irp.IO_STATUS_BLOCK {
	b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 4, tag)
	b.Store32(0, v)
	st := do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return basic(s).WskControlSocket(k, s, wsk.WskSetOption, code, level, 4, b, 0, nil, nil, p)
	})
	irp.ExFreePoolWithTag(k, b, tag)
	return st
}

// fixes fixes an address with one of the two codes; nil lifts it.
func fixes(k *irql.K, s *wsk.WSK_SOCKET, code uint32, a *ws2def.SOCKADDR_STORAGE) irp.IO_STATUS_BLOCK {
	if a == nil {
		return do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return basic(s).WskControlSocket(k, s, wsk.WskIoctl, code, 0, 0, nil, 0, nil, nil, p)
		})
	}
	b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, ws2def.SizeofSockaddrStorage, tag)
	b.CopyFrom(0, a.Bytes())
	st := do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return basic(s).WskControlSocket(k, s, wsk.WskIoctl, code, 0, ws2def.SizeofSockaddrIn, b, 0, nil, nil,
			p)
	})
	irp.ExFreePoolWithTag(k, b, tag)
	return st
}

// TestDatagrams_ThereAndBack: two sockets of one client, under many schedules.
func TestDatagrams_ThereAndBack(t *testing.T) {
	missIn(t, func(r *rig, k *irql.K) {
		a, c := r.dgram(k, dns), r.dgram(k, any4)
		assert.EqualValues(r, 5, r.ok(sendTo(k, c, "hello", dns)).Information)
		g := receiveFrom(k, a, 100, 0)
		assert.Equal(r, got{text: "hello", from: "127.0.0.1:49152"}, g)
		r.ok(sendTo(k, a, "", addr(g.from)))
		assert.Equal(r, got{from: "127.0.0.1:53"}, receiveFrom(k, c, 100, 0))
		r.closeAll(k, a, c)
	})
}

// TestWskReceiveFrom_ControlData: what the options ask for comes with each datagram, whole objects only.
//
// Reference: wsk.md 7.15, 7.18, 25.40
func TestWskReceiveFrom_ControlData(t *testing.T) {
	r := newRig(t, 1)
	r.driver(func(k *irql.K) {
		a, c := r.socket(k, wsk.WSK_FLAG_DATAGRAM_SOCKET), r.dgram(k, any4)
		for _, o := range []uint32{ws2def.IP_PKTINFO, ws2def.IP_RECVTOS, ws2def.IP_ECN, ws2def.IP_HOPLIMIT} {
			r.ok(r.setULONG(k, a, ws2def.IPPROTO_IP, o, 1))
		}
		r.bindTo(k, a, dns)
		word := func(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }
		control := ws2def.AppendCMSG(nil, ws2def.IPPROTO_IP, ws2def.IP_TTL, word(7))
		control = ws2def.AppendCMSG(control, ws2def.IPPROTO_IP, ws2def.IP_TOS, word(0xB8))
		control = ws2def.AppendCMSG(control, ws2def.IPPROTO_IP, ws2def.IP_ECN, word(2))
		control = ws2def.AppendCMSG(control, ws2def.IPPROTO_IP, ws2def.IP_OPTIONS, nil)
		r.ok(sendControl(k, c, "one", dns, control))
		g := receiveFrom(k, a, 100, 200)
		require.Equal(r, good, g.status)
		list, ok := ws2def.CMSGs(g.control)
		require.True(r, ok)
		seen := map[int32][]byte{}
		for _, o := range list {
			assert.EqualValues(r, ws2def.IPPROTO_IP, o.Cmsg_level)
			seen[o.Cmsg_type] = o.Data
		}
		assert.Equal(r, map[int32][]byte{int32(ws2def.IP_PKTINFO): {127, 0, 0, 1, 1, 0, 0, 0},
			int32(ws2def.IP_TOS): word(0xBA), int32(ws2def.IP_ECN): word(2),
			int32(ws2def.IP_TTL): word(7)}, seen)
		r.ok(sendControl(k, c, "two", dns, control))
		g = receiveFrom(k, a, 100, 30)
		assert.Equal(r, ws2def.MSG_CTRUNC, g.flags)
		assert.Len(r, g.control, 24)
		r.ok(r.setULONG(k, a, ws2def.IPPROTO_IP, ws2def.IP_PKTINFO, 0))
		for _, bad := range [][]byte{
			control[:18], ws2def.AppendCMSG(nil, ws2def.IPPROTO_IP, 99, word(1)),
			ws2def.AppendCMSG(nil, ws2def.IPPROTO_TCP, ws2def.IP_TTL, word(1)),
			ws2def.AppendCMSG(nil, ws2def.IPPROTO_IP, ws2def.IP_PKTINFO, word(1)),
			ws2def.AppendCMSG(nil, ws2def.IPPROTO_IP, ws2def.IP_WFP_REDIRECT_CONTEXT, word(1)),
			ws2def.AppendCMSG(nil, ws2def.IPPROTO_IP, ws2def.IP_WFP_REDIRECT_RECORDS, word(1)),
		} {
			assert.Equal(r, invalid, sendControl(k, c, "x", dns, bad).Status, "%x", bad)
		}
		r.closeAll(k, a, c)
	}).clean()
}

// TestWskReceiveFrom_Truncated: the flag says so, and the status may.
//
// Reference: wsk.md 25.41
func TestWskReceiveFrom_Truncated(t *testing.T) {
	for alt, want := range []ntstatus.NTSTATUS{good, ntstatus.STATUS_BUFFER_OVERFLOW} {
		r := newRig(t, 1, ke.Pin{Site: "doc/WskReceiveFrom/truncated", Alt: alt})
		r.driver(func(k *irql.K) {
			a, c := r.dgram(k, dns), r.dgram(k, any4)
			r.ok(sendTo(k, c, "hello", dns))
			assert.Equal(r, got{text: "hel", from: "127.0.0.1:49152", status: want, flags: ws2def.MSG_TRUNC},
				receiveFrom(k, a, 3, 0))
			r.closeAll(k, a, c)
		}).clean()
	}
}

// TestFixedAddresses: a fixed peer filters, a fixed destination does not, an address goes before either.
//
// Reference: wsk.md 13.6
func TestFixedAddresses(t *testing.T) {
	r := newRig(t, 1)
	r.driver(func(k *irql.K) {
		a, b, c := r.dgram(k, dns), r.dgram(k, other), r.dgram(k, addr("127.0.0.1:1000"))
		r.ok(fixes(k, c, wsk.SIO_WSK_SET_REMOTE_ADDRESS, dns))
		r.ok(sendTo(k, c, "fixed", nil))
		assert.Equal(r, "fixed", receiveFrom(k, a, 100, 0).text)
		r.ok(sendTo(k, c, "named", other))
		assert.Equal(r, "named", receiveFrom(k, b, 100, 0).text)
		r.ok(sendTo(k, b, "discarded", addr("127.0.0.1:1000")))
		r.ok(sendTo(k, a, "taken", addr("127.0.0.1:1000")))
		assert.Equal(r, "taken", receiveFrom(k, c, 100, 0).text)
		second := -int64(ke.Second)
		irql.KeDelayExecutionThread(k, irql.KernelMode, false, &second) // what is on its way arrives
		r.ok(fixes(k, c, wsk.SIO_WSK_SET_REMOTE_ADDRESS, nil))
		r.ok(fixes(k, c, wsk.SIO_WSK_SET_SENDTO_ADDRESS, dns))
		r.ok(sendTo(k, c, "again", nil))
		assert.Equal(r, "again", receiveFrom(k, a, 100, 0).text)
		r.ok(sendTo(k, b, "unfiltered", addr("127.0.0.1:1000")))
		assert.Equal(r, "unfiltered", receiveFrom(k, c, 100, 0).text)
		r.closeAll(k, a, b, c)
	}).clean()
}

// TestBroadcast needs its option.
func TestBroadcast(t *testing.T) {
	r := newRig(t, 1)
	r.driver(func(k *irql.K) {
		a, c := r.dgram(k, addr("0.0.0.0:5000")), r.dgram(k, any4)
		all := addr("255.255.255.255:5000")
		assert.Equal(r, ntstatus.STATUS_ACCESS_DENIED, sendTo(k, c, "x", all).Status)
		r.ok(r.setULONG(k, c, ws2def.SOL_SOCKET, ws2def.SO_BROADCAST, 1))
		r.ok(sendTo(k, c, "all", all))
		g := receiveFrom(k, a, 100, 0)
		assert.Equal(r, "all", g.text)
		assert.Equal(r, ws2def.MSG_BCAST, g.flags)
		r.closeAll(k, a, c)
	}).clean()
}

// TestWskSendMessages sends a list with one IRP.
func TestWskSendMessages(t *testing.T) {
	missIn(t, batchOf(func(*wsk.WSK_BUF_LIST) {}))
}

// batchOf sends two datagrams with one request, and does something to the list while it is pending.
func batchOf(meanwhile func(l *wsk.WSK_BUF_LIST)) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		a, c := r.dgram(k, dns), r.dgram(k, any4)
		one, two := text(k, "one"), text(k, "second")
		l := &wsk.WSK_BUF_LIST{Buffer: *one.buf(), Next: &wsk.WSK_BUF_LIST{Buffer: *two.buf()}}
		q := newRequest(k)
		r.calmly(func() {
			datagrams(c).WskSendMessages(k, c, l, 0, dns, 0, nil, q.p)
			meanwhile(l)
		})
		assert.EqualValues(r, 9, r.ok(q.wait(k)).Information)
		q.free(k)
		assert.Equal(r, "one", receiveFrom(k, a, 100, 0).text)
		assert.Equal(r, "second", receiveFrom(k, a, 100, 0).text)
		one.free(k)
		two.free(k)
		r.closeAll(k, a, c)
	}
}

// TestWskReceiveFrom_Cancelled: by IoCancelIrp and by the close of the socket.
func TestWskReceiveFrom_Cancelled(t *testing.T) {
	for _, closes := range []bool{false, true} {
		missIn(t, func(r *rig, k *irql.K) {
			a, m, q := r.dgram(k, dns), newMemory(k, 10), newRequest(k)
			datagrams(a).WskReceiveFrom(k, a, m.buf(), 0, nil, nil, nil, nil, q.p)
			if closes {
				r.closeAll(k, a)
			} else {
				irp.IoCancelIrp(k, q.p)
			}
			assert.Equal(r, ntstatus.STATUS_CANCELLED, q.wait(k).Status)
			q.free(k)
			m.free(k)
			if !closes {
				r.closeAll(k, a)
			}
		})
	}
}

// TestDatagrams_RedirectedToAProxy: a datagram to the site arrives at the proxy, which learns where it was to
// go from control data, and sends on with the records.
//
// Reference: wsk.md 14.1
func TestDatagrams_RedirectedToAProxy(t *testing.T) {
	r := newRig(t, 1)
	f := &fake{context: []byte("to the site")}
	r.driver(func(k *irql.K) {
		tcpip.Of(k).SetEngine(f)
		tcpip.Of(k).AddHost(ws2def.AddrPort(site).Addr(), tcpip.Echo())
		p := r.socket(k, wsk.WSK_FLAG_DATAGRAM_SOCKET)
		r.ok(r.setULONG(k, p, ws2def.IPPROTO_IP, ws2def.IP_WFP_REDIRECT_RECORDS, 1))
		r.ok(r.setULONG(k, p, ws2def.IPPROTO_IP, ws2def.IP_WFP_REDIRECT_CONTEXT, 1))
		r.bindTo(k, p, proxy)
		c := r.dgram(k, any4)
		r.ok(sendTo(k, c, "who?", site))
		g := receiveFrom(k, p, 100, 3000)
		assert.Equal(r, "who?", g.text)
		list, _ := ws2def.CMSGs(g.control)
		require.Len(r, list, 2)
		assert.EqualValues(r, ws2def.IP_WFP_REDIRECT_RECORDS, list[0].Cmsg_type)
		assert.Equal(r, "to the site", string(list[1].Data))
		out := r.dgram(k, any4)
		records := ws2def.AppendCMSG(nil, ws2def.IPPROTO_IP, ws2def.IP_WFP_REDIRECT_RECORDS, list[0].Data)
		r.ok(sendControl(k, out, g.text, site, records))
		assert.Equal(r, got{text: "who?", from: "93.184.216.34:443"}, receiveFrom(k, out, 100, 0))
		r.ok(sendTo(k, p, "me", addr(g.from)))
		assert.Equal(r, "me", receiveFrom(k, c, 100, 0).text)
		r.closeAll(k, p, c, out)
		tcpip.Of(k).SetEngine(nil)
	}).clean()
	assert.Equal(t, len(f.chains), f.gone, "each chain of records ends")
}
