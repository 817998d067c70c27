package fwpm

import (
	"calloutsim/fwps"
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/internal/wfp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// snapshot is what an enumeration handle stands for: the objects there were when it was made, without those
// that were given out.
type snapshot[T any] struct {
	id    trace.ID
	of    *session
	left  []T
	ended bool
}

// begin makes an enumeration of what list selects.
//
//go:norace
func begin[T any](k *irql.K, name string, site *ke.Site, engineHandle irql.HANDLE, enumHandle *irql.HANDLE,
	list func(o *wfp.Objects) ([]T, ntstatus.NTSTATUS)) ntstatus.NTSTATUS {
	s, st := called(k, name, engineHandle, enumHandle != nil)
	if s == nil {
		return st
	}
	return done(k, name, s.id, s.look(k, func(o *wfp.Objects) ntstatus.NTSTATUS {
		left, st := list(o)
		if st != ok {
			return st
		}
		if ke.Fails(k, site) {
			return ntstatus.STATUS_INSUFFICIENT_RESOURCES
		}
		*enumHandle = fwps.Sim.NewHandle(k, &snapshot[T]{id: handleID(k), of: s, left: left})
		return ok
	}))
}

// snapshotOf is the enumeration that a handle of the session stands for.
//
//go:norace
func snapshotOf[T any](k *irql.K, s *session, h irql.HANDLE) (*snapshot[T], ntstatus.NTSTATUS) {
	e, _ := fwps.Sim.FindHandle(k, h).(*snapshot[T])
	if e != nil {
		ke.Adds(k, ke.Writes(e.id))
	}
	switch {
	case e == nil || e.ended:
		return nil, ntstatus.STATUS_INVALID_HANDLE
	case e.of != s:
		return nil, ntstatus.STATUS_FWP_WRONG_SESSION
	}
	return e, ok
}

// page names the routine that gives pages of an enumeration.
type page struct {
	name string
	site *ke.Site
}

// next gives the next objects of an enumeration, at most n of them; fewer mean that there are no more.
//
//go:norace
func next[T, D any](k *irql.K, p page, engineHandle, enumHandle irql.HANDLE, n uint32, entries *[]*D,
	returned *uint32, describe func(x T) *D) ntstatus.NTSTATUS {
	s, st := called(k, p.name, engineHandle, entries != nil && returned != nil)
	if s == nil {
		return st
	}
	e, st := snapshotOf[T](k, s, enumHandle)
	if st != ok {
		return done(k, p.name, s.id, st)
	}
	if ke.Fails(k, p.site) {
		return done(k, p.name, s.id, ntstatus.STATUS_INSUFFICIENT_RESOURCES)
	}
	ke.Point(k, ke.Writes(e.id))
	count := min(int(n), len(e.left))
	out := make([]*D, count)
	for i := range out {
		out[i] = describe(e.left[i])
	}
	e.left = e.left[count:]
	*entries, *returned = out, uint32(count)
	return done(k, p.name, s.id, ok)
}

// finish ends an enumeration.
//
//go:norace
func finish[T any](k *irql.K, name string, engineHandle, enumHandle irql.HANDLE) ntstatus.NTSTATUS {
	s, st := called(k, name, engineHandle, true)
	if s == nil {
		return st
	}
	e, st := snapshotOf[T](k, s, enumHandle)
	if st == ok {
		ke.Point(k, ke.Writes(e.id))
		e.ended, e.left = true, nil
	}
	return done(k, name, s.id, st)
}

// selected are the objects that is names.
//
//go:norace
func selected[T any](all []T, is func(x T) bool) []T {
	var out []T
	for _, x := range all {
		if is(x) {
			out = append(out, x)
		}
	}
	return out
}

// belongs reports whether an object belongs to the provider of a template; nil is any.
func belongs(o wfp.Origin, provider *fwps.GUID) bool {
	return provider == nil || o.Provider != nil && o.Provider.Key == *provider
}

// FwpmFreeMemory0 gives back what a routine of this package returned through a pointer: one description, or
// the array of a page of an enumeration with all that is in it. *p is set to NULL.
//
// IRQL: <= DISPATCH_LEVEL.
// Rules: WFP-001.
// Not modelled: memory that is kept and used afterwards, or is never given back.
// Reference: win32 fwpmu/nf-fwpmu-fwpmfreememory0.
//
//go:norace
func FwpmFreeMemory0[T any](k *irql.K, p *T) {
	ke.Enter(k, ddi.None)
	if ke.IRQL(k) > ke.Dispatch {
		ke.Report(k, verify.Finding{Rule: verify.WFP_001, Obj: "FwpmFreeMemory0", AllowedIRQL: ke.Dispatch,
			Headline: "FwpmFreeMemory0 called at " + ke.LevelName(ke.IRQL(k)) +
				", allowed is DISPATCH_LEVEL"})
	}
	if p != nil {
		var null T
		*p = null
	}
}
