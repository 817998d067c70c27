package irp

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// needsAPC reports IRQL-017: the thread waits without time limit for the event of a threaded request of its
// own where no special kernel APC is delivered to it, and the event is set by one (irp.md 5, 16). That the
// request was already sent like that is IRP-056.
func (io *ioManager) needsAPC(k *irql.K, o *ke.Object) {
	ke.Adds(k, ke.Use{Obj: o.ID, How: ke.R})
	for p := io.live; p != nil; p = p.next {
		if !p.sent || p.thread != ke.ThreadOf(k) || !p.isUserEvent(o) || o.Signal > 0 {
			continue
		}
		where := "in a guarded region"
		if ke.IRQL(k) >= ke.APC {
			where = "at " + irql.KIRQL(ke.IRQL(k)).String()
		}
		ke.Report(k, verify.Finding{Rule: verify.IRQL_017, Obj: p.id.String(), Dump: dumpIRP(p),
			AllowedIRQL: verify.AnyIRQL,
			Headline: fmt.Sprintf("wait for %v, the event of %v, %s: the APC that sets it cannot be "+
				"delivered", o.ID, p.id, where),
			Fix: "wait outside, or use a critical region: it lets special kernel APCs in."})
		return
	}
}
