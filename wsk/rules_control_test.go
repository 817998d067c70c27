package wsk_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

// setOption sets an option on a listening socket, after bind if it is told to.
func setOption(code, level uint32, size uint64, value uint32, late bool,
	want ntstatus.NTSTATUS) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		s := r.socket(k, wsk.WSK_FLAG_LISTEN_SOCKET)
		if late {
			r.ok(bind(k, s, server))
		}
		b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 4, tag)
		b.Store32(0, value)
		st := do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return listening(s).WskControlSocket(k, s, wsk.WskSetOption, code, level, size, b, 0, nil, nil, p)
		})
		assert.Equal(r, want.String(), st.Status.String())
		st = do(k, func(p *irp.IRP) ntstatus.NTSTATUS { return getOptionOf(k, s, code, level, b, p) })
		if want == good {
			assert.EqualValues(r, 4, r.ok(st).Information)
			assert.Equal(r, value, b.Load32(0))
		}
		irp.ExFreePoolWithTag(k, b, tag)
		r.closeAll(k, s)
	}
}

func getOptionOf(k *irql.K, s *wsk.WSK_SOCKET, code, level uint32, b *irp.Buffer,
	p *irp.IRP) ntstatus.NTSTATUS {
	return basic(s).WskControlSocket(k, s, wsk.WskGetOption, code, level, 0, nil, 4, b, nil, p)
}

// Rule: WSK-200
// Near miss: WSK-200
func TestOption_NullIrp(t *testing.T) {
	tripIn(t, verify.WSK_200, func(r *rig, k *irql.K) {
		s := r.socket(k, wsk.WSK_FLAG_LISTEN_SOCKET)
		assert.Equal(r, invalid, getOptionOf(k, s, ws2def.SO_KEEPALIVE, ws2def.SOL_SOCKET, nil, nil))
		r.closeAll(k, s)
	})
	missIn(t, setOption(ws2def.SO_RCVBUF, ws2def.SOL_SOCKET, 4, 4096, true, good))
}

// Rule: WSK-202
// Near miss: WSK-202
func TestOption_Size(t *testing.T) {
	tripIn(t, verify.WSK_202, setOption(ws2def.SO_KEEPALIVE, ws2def.SOL_SOCKET, 1, 1, false, invalid))
	missIn(t, setOption(ws2def.SO_KEEPALIVE, ws2def.SOL_SOCKET, 4, 1, false, good))
}

// Rule: WSK-203
// Near miss: WSK-203
func TestOption_Value(t *testing.T) {
	tripIn(t, verify.WSK_203, setOption(ws2def.SO_KEEPALIVE, ws2def.SOL_SOCKET, 4, 7, false, invalid))
	missIn(t, setOption(ws2def.SO_REUSEADDR, ws2def.SOL_SOCKET, 4, 1, false, good))
}

// Rule: WSK-204
// Near miss: WSK-204
func TestOption_AfterBind(t *testing.T) {
	tripIn(t, verify.WSK_204, setOption(ws2def.SO_EXCLUSIVEADDRUSE, ws2def.SOL_SOCKET, 4, 1, true, ids))
	missIn(t, setOption(ws2def.SO_EXCLUSIVEADDRUSE, ws2def.SOL_SOCKET, 4, 1, false, good))
}

// Rule: WSK-205
// Near miss: WSK-205
func TestOption_Category(t *testing.T) {
	body := func(flags wsk.SocketFlags) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			s := r.socket(k, flags)
			b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 4, tag)
			do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
				return getOptionOf(k, s, ws2def.SO_KEEPALIVE, ws2def.SOL_SOCKET, b, p)
			})
			irp.ExFreePoolWithTag(k, b, tag)
			r.closeAll(k, s)
		}
	}
	tripIn(t, verify.WSK_205, body(wsk.WSK_FLAG_BASIC_SOCKET))
	missIn(t, body(wsk.WSK_FLAG_STREAM_SOCKET))
}

// Rule: WSK-206
// Near miss: WSK-206
func TestOption_Level(t *testing.T) {
	tripIn(t, verify.WSK_206, setOption(ws2def.IPV6_V6ONLY, ws2def.SOL_SOCKET, 4, 1, false, invalid))
	missIn(t, setOption(ws2def.IPV6_V6ONLY, ws2def.IPPROTO_IPV6, 4, 0, false, good))
}

// Rule: WSK-207
// Near miss: WSK-207
func TestOption_BufferGone(t *testing.T) {
	body := func(early bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			s := r.socket(k, wsk.WSK_FLAG_LISTEN_SOCKET)
			b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 4, tag)
			q := newRequest(k)
			r.calmly(func() {
				getOptionOf(k, s, ws2def.SO_KEEPALIVE, ws2def.SOL_SOCKET, b, q.p)
				if early {
					irp.ExFreePoolWithTag(k, b, tag)
				}
			})
			r.ok(q.wait(k))
			q.free(k)
			if !early {
				irp.ExFreePoolWithTag(k, b, tag)
			}
			r.closeAll(k, s)
		}
	}
	tripIn(t, verify.WSK_207, body(true))
	missIn(t, body(false))
}

// redirected gives body the socket that accepted a redirected connection, and ends everything.
func redirected(body func(r *rig, k *irql.K, in *wsk.WSK_SOCKET)) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		s := tcpip.On(r.m)
		s.SetEngine(&fake{context: site.Bytes()})
		s.AddHost(ws2def.AddrPort(site).Addr(), tcpip.Echo())
		l := r.listener(k, proxy)
		r.m.NewThread("browser", app, func(k *ke.K) {
			s, _ := tcpip.NewSocket(k, app, ws2def.AF_INET, ws2def.SOCK_STREAM)
			s.Connect(k, ws2def.AddrPort(site))
			s.Recv(k, make([]byte, 1))
			s.Close(k)
		})
		in := r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return listening(l).WskAccept(k, l, 0, nil, nil, nil, nil, p)
		})).Pointer.(*wsk.WSK_SOCKET)
		body(r, k, in)
		r.closeAll(k, in, l)
	}
}

// ioctl issues a control code with these parameters.
func ioctl(k *irql.K, s *wsk.WSK_SOCKET, code uint32, inSize uint64, in *irp.Buffer, outSize uint64,
	out *irp.Buffer,
	returned *uint64) irp.IO_STATUS_BLOCK {
	return do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return basic(s).WskControlSocket(k, s, wsk.WskIoctl, code, 0, inSize, in, outSize, out, returned, p)
	})
}

const (
	queryRecords = wsk.SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS
	queryContext = wsk.SIO_QUERY_WFP_CONNECTION_REDIRECT_CONTEXT
	setRecords   = wsk.SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS
)

// records queries the records of an accepted socket.
func (r *rig) records(k *irql.K, in *wsk.WSK_SOCKET) (*irp.Buffer, uint64) {
	b, st := query(k, in, queryRecords, 4096)
	return b, r.ok(st).Information
}

func TestRedirect_SizingStrategies(t *testing.T) {
	missIn(t, redirected(func(r *rig, k *irql.K, in *wsk.WSK_SOCKET) {
		b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 4096, tag)
		b.Fill(0, 4096, 0xEE)
		size := uint64(7)
		st := ioctl(k, in, queryRecords, 0, nil, 1024, b, &size)
		assert.Equal(r, ntstatus.STATUS_BUFFER_TOO_SMALL, st.Status)
		assert.EqualValues(r, 2008, st.Information)
		assert.EqualValues(r, 2008, size)
		assert.Equal(r, byte(0xEE), b.Load8(0), "nothing is copied")
		st = ioctl(k, in, queryRecords, 0, nil, 0, nil, &size)
		assert.Equal(r, ntstatus.STATUS_BUFFER_TOO_SMALL, st.Status)
		assert.EqualValues(r, 2008, st.Information)
		assert.EqualValues(r, 2008, r.ok(ioctl(k, in, queryRecords, 0, nil, 2008, b, &size)).Information)
		assert.EqualValues(r, 128, r.ok(ioctl(k, in, queryContext, 0, nil, 4096, b, &size)).Information)
		assert.Equal(r, ntstatus.STATUS_INTEGER_OVERFLOW, ioctl(k, in, queryContext, 0, nil, 1<<32, b,
			nil).Status)
		tcpip.On(r.m).Engine().(*fake).context = nil
		st = ioctl(k, in, queryContext, 0, nil, 4096, b, &size)
		assert.Equal(r, ntstatus.STATUS_NOT_FOUND, st.Status)
		assert.Zero(r, st.Information)
		irp.ExFreePoolWithTag(k, b, tag)
	}))
}

func TestRedirect_SocketOfAnotherProcess(t *testing.T) {
	missIn(t, redirected(func(r *rig, k *irql.K, in *wsk.WSK_SOCKET) {
		b, n := r.records(k, in)
		for _, c := range []struct {
			admin bool
			want  ntstatus.NTSTATUS
		}{{true, good}, {false, ntstatus.STATUS_ACCESS_DENIED}} {
			s := r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
				return r.npi.Dispatch.WskSocket(k, r.npi.Client, ws2def.AF_INET, 1, 6,
					wsk.WSK_FLAG_CONNECTION_SOCKET, nil, nil,
					irql.Sim.ProcessObject(k, &ke.Process{PID: 44, Admin: c.admin}), nil, nil, p)
			})).Pointer.(*wsk.WSK_SOCKET)
			assert.Equal(r, c.want, ioctl(k, s, setRecords, n, b, 0, nil, nil).Status)
			r.closeAll(k, s)
		}
		irp.ExFreePoolWithTag(k, b, tag)
	}))
}

// Rule: WSK-093
// Near miss: WSK-093
func TestRedirect_Level(t *testing.T) {
	f := tripIn(t, verify.WSK_093, redirected(func(r *rig, k *irql.K, in *wsk.WSK_SOCKET) {
		q := newRequest(k)
		atDispatch(k, func() {
			connected(in).WskControlSocket(k, in, wsk.WskIoctl, queryRecords, 0, 0, nil, 0, nil, nil, q.p)
		})
	}))
	assert.Contains(t, f.Also, verify.WSK_233)
	missIn(t, redirected(func(r *rig, k *irql.K, in *wsk.WSK_SOCKET) {
		ioctl(k, in, queryRecords, 0, nil, 0,
			nil, nil)
	}))
}

// Rule: WSK-220
// Near miss: WSK-220
func TestRedirect_NullIrp(t *testing.T) {
	tripIn(t, verify.WSK_220, redirected(func(r *rig, k *irql.K, in *wsk.WSK_SOCKET) {
		size := uint64(0)
		assert.Equal(r, invalid, connected(in).WskControlSocket(k, in, wsk.WskIoctl, queryContext, 0, 0, nil,
			0, nil, &size, nil))
	}))
	missIn(t, redirected(func(r *rig, k *irql.K, in *wsk.WSK_SOCKET) {
		ioctl(k, in, queryContext, 0, nil, 0,
			nil, nil)
	}))
}

// Rule: WSK-222
// Near miss: WSK-222
func TestRedirect_BufferGone(t *testing.T) {
	body := func(early bool) func(r *rig, k *irql.K) {
		return redirected(func(r *rig, k *irql.K, in *wsk.WSK_SOCKET) {
			b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 4096, tag)
			q := newRequest(k)
			r.calmly(func() {
				connected(in).WskControlSocket(k, in, wsk.WskIoctl, queryRecords, 0, 0, nil, 4096, b,
					nil, q.p)
				if early {
					irp.ExFreePoolWithTag(k, b, tag)
				}
			})
			r.ok(q.wait(k))
			q.free(k)
			if !early {
				irp.ExFreePoolWithTag(k, b, tag)
			}
		})
	}
	f := tripIn(t, verify.WSK_222, body(true))
	assert.Contains(t, f.Headline, "SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS")
	missIn(t, body(false))
}

// Rule: WSK-223
// Rule: WSK-234
// Near miss: WSK-223
// Near miss: WSK-234
func TestRedirect_Parameters(t *testing.T) {
	size := uint64(0)
	tripIn(t, verify.WSK_223, redirected(func(r *rig, k *irql.K, in *wsk.WSK_SOCKET) {
		assert.Equal(r, invalid, ioctl(k, in, queryRecords, 4, nil, 0, nil, nil).Status)
	}))
	tripIn(t, verify.WSK_223, redirected(func(r *rig, k *irql.K, in *wsk.WSK_SOCKET) {
		b, n := r.records(k, in)
		ioctl(k, r.socket(k, wsk.WSK_FLAG_CONNECTION_SOCKET), setRecords, n, b, 0, nil, &size)
	}))
	tripIn(t, verify.WSK_234, redirected(func(r *rig, k *irql.K, in *wsk.WSK_SOCKET) {
		ioctl(k, in, queryRecords, 0, nil, 1024, nil, &size)
	}))
	missIn(t, redirected(func(r *rig, k *irql.K, in *wsk.WSK_SOCKET) {
		ioctl(k, in, queryRecords, 0, nil, 0,
			nil, &size)
	}))
}

// Rule: WSK-225
// Near miss: WSK-225
func TestRedirect_StaleSize(t *testing.T) {
	pin := ke.Pin{Site: "doc/WskControlSocket/OutputSizeReturned", Alt: 1}
	body := func(stale bool) func(r *rig, k *irql.K) {
		return redirected(func(r *rig, k *irql.K, in *wsk.WSK_SOCKET) {
			size := uint64(64)
			st := ioctl(k, in, queryRecords, 0, nil, 0, nil, &size)
			if !stale {
				size = st.Information
			}
			b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, size, tag)
			ioctl(k, in, queryRecords, 0, nil, size, b, &size)
			irp.ExFreePoolWithTag(k, b, tag)
		})
	}
	tripIn(t, verify.WSK_225, body(true), pin)
	missIn(t, body(false), pin)
	missIn(t, body(true)) // by default the variable holds the size
}

// outbound makes a socket for the proxied connection, sets the records where order says, and connects.
func outbound(order string) func(r *rig, k *irql.K) {
	return redirected(func(r *rig, k *irql.K, in *wsk.WSK_SOCKET) {
		b, n := r.records(k, in)
		out := r.socket(k, wsk.WSK_FLAG_CONNECTION_SOCKET)
		for _, step := range order {
			switch step {
			case 's':
				ioctl(k, out, setRecords, n, b, 0, nil, nil)
			case 'a':
				ioctl(k, in, setRecords, n, b, 0, nil, nil)
			case 'b':
				r.ok(bind(k, out, any4))
			case 'c':
				r.ok(connect(k, out, site))
			}
		}
		irp.ExFreePoolWithTag(k, b, tag)
		r.closeAll(k, out)
	})
}

// Rule: WSK-229
// Near miss: WSK-229
func TestRedirect_RecordsTooLate(t *testing.T) {
	assert.Equal(t, verify.Error, setError(tripIn(t, verify.WSK_229, outbound("sa"))))
	assert.Equal(t, verify.Error, setError(tripIn(t, verify.WSK_229, outbound("sbcs2"))),
		"the first finding is that of the late SET")
	assert.Equal(t, verify.Warning, setError(tripIn(t, verify.WSK_229, outbound("bsc"))))
	missIn(t, outbound("sbc"))
}

func setError(f verify.Finding) verify.Severity { return f.Severity() }

// Rule: WSK-230
// Near miss: WSK-230
func TestRedirect_RecordsForgotten(t *testing.T) {
	f := tripIn(t, verify.WSK_230, outbound("bc"))
	assert.Contains(t, f.Also, verify.WFP_120)
	missIn(t, outbound("sbc"))
}

// Rule: WSK-043
// Near miss: WSK-043
func TestWskSocketConnect_RecordsAfterwards(t *testing.T) {
	body := func(set bool) func(r *rig, k *irql.K) {
		return redirected(func(r *rig, k *irql.K, in *wsk.WSK_SOCKET) {
			b, n := r.records(k, in)
			other := addr("93.184.216.34:80")
			s := r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
				return r.npi.Dispatch.WskSocketConnect(k, r.npi.Client, 1, 6, any4, other, 0, nil, nil, nil,
					nil, nil, p)
			})).Pointer.(*wsk.WSK_SOCKET)
			if set {
				assert.Equal(r, ids, ioctl(k, s, setRecords, n, b, 0, nil, nil).Status)
			}
			irp.ExFreePoolWithTag(k, b, tag)
			r.closeAll(k, s)
		})
	}
	tripIn(t, verify.WSK_043, body(true))
	missIn(t, body(false))
}

// Rule: WSK-231
// Near miss: WSK-231
func TestRedirect_QueryOnTheListener(t *testing.T) {
	tripIn(t, verify.WSK_231, func(r *rig, k *irql.K) {
		ioctl(k, r.listener(k, server), queryRecords, 0, nil, 0, nil, nil)
	})
	missIn(t, func(r *rig, k *irql.K) { // a connection that was not redirected: no fault of the driver
		c, a, l := r.pair(k)
		assert.Equal(r, ntstatus.STATUS_NOT_FOUND, ioctl(k, a, queryRecords, 0, nil, 0, nil, nil).Status)
		r.closeAll(k, c, a, l)
	})
}

// Rule: WSK-232
// Near miss: WSK-232
func TestRedirect_RecordsAltered(t *testing.T) {
	body := func(cut uint64) func(r *rig, k *irql.K) {
		return redirected(func(r *rig, k *irql.K, in *wsk.WSK_SOCKET) {
			b, n := r.records(k, in)
			s := r.socket(k, wsk.WSK_FLAG_CONNECTION_SOCKET)
			want := good
			if cut > 0 {
				want = invalid
			}
			assert.Equal(r, want, ioctl(k, s, setRecords, n-cut, b, 0, nil, nil).Status)
			irp.ExFreePoolWithTag(k, b, tag)
			r.closeAll(k, s)
		})
	}
	tripIn(t, verify.WSK_232, body(8))
	missIn(t, body(0))
}

// Rule: WSK-235
// Near miss: WSK-235
func TestRedirect_NoContext(t *testing.T) {
	f := tripIn(t, verify.WSK_235, redirected(
		func(r *rig, k *irql.K, in *wsk.WSK_SOCKET) {
			q := newRequest(k)
			irp.IoSetCompletionRoutine(k, q.p, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP,
				_ any) ntstatus.NTSTATUS {
				irql.KeSetEvent(k, q.event, 0, false)
				return more
			}, nil, true, true, true)
			connected(in).WskControlSocket(k, in, wsk.WskIoctl, queryContext, 0, 0, nil, 0, nil, nil, q.p)
			q.wait(k)
			q.free(k)
		}))
	assert.Equal(t, verify.Note, setError(f))
	avoids(t, verify.WSK_235, outbound("sbc"))
}

// Rule: WSK-236
// Near miss: WSK-236
func TestRedirect_WrongCode(t *testing.T) {
	tripIn(t, verify.WSK_236, redirected(func(r *rig, k *irql.K, in *wsk.WSK_SOCKET) {
		assert.Equal(r, ntstatus.STATUS_NOT_SUPPORTED, ioctl(k, in, 0x580000DD, 0, nil, 0, nil, nil).Status)
	}))
	missIn(t, redirected(func(r *rig, k *irql.K, in *wsk.WSK_SOCKET) {
		assert.Equal(r, ntstatus.STATUS_NOT_SUPPORTED, ioctl(k, in, 0x28000018, 0, nil, 0, nil, nil).Status)
	}))
}
