package fwps

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// handleBase is where handle values begin; they are the same in every run of one seed.
const handleBase = 0xffff_9a00_0000_0000

// handles is the table of everything that drivers name by number. Numbers are never used twice in a run.
type handles struct{ objs []any }

func (t *handles) add(obj any) uint64 {
	t.objs = append(t.objs, obj)
	return handleBase + 0x10*uint64(len(t.objs))
}

// find returns what a number names; nil for a number that was never given out.
func (t *handles) find(h uint64) any {
	n := (h - handleBase) / 0x10
	if h < handleBase || n == 0 || n > uint64(len(t.objs)) || h%0x10 != 0 {
		return nil
	}
	return t.objs[n-1]
}

// redirectHandle is what FwpsRedirectHandleCreate0 makes.
type redirectHandle struct {
	id         trace.ID
	num        irql.HANDLE
	provider   GUID
	owner      image
	alive      bool
	seq        uint64
	destroySeq uint64
}

// redirect finds a redirect handle that is alive and the driver's own; nil after a report.
func (t *handles) redirect(k *ke.K, obj string, num irql.HANDLE, what string, by image,
	known bool) *redirectHandle {
	h, _ := t.find(uint64(num)).(*redirectHandle)
	if h != nil {
		ke.Alive(k, h.id)
	}
	f := verify.Finding{Rule: verify.WFP_099, Obj: obj,
		Fix: "use the handle FwpsRedirectHandleCreate0 gave this driver, until unload."}
	switch {
	case h == nil:
		f.Headline = fmt.Sprintf("%s %#x, which is no redirect handle", what, uint64(num))
	case !h.alive:
		f.Headline = fmt.Sprintf("%s %v, which is destroyed", what, h.id)
		f.Places = []verify.Place{{Label: "CREATED", Seq: h.seq}, {Label: "DESTROYED", Seq: h.destroySeq}}
	case h.owner != by && by != nil && h.owner != nil && !known:
		f.Headline = fmt.Sprintf("%s %v, which belongs to %s", what, h.id, h.owner.Name)
		f.Places = []verify.Place{{Label: "CREATED", Seq: h.seq}}
	default:
		return h
	}
	ke.Report(k, f)
	return nil
}
