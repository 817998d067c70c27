package sim

import (
	"net/netip"
	"reflect"

	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

// starting is the depth of calls while the driver starts: what is called back then makes no calls.
const starting = 100

// maxSeen is how many objects a run remembers; older ones are forgotten.
const maxSeen = 48

// see remembers a value for later calls: objects, and what stands for them.
func (z *fuzzer) see(v reflect.Value) {
	for v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || v.Type() == reflect.TypeFor[*irql.K]() {
			return
		}
	case reflect.Uint64, reflect.Uint32, reflect.Uint8:
		if v.IsZero() {
			return
		}
		v = reflect.ValueOf(v.Interface())
	default:
		return
	}
	for _, old := range z.seen {
		if old.Type() == v.Type() && old.Equal(v) {
			return
		}
	}
	if len(z.seen) == maxSeen {
		z.seen = z.seen[1:]
	}
	z.seen = append(z.seen, v)
	switch o := v.Interface().(type) {
	case *wsk.WSK_SOCKET:
		z.table(reflect.ValueOf(o.Dispatch))
	case *irp.IO_STATUS_BLOCK:
		if o.Pointer != nil {
			z.see(reflect.ValueOf(o.Pointer))
		}
	}
}

// table adds the routines of a dispatch table to those that are called.
func (z *fuzzer) table(v reflect.Value) {
	for v.IsValid() && (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) {
		v = v.Elem()
	}
	if !v.IsValid() || v.Kind() != reflect.Struct {
		return
	}
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Func:
			if len(z.tables) < 64 {
				z.tables = append(z.tables, fuzzCall{v.Type().Field(i).Name, f})
			}
		case reflect.Struct:
			z.table(f)
		}
	}
}

var fuzzNames = [...]string{"", `\Device\Fuzz`, `\DosDevices\Fuzz`, `\??\Fuzz`, "x"}

var fuzzNumbers = [...]uint64{0, 1, 2, 3, 4, 5, 64, 0x100, 0x222000, 0x222003, 0x80000000, 0xFFFFFFFF,
	^uint64(0)}

// argument makes an argument: NULL, an object that is zero, a new one, one that has ended, or, most often,
// one that was seen before.
func (z *fuzzer) argument(k *irql.K, t reflect.Type) reflect.Value {
	b := z.next()
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface:
		return z.object(k, t, b)
	case reflect.Func:
		if b >= 250 {
			return reflect.Zero(t)
		}
		return z.callback(t)
	case reflect.Slice:
		v := reflect.MakeSlice(t, b%4, b%4)
		for i := range v.Len() {
			v.Index(i).Set(z.argument(k, t.Elem()))
		}
		return v
	}
	v := reflect.New(t).Elem()
	if old := z.before(t, b); b&1 != 0 && old.IsValid() {
		return old
	}
	n := fuzzNumbers[b>>1%len(fuzzNumbers)]
	switch t.Kind() {
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Int:
		v.SetInt(int64(int8(b)) * 1000)
		if b&3 != 3 {
			v.SetInt(int64(b >> 2))
		}
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uint:
		v.SetUint(n & (1<<(8*t.Size()-1)<<1 - 1))
	case reflect.Bool:
		v.SetBool(b&2 != 0)
	case reflect.String:
		v.SetString(fuzzNames[b%len(fuzzNames)])
	}
	return v
}

// before is a value of the type that was seen.
func (z *fuzzer) before(t reflect.Type, n int) (found reflect.Value) {
	count := 0
	for _, v := range z.seen {
		if v.Type().AssignableTo(t) {
			count++
		}
	}
	if count == 0 {
		return found
	}
	n %= count
	for _, v := range z.seen {
		if v.Type().AssignableTo(t) {
			if n == 0 {
				return v
			}
			n--
		}
	}
	return found
}

func (z *fuzzer) object(k *irql.K, t reflect.Type, b int) reflect.Value {
	if t == reflect.TypeFor[*irp.IRP]() && b < 220 {
		return z.request(k)
	}
	if old := z.before(t, b); old.IsValid() && b < 200 {
		return old
	}
	if t.Kind() == reflect.Interface {
		if v := reflect.ValueOf(&z.address); b < 240 && v.Type().AssignableTo(t) {
			return v
		}
		return reflect.Zero(t)
	}
	var v reflect.Value
	switch {
	case b >= 250:
		return reflect.Zero(t)
	case b >= 244:
		v = ended(k, &z.nothing, t)
	case b >= 240 && z.before(t, 0).IsValid():
		v = reflect.New(t.Elem())
	default:
		if old := z.before(t, b); old.IsValid() && made(k, &z.nothing, t) == nil {
			return old
		}
		v = good(k, &z.nothing, t)
	}
	z.see(v)
	return v
}

// request is a new IRP that can be sent.
func (z *fuzzer) request(k *irql.K) reflect.Value {
	p := irp.IoAllocateIrp(k, 2, false)
	if p == nil {
		return reflect.ValueOf(p)
	}
	irp.IoSetCompletionRoutine(k, p, func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP,
		_ any) ntstatus.NTSTATUS {
		z.see(reflect.ValueOf(p.IoStatus()))
		z.some(k)
		if z.next()&7 != 0 {
			irp.IoFreeIrp(k, p)
		}
		return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
	}, nil, true, true, true)
	z.see(reflect.ValueOf(p))
	return reflect.ValueOf(p)
}

// callback is a routine of the driver: it makes calls where it is called back.
func (z *fuzzer) callback(t reflect.Type) reflect.Value {
	return reflect.MakeFunc(t, func(args []reflect.Value) (out []reflect.Value) {
		var k *irql.K
		for _, a := range args {
			if p, ok := a.Interface().(*irql.K); ok {
				k = p
				continue
			}
			z.see(a)
		}
		if k != nil {
			z.some(k)
		}
		for i := range t.NumOut() {
			v := reflect.New(t.Out(i)).Elem()
			if z.depth == starting {
				out = append(out, v)
				continue
			}
			if t.Out(i) == reflect.TypeFor[ntstatus.NTSTATUS]() {
				v.SetUint(uint64(fuzzStatuses[z.pick(len(fuzzStatuses))]))
			} else if old := z.before(t.Out(i), z.next()); old.IsValid() {
				v = old
			}
			out = append(out, v)
		}
		return out
	})
}

// listen registers a client of Winsock Kernel and opens two sockets.
func (z *fuzzer) listen(k *irql.K) {
	z.address = ws2def.Storage(netip.MustParseAddrPort("10.0.0.1:80"))
	z.dispatch.Version = wsk.MAKE_WSK_VERSION(1, 0)
	if wsk.WskRegister(k, &wsk.WSK_CLIENT_NPI{Dispatch: &z.dispatch}, &z.registration) != 0 ||
		wsk.WskCaptureProviderNPI(k, &z.registration, wsk.WSK_NO_WAIT, &z.npi) != 0 {
		return
	}
	z.table(reflect.ValueOf(z.npi.Dispatch))
	z.see(reflect.ValueOf(z.npi.Client))
	z.see(reflect.ValueOf(&z.registration))
	for _, flags := range [...]wsk.SocketFlags{wsk.WSK_FLAG_CONNECTION_SOCKET, wsk.WSK_FLAG_LISTEN_SOCKET} {
		p := irp.IoAllocateIrp(k, 1, false)
		if p == nil {
			return
		}
		e := &irql.KEVENT{}
		irql.KeInitializeEvent(k, e, irql.NotificationEvent, false)
		irp.IoSetCompletionRoutine(k, p, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP,
			_ any) ntstatus.NTSTATUS {
			irql.KeSetEvent(k, e, 0, false)
			return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
		}, nil, true, true, true)
		z.npi.Dispatch.WskSocket(k, z.npi.Client, ws2def.AF_INET, ws2def.SOCK_STREAM, ws2def.IPPROTO_TCP,
			flags, nil, z.events(flags), nil, nil, nil, p)
		irql.KeWaitForSingleObject(k, e, irql.Executive, irql.KernelMode, false, nil)
		if s, ok := p.IoStatus().Pointer.(*wsk.WSK_SOCKET); ok {
			z.see(reflect.ValueOf(s))
		}
		irp.IoReuseIrp(k, p, 0)
		z.see(reflect.ValueOf(p))
	}
}

// events is a table of callbacks for a socket, every one of them there.
func (z *fuzzer) events(flags wsk.SocketFlags) any {
	var table any = &wsk.WSK_CLIENT_CONNECTION_DISPATCH{}
	if flags == wsk.WSK_FLAG_LISTEN_SOCKET {
		table = &wsk.WSK_CLIENT_LISTEN_DISPATCH{}
	}
	v := reflect.ValueOf(table).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Func {
			f.Set(z.callback(f.Type()))
		}
	}
	return table
}

// filter registers a callout at two layers, with filters that call it.
func (z *fuzzer) filter(k *irql.K) {
	var engine irql.HANDLE
	session := fwpm.FWPM_SESSION0{Flags: fwpm.FWPM_SESSION_FLAG_DYNAMIC}
	if fwpm.FwpmEngineOpen0(k, "", fwpm.RPC_C_AUTHN_WINNT, nil, &session, &engine) != 0 {
		return
	}
	z.see(reflect.ValueOf(engine))
	sub := fwpm.FWPM_SUBLAYER0{SubLayerKey: fwps.GUID{Data1: 9}, Weight: 0x8000,
		DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: "fuzz"}}
	fwpm.FwpmSubLayerAdd0(k, engine, &sub, nil)
	for i, layer := range [...]fwps.GUID{fwpm.FWPM_LAYER_ALE_CONNECT_REDIRECT_V4,
		fwpm.FWPM_LAYER_ALE_AUTH_CONNECT_V4} {
		c := fwps.FWPS_CALLOUT1{CalloutKey: fwps.GUID{Data1: uint32(i + 1)}}
		v := reflect.ValueOf(&c).Elem()
		for i := range v.NumField() {
			if f := v.Field(i); f.Kind() == reflect.Func {
				f.Set(z.callback(f.Type()))
			}
		}
		var id uint32
		fwps.FwpsCalloutRegister1(k, z.device, &c, &id)
		z.see(reflect.ValueOf(id))
		fwpm.FwpmCalloutAdd0(k, engine, &fwpm.FWPM_CALLOUT0{CalloutKey: c.CalloutKey, ApplicableLayer: layer,
			DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: "fuzz"}}, nil, nil)
		fwpm.FwpmFilterAdd0(k, engine, &fwpm.FWPM_FILTER0{LayerKey: layer, SubLayerKey: sub.SubLayerKey,
			DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: "fuzz"},
			Action: fwpm.FWPM_ACTION0{Type: fwps.FWP_ACTION_CALLOUT_UNKNOWN,
				CalloutKey: c.CalloutKey}}, nil, nil)
	}
}

// fuzzNet is what a run has of the network.
type fuzzNet struct {
	address      ws2def.SOCKADDR_STORAGE
	dispatch     wsk.WSK_CLIENT_DISPATCH
	registration wsk.WSK_REGISTRATION
	npi          wsk.WSK_PROVIDER_NPI
}
