package irp

import (
	"fmt"

	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// checkChain reports MDL-017: the IRP goes, or forgets its MdlAddress, and an MDL stays that the creator has
// to free first (irp.md 7 and 18). INFERRED: one that is in the chain of another IRP as well, or that another
// driver or the I/O manager made, has an owner.
func (p *IRP) checkChain(k *irql.K, act string) {
	mdl := p.mdl
	for n := 0; n < longestChain && mdl != nil && !mdl.freed; n, mdl = n+1, mdl.Next {
		if mdl.owner != p.creator || mdl.fixed && p.origin != byAsyncFsd || p.io.chained(p, mdl) {
			continue
		}
		mdl.report(k, verify.Finding{Rule: verify.MDL_017, Dump: dumpIRP(p),
			Headline: fmt.Sprintf("%v is %s while its MdlAddress leads to %v, which nobody will free", p.id,
				act, mdl.id)})
		return
	}
}

// chained reports whether an IRP other than p leads to mdl.
func (io *ioManager) chained(p *IRP, mdl *MDL) bool {
	for q := io.live; q != nil; q = q.next {
		if q == p {
			continue
		}
		m := q.mdl
		for n := 0; n < longestChain && m != nil; n, m = n+1, m.Next {
			if m == mdl {
				return true
			}
		}
	}
	return false
}

// longestChain is how far a chain is followed: a driver may have tied it into a ring.
const longestChain = 256
