package wsk_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

func unicode(k *irql.K, s string) *irp.UNICODE_STRING {
	if s == "" {
		return nil
	}
	u := new(irp.UNICODE_STRING)
	irp.RtlInitUnicodeString(k, u, s)
	return u
}

func roomFor(bytes int) *irp.UNICODE_STRING {
	return &irp.UNICODE_STRING{MaximumLength: uint16(bytes), Buffer: make([]uint16, bytes/2)}
}

// lookup resolves a name; the list is nil unless it could.
func (r *rig) lookup(k *irql.K, node, service string,
	hints *ws2def.ADDRINFOEXW) (*ws2def.ADDRINFOEXW, irp.IO_STATUS_BLOCK) {
	result := irp.New[*ws2def.ADDRINFOEXW](k, irp.POOL_FLAG_NON_PAGED, tag)
	st := do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return r.npi.Dispatch.WskGetAddressInfo(k, r.npi.Client, unicode(k, node), unicode(k, service),
			ws2def.NS_ALL, nil, hints, result.Get(), nil, nil, p)
	})
	head := *result.Get()
	irp.Free(k, result, tag)
	return head, st
}

func (r *rig) giveBack(k *irql.K, list *ws2def.ADDRINFOEXW) {
	r.npi.Dispatch.WskFreeAddressInfo(k, r.npi.Client, list)
}

func words(list *ws2def.ADDRINFOEXW) (out []string) {
	for ; list != nil; list = list.Ai_next {
		out = append(out, fmt.Sprint(ws2def.AddrPort(list.Ai_addr), " ", list.Ai_socktype, " ",
			list.Ai_addrlen, " ", list.Ai_canonname))
	}
	return out
}

// Reference: wsk.md 17
func TestWskGetAddressInfo(t *testing.T) {
	r := newRig(t, 1)
	r.driver(func(k *irql.K) {
		tcpip.Of(k).SetName("site.example", netip.MustParseAddr("2001:db8::99"),
			netip.MustParseAddr("192.0.2.99"))
		tcp := &ws2def.ADDRINFOEXW{Ai_socktype: 1, Ai_protocol: 6}
		for _, c := range []struct {
			node, service string
			hints         *ws2def.ADDRINFOEXW
			want          []string
		}{
			{"SITE.example", "https", tcp, []string{"[2001:db8::99]:443 1 28 ", "192.0.2.99:443 1 16 "}},
			{"site.example", "", &ws2def.ADDRINFOEXW{Ai_family: 2, Ai_flags: ws2def.AI_CANONNAME},
				[]string{"192.0.2.99:0 0 16 site.example"}},
			{"192.0.2.1", "8080", nil, []string{"192.0.2.1:8080 0 16 "}},
			{"", "80", nil, []string{"[::1]:80 0 28 ", "127.0.0.1:80 0 16 "}},
			{"", "80", &ws2def.ADDRINFOEXW{Ai_flags: ws2def.AI_PASSIVE},
				[]string{"[::]:80 0 28 ", "0.0.0.0:80 0 16 "}},
			{"nobody.example", "", nil, nil},
			{"site.example", "gopher", nil, nil},
			{"site.example", "http", &ws2def.ADDRINFOEXW{Ai_flags: ws2def.AI_NUMERICSERV}, nil},
			{"site.example", "", &ws2def.ADDRINFOEXW{Ai_flags: ws2def.AI_NUMERICHOST}, nil},
		} {
			list, st := r.lookup(k, c.node, c.service, c.hints)
			assert.Equal(r, c.want, words(list), "%+v", c)
			assert.Zero(r, st.Information)
			if c.want == nil {
				assert.Equal(r, ntstatus.STATUS_NOT_FOUND, st.Status)
				continue
			}
			r.ok(st)
			r.giveBack(k, list)
			assert.Nil(r, list.Ai_addr, "what is taken back cannot be used")
		}
	}).clean()
}

// nameOf asks for the name of an address.
func (r *rig) nameOf(k *irql.K, a ws2def.SOCKADDR, node, service *irp.UNICODE_STRING,
	flags uint32) ntstatus.NTSTATUS {
	return do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return r.npi.Dispatch.WskGetNameInfo(k, r.npi.Client, a, ws2def.SizeofSockaddrStorage, node, service,
			flags, nil, nil, p)
	}).Status
}

func TestWskGetNameInfo(t *testing.T) {
	r := newRig(t, 1)
	r.driver(func(k *irql.K) {
		tcpip.Of(k).SetName("site.example", ws2def.AddrPort(site).Addr())
		node, service := roomFor(100), roomFor(100)
		ask := func(a ws2def.SOCKADDR, flags uint32) string {
			require.Equal(r, good, r.nameOf(k, a, node, service, flags))
			return node.String() + " " + service.String()
		}
		assert.Equal(r, "site.example https", ask(site, 0))
		assert.Equal(r, "site https", ask(site, ws2def.NI_NOFQDN))
		assert.Equal(r, "93.184.216.34 443", ask(site, ws2def.NI_NUMERICHOST|ws2def.NI_NUMERICSERV))
		assert.Equal(r, "192.0.2.77 5000", ask(addr("192.0.2.77:5000"), 0))
		assert.Equal(r, ntstatus.STATUS_NOT_FOUND, r.nameOf(k, addr("192.0.2.77:5000"), node, nil,
			ws2def.NI_NAMEREQD))
		assert.Equal(r, ntstatus.STATUS_BUFFER_TOO_SMALL, r.nameOf(k, site, roomFor(10), nil, 0))
		assert.Equal(r, invalid, r.nameOf(k, new(ws2def.SOCKADDR_STORAGE), node, nil, 0))
	}).clean()
}

// Rule: WSK-091
// Near miss: WSK-091
func TestWskGetAddressInfo_Level(t *testing.T) {
	body := func(high bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			list, q := new(*ws2def.ADDRINFOEXW), newRequest(k)
			ask := func() {
				r.npi.Dispatch.WskGetAddressInfo(k, r.npi.Client, unicode(k, "127.0.0.1"), nil,
					ws2def.NS_ALL, nil, nil, list, nil, nil, q.p)
			}
			if high {
				atDispatch(k, ask)
			} else {
				ask()
			}
			r.ok(q.wait(k))
			q.free(k)
			r.giveBack(k, *list)
		}
	}
	tripIn(t, verify.WSK_091, body(true))
	missIn(t, body(false))
}

// Rule: WSK-260
// Near miss: WSK-260
func TestWskFreeAddressInfo_OnceForEachList(t *testing.T) {
	body := func(times int) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			list, _ := r.lookup(k, "127.0.0.1", "", nil)
			for range times {
				r.giveBack(k, list)
			}
		}
	}
	tripIn(t, verify.WSK_260, body(0))
	tripIn(t, verify.WSK_260, body(2))
	missIn(t, body(1))
}

// Rule: WSK-261
// Near miss: WSK-261
func TestWskGetAddressInfo_ResultGone(t *testing.T) {
	body := func(early bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			list, q := irp.New[*ws2def.ADDRINFOEXW](k, irp.POOL_FLAG_NON_PAGED, tag), newRequest(k)
			var head *ws2def.ADDRINFOEXW
			r.calmly(func() {
				r.npi.Dispatch.WskGetAddressInfo(k, r.npi.Client, unicode(k, "nobody.example"), nil,
					ws2def.NS_ALL, nil, nil, list.Get(), nil, nil, q.p)
				if early {
					irp.Free(k, list, tag)
				}
			})
			assert.Equal(r, ntstatus.STATUS_NOT_FOUND, q.wait(k).Status)
			q.free(k)
			if !early {
				head = *list.Get()
				irp.Free(k, list, tag)
			}
			assert.Nil(r, head)
		}
	}
	tripIn(t, verify.WSK_261, body(true))
	missIn(t, body(false))
}

// Rule: WSK-262
// Rule: WSK-263
// Near miss: WSK-262
// Near miss: WSK-263
func TestWskGetAddressInfo_Arguments(t *testing.T) {
	ask := func(node string, process, thread bool, want ntstatus.NTSTATUS) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			list := new(*ws2def.ADDRINFOEXW)
			var p *irql.KPROCESS
			var th *irql.KTHREAD
			if process {
				p = irp.IoGetCurrentProcess(k)
			}
			if thread {
				th = irql.KeGetCurrentThread(k)
			}
			st := do(k, func(i *irp.IRP) ntstatus.NTSTATUS {
				return r.npi.Dispatch.WskGetAddressInfo(k, r.npi.Client, unicode(k, node), nil,
					ws2def.NS_ALL, nil, nil, list, p, th, i)
			})
			assert.Equal(r, want, st.Status)
			if want == good {
				r.giveBack(k, *list)
			}
		}
	}
	tripIn(t, verify.WSK_262, ask("127.0.0.1", false, true, invalid))
	missIn(t, ask("127.0.0.1", true, true, good))
	tripIn(t, verify.WSK_263, ask("", false, false, invalid))
	missIn(t, ask("127.0.0.1", false, false, good))
}

// Rule: WSK-264
// Near miss: WSK-264
func TestWskGetNameInfo_Terminator(t *testing.T) {
	body := func(bytes int, want ntstatus.NTSTATUS) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			assert.Equal(r, want, r.nameOf(k, server, roomFor(bytes), nil, ws2def.NI_NUMERICHOST))
		}
	}
	const n = 2 * len("127.0.0.1")
	tripIn(t, verify.WSK_264, body(n, ntstatus.STATUS_BUFFER_TOO_SMALL))
	missIn(t, body(n+2, good))
	missIn(t, body(4, ntstatus.STATUS_BUFFER_TOO_SMALL))
}

// TestNames_AnUnknownOneEndsInEitherWay: a driver that expects one of the two statuses fails in some run.
func TestNames_AnUnknownOneEndsInEitherWay(t *testing.T) {
	for alt, want := range []ntstatus.NTSTATUS{ntstatus.STATUS_NOT_FOUND, ntstatus.STATUS_NO_MATCH} {
		r := newRig(t, 1, ke.Pin{Site: "doc/WskGetAddressInfo/unresolvable", Alt: alt})
		r.driver(func(k *irql.K) {
			_, st := r.lookup(k, "nobody.example", "", nil)
			assert.Equal(r, want, st.Status)
		}).clean()
	}
}
