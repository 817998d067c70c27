package fwps

import (
	"calloutsim/internal/trace"
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
