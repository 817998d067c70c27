package sim

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/wsk/ws2def"
)

// relay is a host that sends on to another one whatever it gets, or keeps it.
type relay struct {
	Port
	to  netip.AddrPort
	got []string
}

func (r *relay) Datagram(k *ke.K, h *Host, _, to netip.AddrPort, b []byte) tcpip.Verdict {
	if r.to.IsValid() {
		h.SendTo(k, to, r.to, b)
	}
	r.got = append(r.got, string(b))
	return tcpip.Accepts
}

// TestMachine_Forward: what one host sends another goes through the machine, where that forwards.
func TestMachine_Forward(t *testing.T) {
	for _, forwards := range []bool{false, true} {
		m := New(t)
		there, end := netip.MustParseAddrPort("198.51.100.7:9"), new(relay)
		m.Host(there.Addr(), end)
		m.Host(server.Addr(), &relay{to: there})
		if forwards {
			m.Forward()
		}
		m.Process("app.exe").Go("main", func(u *User) {
			s, err := u.Datagrams(ws2def.AF_INET)
			require.NoError(t, err)
			_, err = s.SendTo([]byte("through"), server)
			require.NoError(t, err)
			require.NoError(t, s.Close())
		})
		m.Run()
		if forwards {
			assert.Equal(t, []string{"through"}, end.got)
		} else {
			assert.Empty(t, end.got)
		}
	}
}
