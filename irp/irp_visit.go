package irp

import (
	"calloutsim/internal/ke"
	"calloutsim/ntstatus"
)

// visit is what one dispatch call of one driver did with its IRP. It outlives the IRP, because the dispatch
// routine may return after the climb.
type visit struct {
	p         *IRP
	serial    uint64
	marked    bool
	completed bool // by the driver, at its level
	ownFrame  bool // ... and inside the dispatch call itself
	status    ntstatus.NTSTATUS
	forwarded bool
	lower     ntstatus.NTSTATUS
	skipped   bool
	passed    bool       // the climb has left the location
	unmarked  bool       // ... without the pending mark
	force     bool       // its sender is to see STATUS_PENDING (Config.ForcePending)
	forced    bool       // ... and does
	uncalled  bool       // set a cancel routine on a cancelled IRP: nobody will call it
	event     *ke.Object // what the dispatch routine waited for last
	mixed     *ke.Object // what a routine of this level signalled that marks as well
	above     *visit     // the dispatch call that skipped this location, so that both use it
	next      *visit
}

func (io *ioManager) getVisit(p *IRP) *visit {
	v := io.visits
	if v == nil {
		return &visit{p: p}
	}
	io.visits = v.next
	*v = visit{p: p}
	return v
}

func (io *ioManager) putVisit(v *visit) {
	v.p = nil
	v.next = io.visits
	io.visits = v
}
