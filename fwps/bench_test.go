package fwps_test

import (
	"fmt"
	"net/netip"
	"testing"

	"calloutsim/fwps"
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/wfp"
	"calloutsim/irql"
)

// BenchmarkClassify asks at AUTH_CONNECT_V4 whether a connection may be made, with filters that do not match:
// each blocks another remote port, another network, or another range of ports; the ranges overlap.
func BenchmarkClassify(b *testing.B) {
	for _, c := range []struct {
		n    int
		kind string
	}{{10, "port"}, {10_000, "port"}, {10, "network"}, {10_000, "network"}, {10, "range"},
		{10_000, "range"}} {
		b.Run(fmt.Sprintf("%d/%s", c.n, c.kind), func(b *testing.B) {
			m := ke.New(ke.Config{Continue: true})
			defer m.Close()
			e := fwps.Sim.EngineOf(m)
			p := m.NewProcess("browser.exe", false)
			m.NewThread("connects", p, func(k *irql.K) {
				fwps.Sim.SetPolicy(k, blocking(fwps.Sim.Policy(k), c.n, c.kind))
				q := tcpip.Question{At: tcpip.AuthConnect, Tuple: tcpip.Tuple{Proto: tcpip.TCP, Local: local,
					Remote: netip.AddrPortFrom(web.Addr(), 1)},
					Endpoint: &tcpip.Endpoint{ID: m.NewID(trace.Endpoint), Process: p}}
				b.ReportAllocs()
				for b.Loop() {
					asked := q
					asked.Done = func(_ *ke.K, a tcpip.Answer) {
						if !a.Permit {
							b.Error("blocked")
						}
					}
					e.Classify(k, &asked)
				}
			})
			m.Run(nil)
		})
	}
}

func blocking(p *wfp.Policy, n int, kind string) *wfp.Policy {
	port, _, _, _ := fwps.Sim.FieldByName(fwps.FWPS_LAYER_ALE_AUTH_CONNECT_V4, "IP_REMOTE_PORT")
	remote, _, _, _ := fwps.Sim.FieldByName(fwps.FWPS_LAYER_ALE_AUTH_CONNECT_V4, "IP_REMOTE_ADDRESS")
	d := p.Draft()
	sub := &wfp.Sublayer{Weight: 7}
	d.AddSublayer(sub)
	for i := range n {
		c := wfp.Condition{Field: port, Value: wfp.Value{Type: wfp.Uint16, Num: uint64(2 + i)}}
		switch kind {
		case "range":
			c.Match, c.High = wfp.MatchRange, wfp.Value{Type: wfp.Uint16, Num: uint64(2 + 5*i)}
		case "network":
			c = wfp.Condition{Field: remote, Value: wfp.V4Mask(0x0a00_0000+uint32(i)<<8, 0xffff_ff00)}
		}
		d.AddFilter(&wfp.Filter{ID: uint64(i + 1), Layer: fwps.FWPS_LAYER_ALE_AUTH_CONNECT_V4, Sublayer: sub,
			Action: wfp.Block, Conditions: []wfp.Condition{c}})
	}
	return d.Commit()
}

// filterEngine is all the transport sees of the engine.
type filterEngine interface {
	tcpip.Engine
	tcpip.Redirector
}
