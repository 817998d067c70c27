package ws2def

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Reference: wsk.md 7.18
func TestCMSG_SizesAndWalk(t *testing.T) {
	assert.EqualValues(t, 24, WSA_CMSG_SPACE(4))
	assert.EqualValues(t, 24, WSA_CMSG_SPACE(8))
	assert.EqualValues(t, 40, WSA_CMSG_SPACE(20))
	assert.EqualValues(t, 20, WSA_CMSG_LEN(4))
	b := AppendCMSG(nil, IPPROTO_IP, IP_TTL, []byte{1, 2, 3, 4})
	require.Len(t, b, 24)
	b = AppendCMSG(b, IPPROTO_IPV6, IPV6_PKTINFO, make([]byte, 20))
	require.Len(t, b, 64)
	list, ok := CMSGs(append(b, 1, 2, 3))
	require.True(t, ok)
	require.Len(t, list, 2)
	assert.Equal(t, []byte{1, 2, 3, 4}, list[0].Data)
	assert.Equal(t, CMSGHDR{36, int32(IPPROTO_IPV6), int32(IPV6_PKTINFO)}, list[1].CMSGHDR)
	assert.Len(t, list[1].Data, 20)
}

func TestCMSGs_RefusesWhatDoesNotFit(t *testing.T) {
	whole := AppendCMSG(nil, IPPROTO_IP, IP_TTL, []byte{1, 2, 3, 4})
	for _, n := range []byte{15, 25, 0} {
		b := append([]byte(nil), whole...)
		b[0] = n
		_, ok := CMSGs(b)
		assert.False(t, ok, n)
	}
	list, ok := CMSGs(whole[:20]) // the last object needs no padding
	assert.True(t, ok)
	assert.Len(t, list, 1)
	list, ok = CMSGs(nil)
	assert.True(t, ok)
	assert.Empty(t, list)
}
