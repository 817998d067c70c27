package ws2def

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAddrPort_EveryStructureGivesBackWhatWasPut(t *testing.T) {
	for _, s := range []string{"127.0.0.1:80", "[::1]:443", "0.0.0.0:0", "[2001:db8::10]:65535"} {
		ap := netip.MustParseAddrPort(s)
		for _, a := range []SOCKADDR{new(SOCKADDR_IN), new(SOCKADDR_IN6), new(SOCKADDR_STORAGE)} {
			if !Fits(a, FamilyOf(ap.Addr())) {
				assert.False(t, Put(a, ap), s)
				continue
			}
			require.True(t, Put(a, ap), s)
			assert.Equal(t, ap, AddrPort(a))
			assert.Equal(t, FamilyOf(ap.Addr()), a.Family())
			assert.Equal(t, Htons(ap.Port()), INETADDR_PORT(a))
		}
	}
}

func TestSOCKADDR_STORAGE_BytesLieAsWindowsHasThem(t *testing.T) {
	a := Storage(netip.MustParseAddrPort("93.184.216.34:443"))
	b := a.Bytes()
	require.Len(t, b, SizeofSockaddrStorage)
	assert.Equal(t, []byte{2, 0, 0x01, 0xBB, 93, 184, 216, 34}, b[:8])
	assert.Equal(t, a, StorageFromBytes(b))
	v6 := Storage(netip.MustParseAddrPort("[::1]:80"))
	assert.Equal(t, byte(1), v6.Bytes()[8+15], "sin6_addr begins at byte 8")
}

func TestAddrPort_NullAndUnknownFamiliesAreTheZeroAddress(t *testing.T) {
	assert.Equal(t, netip.AddrPort{}, AddrPort(nil))
	assert.Equal(t, netip.AddrPort{}, AddrPort(new(SOCKADDR_STORAGE)))
}

func TestINETADDR_HelpersKeepTheOtherMember(t *testing.T) {
	for _, s := range []string{"10.1.2.3:80", "[2001:db8::1]:80"} {
		ap := netip.MustParseAddrPort(s)
		st := Storage(ap)
		INETADDR_SETLOOPBACK(&st)
		assert.True(t, INETADDR_ISLOOPBACK(&st))
		assert.Equal(t, uint16(80), Ntohs(INETADDR_PORT(&st)))
		INETADDR_SET_PORT(&st, Htons(8080))
		assert.Equal(t, uint16(8080), AddrPort(&st).Port())
		INETADDR_SETANY(&st)
		assert.True(t, INETADDR_ISANY(&st))
		assert.Equal(t, uint16(8080), AddrPort(&st).Port())
	}
}
