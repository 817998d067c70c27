package fwpm

import (
	"calloutsim/fwps"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/wfp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

const ok = ntstatus.STATUS_SUCCESS

// kind is a kind of management object.
type kind uint8

const (
	aProvider kind = iota
	aProviderContext
	aSublayer
	aCallout
	aFilter
)

// change is one thing that a transaction does to the objects.
type change struct {
	kind   kind
	typ    FWPM_CHANGE_TYPE
	key    fwps.GUID
	id     uint64
	object any // a pointer of package wfp
}

// change notes what a transaction does, for those who want to hear of it.
func (t *transaction) note(c change) { t.changes = append(t.changes, c) }

// origin is the life of an object that the session adds.
func (s *session) origin(o *wfp.Objects, persistent bool,
	provider *fwps.GUID) (wfp.Origin, ntstatus.NTSTATUS) {
	out := wfp.Origin{Session: s.dynamic, Persistent: persistent}
	if s.dynamic != 0 && persistent {
		return out, ntstatus.STATUS_FWP_DYNAMIC_SESSION_IN_PROGRESS
	}
	if provider != nil {
		if out.Provider = o.Provider(*provider); out.Provider == nil {
			return out, ntstatus.STATUS_FWP_PROVIDER_NOT_FOUND
		}
		if !out.MayReferTo(out.Provider.Origin) {
			return out, ntstatus.STATUS_FWP_LIFETIME_MISMATCH
		}
	}
	return out, ok
}

// mayDelete judges whether the session may take away what is of that origin.
func (s *session) mayDelete(o wfp.Origin) ntstatus.NTSTATUS {
	switch {
	case o.Builtin:
		return ntstatus.STATUS_FWP_BUILTIN_OBJECT
	case o.Session != 0 && o.Session != s.dynamic:
		return ntstatus.STATUS_FWP_WRONG_SESSION
	}
	return ok
}

// keyOf is the key of a new object: the given one, or a new one for the null GUID.
func keyOf(k *ke.K, key fwps.GUID) fwps.GUID {
	if key == (fwps.GUID{}) {
		return state.Of(k).newKey()
	}
	return key
}

// look shows the objects as the session sees them: those of its transaction, or those in force.
func (s *session) look(k *ke.K, do func(o *wfp.Objects) ntstatus.NTSTATUS) ntstatus.NTSTATUS {
	if t := s.txn; t != nil {
		return do(&t.draft.Objects)
	}
	if st := s.lock(k, true); st != ok {
		return st
	}
	st := do(&fwps.Sim.Policy(k).Objects)
	s.unlock(k, true)
	return st
}

// called begins a routine of a session. It gives nil and the status when the handle is none of a session, or
// an argument that has to be there is not.
func called(k *irql.K, name string, engineHandle irql.HANDLE, there bool) (*session, ntstatus.NTSTATUS) {
	enter(k, name)
	s := sessionOf(k, engineHandle)
	switch {
	case s == nil:
		return nil, done(k, name, 0, ntstatus.STATUS_INVALID_HANDLE)
	case !there:
		return nil, done(k, name, s.id, ntstatus.STATUS_FWP_NULL_POINTER)
	}
	return s, ok
}

// question is a routine that gives one object: found finds it, and made makes its description.
type question struct {
	name    string
	site    *ke.Site
	missing ntstatus.NTSTATUS
	there   bool // the arguments are
}

// give answers a question with a description that the caller frees.
//
//go:norace
func give[T, D any](k *irql.K, q question, engineHandle irql.HANDLE, out **D, find func(o *wfp.Objects) *T,
	describe func(x *T) *D) ntstatus.NTSTATUS {
	s, st := called(k, q.name, engineHandle, q.there && out != nil)
	if s == nil {
		return st
	}
	return done(k, q.name, s.id, s.look(k, func(o *wfp.Objects) ntstatus.NTSTATUS {
		x := find(o)
		if x == nil {
			return q.missing
		}
		if ke.Fails(k, q.site) {
			return ntstatus.STATUS_INSUFFICIENT_RESOURCES
		}
		*out = describe(x)
		return ok
	}))
}

// taken makes one deletion: gone finds the object and takes it out, or says why it stays.
func taken(k *irql.K, name string, engineHandle irql.HANDLE, there bool,
	gone func(s *session, t *transaction) ntstatus.NTSTATUS) ntstatus.NTSTATUS {
	s, st := called(k, name, engineHandle, there)
	if s == nil {
		return st
	}
	return done(k, name, s.id, s.change(k, func(t *transaction) ntstatus.NTSTATUS { return gone(s, t) }))
}

// copyKey copies what a pointer to a key shows.
func copyKey(key *fwps.GUID) *fwps.GUID {
	if key == nil {
		return nil
	}
	c := *key
	return &c
}

// copyBlob copies memory of a caller.
func copyBlob(b fwps.FWP_BYTE_BLOB) fwps.FWP_BYTE_BLOB {
	return fwps.FWP_BYTE_BLOB{Size: b.Size, Data: append([]byte(nil), b.Data...)}
}

// handleID makes an object that a handle stands for.
func handleID(k *ke.K) trace.ID { return ke.Of(k).NewID(trace.Handle) }
