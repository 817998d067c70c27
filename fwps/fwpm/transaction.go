package fwpm

import (
	"calloutsim/fwps"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/verify"
	"calloutsim/internal/wfp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// lock waits until the session may change the policy, or look at it undisturbed.
func (s *session) lock(k *ke.K, readOnly bool) ntstatus.NTSTATUS {
	g := state.Of(k)
	ke.Point(k, ke.Writes(fwps.Sim.PolicyID(k)))
	end := ke.Of(k).Now() + int64(s.wait)*ke.Millisecond
	for g.writer != nil || g.readers > 0 && !readOnly {
		due := &end
		if s.wait == 0xFFFFFFFF {
			due = nil
		}
		if ke.Wait(k, []*ke.Object{&g.free}, true, due, "a transaction to end") == ntstatus.STATUS_TIMEOUT {
			return ntstatus.STATUS_FWP_TIMEOUT
		}
		ke.Adds(k, ke.Writes(fwps.Sim.PolicyID(k)))
	}
	ke.Adds(k, ke.Writes(s.id))
	if readOnly {
		g.readers++
	} else {
		g.writer = s
	}
	return ntstatus.STATUS_SUCCESS
}

func (s *session) unlock(k *ke.K, readOnly bool) {
	g := state.Of(k)
	ke.Adds(k, ke.Writes(fwps.Sim.PolicyID(k)))
	ke.Adds(k, ke.Writes(s.id))
	if readOnly {
		g.readers--
	} else {
		g.writer = nil
	}
	ke.SetSignal(k, &g.free, 1)
}

// misuse reports a transaction call out of order; Windows answers it with s.
func (s *session) misuse(k *ke.K, headline string, st ntstatus.NTSTATUS) ntstatus.NTSTATUS {
	f := verify.Finding{Rule: verify.WFP_036, Obj: s.id.String(), Headline: headline}
	if s.txn != nil {
		f.Places = []verify.Place{{Label: "BEGUN", Seq: s.txn.seq}}
	}
	ke.Collect(k, f)
	return st
}

// FwpmTransactionBegin0 begins an explicit transaction. It waits for those of other sessions.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_FWP_TXN_IN_PROGRESS in a transaction of the session;
// STATUS_FWP_INVALID_FLAGS; STATUS_INVALID_HANDLE for what is no engine handle;
// STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004, WFP-036.
// Reference: win32 fwpmu/nf-fwpmu-fwpmtransactionbegin0.
func FwpmTransactionBegin0(k *irql.K, engineHandle irql.HANDLE, flags uint32) ntstatus.NTSTATUS {
	const name = "FwpmTransactionBegin0"
	enter(k, name)
	s := sessionOf(k, engineHandle)
	switch {
	case s == nil:
		return ntstatus.STATUS_INVALID_HANDLE
	case s.txn != nil:
		return done(k, name, s.id, s.misuse(k, name+" inside a transaction",
			ntstatus.STATUS_FWP_TXN_IN_PROGRESS))
	case flags&^FWPM_TXN_READ_ONLY != 0:
		return done(k, name, s.id, ntstatus.STATUS_FWP_INVALID_FLAGS)
	case ke.Fails(k, &siteBegin):
		return done(k, name, s.id, ntstatus.STATUS_INSUFFICIENT_RESOURCES)
	}
	readOnly := flags&FWPM_TXN_READ_ONLY != 0
	st := s.lock(k, readOnly)
	if st == ntstatus.STATUS_SUCCESS {
		s.txn = &transaction{of: s, readOnly: readOnly, draft: fwps.Sim.Policy(k).Draft(),
			seq: ke.Of(k).Log().Len()}
	}
	return done(k, name, s.id, st)
}

// FwpmTransactionCommit0 puts the changes of the transaction in force.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_FWP_NO_TXN_IN_PROGRESS without a transaction; STATUS_INVALID_HANDLE for
// what is no engine handle.
// Rules: WFP-004, WFP-036.
// Reference: win32 fwpmu/nf-fwpmu-fwpmtransactioncommit0.
func FwpmTransactionCommit0(k *irql.K, engineHandle irql.HANDLE) ntstatus.NTSTATUS {
	const name = "FwpmTransactionCommit0"
	enter(k, name)
	s, st := inTransaction(k, name, engineHandle)
	if st != ntstatus.STATUS_SUCCESS {
		return st
	}
	ke.Point(k, ke.Writes(fwps.Sim.PolicyID(k)))
	t := s.txn
	s.txn = nil
	t.commit(k)
	s.unlock(k, t.readOnly)
	return done(k, name, s.id, ntstatus.STATUS_SUCCESS)
}

// FwpmTransactionAbort0 forgets the changes of the transaction.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_FWP_NO_TXN_IN_PROGRESS without a transaction; STATUS_INVALID_HANDLE for
// what is no engine handle.
// Rules: WFP-004, WFP-036.
// Reference: win32 fwpmu/nf-fwpmu-fwpmtransactionabort0.
func FwpmTransactionAbort0(k *irql.K, engineHandle irql.HANDLE) ntstatus.NTSTATUS {
	const name = "FwpmTransactionAbort0"
	enter(k, name)
	s, st := inTransaction(k, name, engineHandle)
	if st != ntstatus.STATUS_SUCCESS {
		return st
	}
	s.abort(k)
	return done(k, name, s.id, ntstatus.STATUS_SUCCESS)
}

// inTransaction is the session of a handle that is to have a transaction open.
func inTransaction(k *irql.K, name string, engineHandle irql.HANDLE) (*session, ntstatus.NTSTATUS) {
	s := sessionOf(k, engineHandle)
	switch {
	case s == nil:
		return nil, ntstatus.STATUS_INVALID_HANDLE
	case s.txn == nil:
		return nil, done(k, name, s.id, s.misuse(k, name+" without a transaction",
			ntstatus.STATUS_FWP_NO_TXN_IN_PROGRESS))
	}
	return s, ntstatus.STATUS_SUCCESS
}

// commit puts the policy in force and tells the callouts concerned.
func (t *transaction) commit(k *ke.K) {
	if t.readOnly {
		return
	}
	fwps.Sim.SetPolicy(k, t.draft.Commit())
	for _, f := range t.deleted {
		fwps.Sim.NotifyDeleted(k, f)
	}
	for _, f := range t.added {
		fwps.Sim.NotifyCommitted(k, f)
	}
	tell(k, t.of, t.changes)
}

// abort ends the transaction. Callouts that had agreed to a filter hear that it is gone.
func (s *session) abort(k *ke.K) {
	t := s.txn
	s.txn = nil
	for _, f := range t.added {
		fwps.Sim.NotifyDeleted(k, f)
	}
	s.unlock(k, t.readOnly)
}

// change makes one change in the session's transaction, or in one of its own.
func (s *session) change(k *ke.K, do func(t *transaction) ntstatus.NTSTATUS) ntstatus.NTSTATUS {
	if t := s.txn; t != nil {
		if t.readOnly {
			return s.misuse(k, "a change is made in a read-only transaction",
				ntstatus.STATUS_FWP_INCOMPATIBLE_TXN)
		}
		return do(t)
	}
	if st := s.lock(k, false); st != ntstatus.STATUS_SUCCESS {
		return st
	}
	t := &transaction{of: s, draft: fwps.Sim.Policy(k).Draft()}
	st := do(t)
	if ntstatus.NT_SUCCESS(st) {
		t.commit(k)
	}
	s.unlock(k, false)
	return st
}

// add is a change that allocates and so may fail; then nothing has changed.
func (s *session) add(k *ke.K, site *ke.Site, do func(t *transaction) ntstatus.NTSTATUS) ntstatus.NTSTATUS {
	return s.change(k, func(t *transaction) ntstatus.NTSTATUS {
		if ke.Fails(k, site) {
			return ntstatus.STATUS_INSUFFICIENT_RESOURCES
		}
		return do(t)
	})
}

// remove takes a filter out of the policy.
func (t *transaction) remove(f *wfp.Filter) {
	t.draft.RemoveFilter(f)
	for i, a := range t.added {
		if a == f {
			t.added = list.Cut(t.added, i)
			break
		}
	}
	t.deleted = append(t.deleted, f)
	t.note(change{aFilter, FWPM_CHANGE_DELETE, f.Key, f.ID, f})
}
