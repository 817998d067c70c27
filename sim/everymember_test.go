package sim

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

// wskClient is a client of Winsock Kernel with a socket of some category.
type wskClient struct {
	registration wsk.WSK_REGISTRATION
	dispatch     wsk.WSK_CLIENT_DISPATCH
	npi          wsk.WSK_PROVIDER_NPI
	sock         *wsk.WSK_SOCKET
}

// open registers the client and makes its socket.
func (c *wskClient) open(k *irql.K, category wsk.SocketFlags) {
	c.dispatch.Version = wsk.MAKE_WSK_VERSION(1, 0)
	wsk.WskRegister(k, &wsk.WSK_CLIENT_NPI{ClientContext: c, Dispatch: &c.dispatch}, &c.registration)
	wsk.WskCaptureProviderNPI(k, &c.registration, wsk.WSK_INFINITE_WAIT, &c.npi)
	done := irql.OnStack[irql.KEVENT](k)
	irql.KeInitializeEvent(k, done, irql.NotificationEvent, false)
	p := irp.IoAllocateIrp(k, 1, false)
	irp.IoSetCompletionRoutine(k, p, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP,
		_ any) ntstatus.NTSTATUS {
		irql.KeSetEvent(k, done, 0, false)
		return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
	}, nil, true, true, true)
	c.npi.Dispatch.WskSocket(k, c.npi.Client, ws2def.AF_INET, ws2def.SOCK_STREAM, ws2def.IPPROTO_TCP,
		category, nil, nil, nil, nil, nil, p)
	irql.KeWaitForSingleObject(k, done, irql.Executive, irql.KernelMode, false, nil)
	c.sock = p.IoStatus().Pointer.(*wsk.WSK_SOCKET)
	irp.IoFreeIrp(k, p)
}

// tables are the dispatch tables of the client: the provider's, and that of its socket.
func (c *wskClient) tables() (members map[string]reflect.Value) {
	members = map[string]reflect.Value{}
	var add func(v reflect.Value)
	add = func(v reflect.Value) {
		for i := range v.NumField() {
			switch f := v.Field(i); f.Kind() {
			case reflect.Func:
				members[v.Type().Field(i).Name] = f
			case reflect.Struct:
				add(f)
			}
		}
	}
	add(reflect.ValueOf(c.npi.Dispatch).Elem())
	add(reflect.ValueOf(c.sock.Dispatch).Elem())
	return members
}

// mine gives the client and its socket where one is wanted, a made IRP and the like.
func mine(k *irql.K, d *nothing, t reflect.Type) reflect.Value {
	switch t {
	case reflect.TypeFor[*wsk.WSK_SOCKET]():
		return reflect.ValueOf(d.wsk.sock)
	case reflect.TypeOf(d.wsk.npi.Client):
		return reflect.ValueOf(d.wsk.npi.Client)
	}
	return good(k, d, t)
}

// TestEveryMember_OfADispatchTableCalledWithNothing is TestEveryRoutine for what has no name of its own: the
// functions of the tables of Winsock Kernel.
func TestEveryMember_OfADispatchTableCalledWithNothing(t *testing.T) {
	categories := map[string]wsk.SocketFlags{"basic": wsk.WSK_FLAG_BASIC_SOCKET,
		"listen": wsk.WSK_FLAG_LISTEN_SOCKET, "connection": wsk.WSK_FLAG_CONNECTION_SOCKET,
		"stream": wsk.WSK_FLAG_STREAM_SOCKET}
	called := 0
	for _, category := range []string{"basic", "listen", "connection", "stream"} {
		prepare := func(k *irql.K, d *nothing) { d.wsk.open(k, categories[category]) }
		var members map[string]reflect.Value
		callers[0].playAfter(t, category, false, prepare,
			func(_ *irql.K, d *nothing) { members = d.wsk.tables() })
		for _, name := range slices.Sorted(maps.Keys(members)) {
			typ := members[name].Type()
			call := func(how string, usual value, odd int, other value) {
				called++
				callers[0].playAfter(t, category+" "+name+" "+how, called%2 == 0, prepare,
					func(k *irql.K, d *nothing) {
						d.wsk.tables()[name].Call(arguments(k, d, typ, usual, odd, other))
					})
			}
			call("with NULL", null, -1, nil)
			call("with what is zero", zero, -1, nil)
			for i := 1; i < typ.NumIn(); i++ {
				switch typ.In(i).Kind() {
				case reflect.Pointer, reflect.Func, reflect.Slice, reflect.Interface:
					call("with NULL somewhere", mine, i, null)
					call("with zero somewhere", mine, i, zero)
					call("with what has ended somewhere", mine, i, ended)
				}
			}
		}
	}
	require.Greater(t, called, 300)
}
