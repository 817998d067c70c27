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

// BenchmarkClassify asks at AUTH_CONNECT_V4 whether a connection may be made, with filters that each block
// another remote port and do not match.
func BenchmarkClassify(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := ke.New(ke.Config{Continue: true})
			defer m.Close()
			e := fwps.EngineOf(m)
			p := m.NewProcess("browser.exe", false)
			m.NewThread("connects", p, func(k *irql.K) {
				fwps.SetPolicy(k, blockPorts(fwps.Policy(k), n))
				q := tcpip.Question{Layer: tcpip.AuthConnect, Protocol: 6, Local: local,
					Remote: netip.AddrPortFrom(web.Addr(), 1), Process: p, Endpoint: m.NewID(trace.Endpoint)}
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

func blockPorts(p *wfp.Policy, n int) *wfp.Policy {
	index, _, _ := fwps.FieldByName(fwps.FWPS_LAYER_ALE_AUTH_CONNECT_V4, "IP_REMOTE_PORT")
	d := p.Draft()
	sub := &wfp.Sublayer{Weight: 7}
	d.AddSublayer(sub)
	for i := range n {
		d.AddFilter(&wfp.Filter{ID: uint64(i + 1), Layer: fwps.FWPS_LAYER_ALE_AUTH_CONNECT_V4, Sublayer: sub,
			Action: wfp.Block, Conditions: []wfp.Condition{{Field: index,
				Value: wfp.Value{Type: wfp.Uint16, Num: uint64(2 + i)}}}})
	}
	return d.Commit()
}
