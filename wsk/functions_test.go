package wsk_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
)

// providerTables are all tables of the provider, and callbackTables all of clients.
var (
	providerTables = map[string]any{"WSK_PROVIDER_DISPATCH": wsk.WSK_PROVIDER_DISPATCH{},
		"listen": wsk.WSK_PROVIDER_LISTEN_DISPATCH{}, "datagram": wsk.WSK_PROVIDER_DATAGRAM_DISPATCH{},
		"connection": wsk.WSK_PROVIDER_CONNECTION_DISPATCH{}, "stream": wsk.WSK_PROVIDER_STREAM_DISPATCH{}}
	callbackTables = map[string]any{"WSK_CLIENT_DISPATCH": wsk.WSK_CLIENT_DISPATCH{},
		"WSK_CLIENT_DATAGRAM_DISPATCH":   wsk.WSK_CLIENT_DATAGRAM_DISPATCH{},
		"WSK_CLIENT_LISTEN_DISPATCH":     wsk.WSK_CLIENT_LISTEN_DISPATCH{},
		"WSK_CLIENT_CONNECTION_DISPATCH": wsk.WSK_CLIENT_CONNECTION_DISPATCH{}}
	registrationFunctions = map[string]any{"WskRegister": wsk.WskRegister, "WskDeregister": wsk.WskDeregister,
		"WskCaptureProviderNPI":           wsk.WskCaptureProviderNPI,
		"WskReleaseProviderNPI":           wsk.WskReleaseProviderNPI,
		"WskQueryProviderCharacteristics": wsk.WskQueryProviderCharacteristics}
)

// without are the rows of functions that are not modelled, and why.
var without = map[string]string{"Nmr": "attachment through the NMR", "WskSendEx": "reserved for the system",
	"WskReceiveEx": "reserved for the system"}

// TestFunctions compares tables and signatures with docs/spec/data/wsk_functions.tsv: who has a
// function, whether it takes an IRP, and what it returns.
func TestFunctions(t *testing.T) {
	text, err := os.ReadFile("../docs/spec/data/wsk_functions.tsv")
	require.NoError(t, err)
	played := 0
rows:
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		f := strings.Split(line, "\t")
		name, _, _ := strings.Cut(f[0], " ")
		for prefix := range without {
			if strings.HasPrefix(name, prefix) {
				continue rows
			}
		}
		played++
		for _, typ := range signatures(t, name, f[1]) {
			last := typ.In(typ.NumIn() - 1)
			takes := last == reflect.TypeFor[*irp.IRP]()
			assert.Equal(t, f[3] != "none", takes, "%s: an IRP is %s", f[0], f[3])
			assert.Equal(t, reflect.TypeFor[*irql.K](), typ.In(0), f[0])
			switch {
			case strings.HasPrefix(f[4], "void"):
				assert.Zero(t, typ.NumOut(), f[0])
			case name == "WskInspectEvent":
				assert.Equal(t, reflect.TypeFor[wsk.WSK_INSPECT_ACTION](), typ.Out(0))
			default:
				assert.Equal(t, reflect.TypeFor[ntstatus.NTSTATUS](), typ.Out(0), f[0])
			}
		}
	}
	t.Logf("%d functions", played)
	assert.Greater(t, played, 30)
}

// signatures gives the types of a function in all tables that have it.
func signatures(t *testing.T, name, where string) (list []reflect.Type) {
	if fn := registrationFunctions[name]; fn != nil {
		return []reflect.Type{reflect.TypeOf(fn)}
	}
	tables := providerTables
	if strings.HasPrefix(where, "WSK_CLIENT") {
		tables = callbackTables
	}
	for in, table := range tables {
		f, ok := reflect.TypeOf(table).FieldByName(name)
		has := where == "all categories" && in != "WSK_PROVIDER_DISPATCH" || strings.Contains(where, in)
		if !has && name == "WskRelease" { // two functions have the name
			continue
		}
		assert.Equal(t, has, ok, "%s in %s", name, in)
		if ok {
			list = append(list, f.Type)
		}
	}
	return list
}
