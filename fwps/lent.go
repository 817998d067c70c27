package fwps

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/wsk/ws2def"
)

// lent is the life of what the engine lends to one call of classifyFn.
type lent struct {
	m      *ke.Machine
	of     trace.ID // the classification
	layer  uint16
	places func() []verify.Place
	over   bool
}

func (l *lent) id() string { return l.of.String() }

// touch notices use after the call. Between runs everything may be looked at.
func (l *lent) touch() {
	if l == nil {
		return
	}
	k := l.m.Current()
	if k == nil {
		return
	}
	ke.Accesses(k, ke.Reads(l.of))
	if !l.over {
		return
	}
	ke.Report(k, verify.Finding{Rule: verify.WFP_054, Obj: l.id(), BugCheck: 0xD5,
		Also:     []verify.RuleID{verify.POOL_013},
		Headline: "arguments of classifyFn for " + l.id() + " are used after classifyFn has returned",
		Places:   l.places(), Fix: "copy what is needed later before classifyFn returns."})
}

func (l *lent) report(f verify.Finding) {
	if k := l.m.Current(); k != nil {
		f.Places = l.places()
		ke.Report(k, f)
	}
}

// poisonByte fills what classifyFn must not keep.
const poisonByte = 0xDE

func poisonBytes(b []byte) {
	for i := range b {
		b[i] = poisonByte
	}
}

const poisonWord = 0xDEDE_DEDE_DEDE_DEDE

func poisonAddress() ws2def.SOCKADDR_STORAGE {
	var b [ws2def.SizeofSockaddrStorage]byte
	poisonBytes(b[:])
	return ws2def.StorageFromBytes(b[:])
}
