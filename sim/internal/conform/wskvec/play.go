package wskvec

import (
	"encoding/binary"
	"fmt"
	"hash/adler32"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

// The marks that a request's IoStatus holds before each call.
const (
	markStatus ntstatus.NTSTATUS = 0xdeadbeef
	markInfo   uint64            = 0xdead
)

// request is one of the requests of a record.
type request struct {
	p             *irp.IRP
	done          *irql.KEVENT
	times         int
	used          bool
	local, remote *ws2def.SOCKADDR_STORAGE // where an accept stores addresses
}

// game is the state of one play.
type game struct {
	rec  *record
	at   int // operation under way
	log  []Event
	err  error
	reg  wsk.WSK_REGISTRATION
	npi  wsk.WSK_PROVIDER_NPI
	disp wsk.WSK_CLIENT_DISPATCH
	reqs [requests]request
	sock [sockets]*wsk.WSK_SOCKET
	mem  [buffers]*irp.Buffer
	mdl  [buffers]*irp.MDL
}

const tag = 0x63657657 // "Wvec"

func (g *game) play(k *irql.K) {
	g.disp.Version = wsk.MAKE_WSK_VERSION(1, 0)
	for i := range g.reqs {
		g.reqs[i] = request{p: irp.IoAllocateIrp(k, 1, false), done: new(irql.KEVENT)}
		irql.KeInitializeEvent(k, g.reqs[i].done, irql.NotificationEvent, false)
	}
	for i := range g.mem {
		g.mem[i] = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, bufferSize, tag)
		g.mdl[i] = irp.IoAllocateMdl(k, g.mem[i], bufferSize, false, false, nil)
		irp.MmBuildMdlForNonPagedPool(k, g.mdl[i])
	}
	for i, op := range g.rec.Setup.Ops {
		g.at = i + 1
		if g.err = g.step(k, op[0].(string), op[1:]); g.err != nil {
			g.err = fmt.Errorf("operation %d: %w", g.at, g.err)
			return
		}
	}
}

func (g *game) note(ev string, pairs ...any) {
	e := Event{"ev": ev}
	for i := 0; i < len(pairs); i += 2 {
		e[pairs[i].(string)] = pairs[i+1]
	}
	g.log = append(g.log, e)
}

// arm makes a request ready for a call; nil for the option null_irp.
func (g *game) arm(k *irql.K, n int, opts []any) *irp.IRP {
	if len(opts) > 0 && opts[0] != nil {
		return nil
	}
	r := &g.reqs[n]
	if r.used {
		irp.IoReuseIrp(k, r.p, ntstatus.STATUS_UNSUCCESSFUL)
	}
	r.used, r.times = true, 0
	*r.p.IoStatus() = irp.IO_STATUS_BLOCK{Status: markStatus, Information: markInfo}
	irql.KeClearEvent(k, r.done)
	irp.IoSetCompletionRoutine(k, r.p, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP,
		_ any) ntstatus.NTSTATUS {
		r.times++
		irql.KeSetEvent(k, r.done, 0, false)
		return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
	}, r.done, true, true, true)
	return r.p
}

// step makes one operation.
func (g *game) step(k *irql.K, name string, a []any) error {
	switch name {
	case "register":
		g.note(name, "ret", hex(wsk.WskRegister(k, &wsk.WSK_CLIENT_NPI{Dispatch: &g.disp}, &g.reg)))
	case "capture":
		wait := wsk.WSK_INFINITE_WAIT
		if a[0] != "infinite" {
			wait = uint32(number(a[0]))
		}
		st := wsk.WskCaptureProviderNPI(k, &g.reg, wait, &g.npi)
		g.note(name, "ret", hex(st), "client", g.npi.Client != nil, "version_at_least_1_0",
			g.npi.Dispatch != nil && g.npi.Dispatch.Version >= wsk.MAKE_WSK_VERSION(1, 0))
	case "release":
		wsk.WskReleaseProviderNPI(k, &g.reg)
		g.note(name)
	case "deregister":
		wsk.WskDeregister(k, &g.reg)
		g.note(name)
	case "await":
		r := &g.reqs[number(a[0])]
		if !r.used {
			return fmt.Errorf("await: the request was never used")
		}
		irql.KeWaitForSingleObject(k, r.done, irql.Executive, irql.KernelMode, false, nil)
		g.completed(number(a[0]))
	case "state":
		g.note(name, "irp", number(a[0]), "done", g.reqs[number(a[0])].times > 0)
	case "sleep":
		limit := -int64(number(a[0])) * ke.Millisecond
		irql.KeDelayExecutionThread(k, irql.KernelMode, false, &limit)
	case "fill":
		g.fill(number(a[0]), a[1])
	case "data":
		b, off, n := number(a[0]), number(a[1]), number(a[2])
		g.note(name, "buffer", b, "offset", off, "length", n, "adler32",
			fmt.Sprintf("0x%08x", adler32.Checksum(g.mem[b].Bytes()[off:off+n])))
	case "addresses":
		g.addresses(number(a[0]))
	case "take":
		s, _ := g.reqs[number(a[1])].p.IoStatus().Pointer.(*wsk.WSK_SOCKET)
		g.sock[number(a[0])] = s
		g.note(name, "socket", number(a[0]), "irp", number(a[1]), "nonnull", s != nil)
	default:
		return g.call(k, name, a)
	}
	return nil
}

func (g *game) fill(b int, seed any) {
	mem := g.mem[b].Bytes()
	for i := range mem {
		mem[i] = 0
		if seed != nil {
			mem[i] = byte(number(seed) + 7*i)
		}
	}
}

func (g *game) completed(n int) {
	r := &g.reqs[n]
	st := r.p.IoStatus()
	var info any = st.Information
	if _, ok := st.Pointer.(*wsk.WSK_SOCKET); ok {
		info = "socket"
	}
	g.note("completed", "irp", n, "times", r.times, "status", hex(st.Status), "info", info)
}

// basePort is the first of the eight ports of a record.
const basePort = 7700

func address(a, port any) *ws2def.SOCKADDR_IN {
	x := &ws2def.SOCKADDR_IN{Sin_family: ws2def.AF_INET}
	switch a {
	case "loopback":
		x.Sin_addr = ws2def.IN_ADDR{127, 0, 0, 1}
	case "nonlocal":
		x.Sin_addr = ws2def.IN_ADDR{8, 8, 8, 8}
	}
	if p, ok := port.(string); ok {
		x.Sin_port = ws2def.Htons(basePort + uint16(p[1]-'0'))
	}
	return x
}

// portName is how a trace calls a port.
func portName(p uint16) string {
	switch {
	case p == 0:
		return "zero"
	case p >= basePort && p < basePort+ports:
		return fmt.Sprintf("P%d", p-basePort)
	}
	return "other"
}

func (g *game) addresses(n int) {
	r := &g.reqs[n]
	e := []any{"irp", n}
	for _, side := range []struct {
		name string
		a    *ws2def.SOCKADDR_STORAGE
	}{{"local", r.local}, {"remote", r.remote}} {
		if side.a == nil {
			continue
		}
		ap := ws2def.AddrPort(side.a)
		v := ap.Addr().As4()
		e = append(e, side.name+"_family", int(side.a.Family()), side.name+"_addr",
			fmt.Sprintf("0x%08x", binary.BigEndian.Uint32(v[:])), side.name+"_port", portName(ap.Port()))
	}
	g.note("addresses", e...)
}
