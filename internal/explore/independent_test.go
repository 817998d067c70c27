package explore

import (
	"math"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// talks lets programs connect from ports of their own to two hosts, exchange a byte and close.
func talks(ports []uint16) scene {
	return func(m *ke.Machine) {
		stack := tcpip.On(m)
		for i, port := range ports {
			host := netip.AddrFrom4([4]byte{192, 0, 2, byte(90 + i)})
			stack.AddHost(host, tcpip.Echo())
			p := m.NewProcess("a.exe", false)
			m.NewThread("talks", p, func(k *irql.K) {
				s, _ := tcpip.NewSocket(k, p, ws2def.AF_INET, ws2def.SOCK_STREAM)
				s.Reuse(true)
				s.Bind(k, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 10}), port))
				b := []byte{1}
				if s.Connect(k, netip.AddrPortFrom(host, 80)) == ntstatus.STATUS_SUCCESS {
					s.Send(k, b)
					s.Recv(k, b)
				}
				s.Close(k)
			})
		}
	}
}

// TestSearch_ConnectionsAtDifferentPortsAreIndependent: opening, talking and closing of one do not use the
// other, so that no order of their steps has to be tried.
//
// Reference: network.md 6.
func TestSearch_ConnectionsAtDifferentPortsAreIndependent(t *testing.T) {
	runs := func(ports ...uint16) int {
		s := &Search{Bounds: Bounds{Preemptions: math.MaxInt, Delays: math.MaxInt}, Reduce: true}
		return searchAll(t, s, talks(ports), 2000).runs
	}
	one, apart, same := runs(5000), runs(5000, 5001), runs(5000, 5000)
	t.Log(one, apart, same)
	assert.Equal(t, one*one, apart)
	assert.Greater(t, same, apart)
}
