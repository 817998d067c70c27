package fwps

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/wfp"
	"calloutsim/wsk/ws2def"
)

// bind is the subject of ALE_BIND_REDIRECT: the address a socket is to get.
type bind struct {
	request[FWPS_BIND_REQUEST0]
}

func newBind(c *classification) *bind {
	s := &bind{newRequest(c, FWPS_BIND_REQUEST0{LocalAddressAndPort: ws2def.Storage(c.q.Local)},
		poisonedBind)}
	s.judge = s.check
	return s
}

// check judges a changed bind request when it is applied.
func (s *bind) check(k *ke.K, w *writable, _, v *version[FWPS_BIND_REQUEST0]) {
	if v.req.LocalAddressAndPort.Ss_family != s.original.LocalAddressAndPort.Ss_family {
		wrongFamily(k, w.call, "local")
	}
}

func (s *bind) answer(k *ke.K, d wfp.Decision) tcpip.Answer {
	return answer(proceeds(k, d), tcpip.Target{Local: ws2def.AddrPort(&s.current.req.LocalAddressAndPort),
		Remote: s.c.q.Remote, Modified: s.current.filter != 0})
}

func (s *bind) changes(filter uint64) (out []string) {
	for _, v := range s.by(filter) {
		out = append(out, fmt.Sprintf("local -> %v", ws2def.AddrPort(&v.req.LocalAddressAndPort)))
	}
	return out
}
