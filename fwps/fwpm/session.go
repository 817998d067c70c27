package fwpm

import (
	"calloutsim/fwps"
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/internal/wfp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// session is one open session.
//
//	idle --Begin--> in transaction --Commit--> idle
//	in transaction --Abort or Close--> idle, as if nothing had happened
type session struct {
	id      trace.ID
	dynamic uint64 // owner mark of the session's objects; 0 when they outlive it
	wait    uint32 // ms a transaction waits for others
	txn     *transaction
	closed  bool
}

// transaction is a set of changes that happen together.
type transaction struct {
	readOnly bool
	draft    *wfp.Draft // what the session sees and changes
	added    []*wfp.Filter
	deleted  []*wfp.Filter
	seq      uint64
}

// manager is the state of the management functions of one machine.
type manager struct {
	writer  *session
	readers int
	free    ke.Object // signalled when a transaction ends
	made    uint64    // sessions and keys made so far
}

var state = ke.NewSlot(func(m *ke.Machine) *manager {
	return &manager{free: ke.Object{Kind: ke.SynchronizationEvent, ID: m.NewID(trace.KEvent)}}
})

const defaultWait = 15_000

// Besides FWP_E_* and RPC_* the pages list other NTSTATUS codes; want of memory is INFERRED to be one.
var (
	siteOpen        = fails("FwpmEngineOpen0")
	siteBegin       = fails("FwpmTransactionBegin0")
	siteSubLayerAdd = fails("FwpmSubLayerAdd0")
	siteCalloutAdd  = fails("FwpmCalloutAdd0")
	siteFilterAdd   = fails("FwpmFilterAdd0")
)

// fails makes the site of a routine that allocates.
func fails(fn string) ke.Site {
	return ke.Site{Name: "fault/" + fn, Alts: []string{"succeeds", "STATUS_INSUFFICIENT_RESOURCES"},
		Spec: "wfp.md 19.1"}
}

// enter is the first statement of routines that the table of routines has no row for.
func enter(k *irql.K, name string) {
	ke.Enter(k, ddi.None)
	if ke.IRQL(k) > ke.Passive {
		ke.Report(k, verify.Finding{Rule: verify.WFP_004, Obj: name, AllowedIRQL: ke.Passive, BugCheck: 0xC4,
			Headline: name + " called at " + ke.LevelName(ke.IRQL(k)) + ", allowed is PASSIVE_LEVEL"})
	}
}

// done records a call and hands the status through.
func done(k *irql.K, name string, id trace.ID, s ntstatus.NTSTATUS) ntstatus.NTSTATUS {
	ke.Log(k, trace.Event{What: trace.Note, Text: name, Obj: id, Status: uint32(s), Flags: trace.HasStatus})
	return s
}

// newKey makes a GUID for an object whose key was left null.
func (g *manager) newKey() fwps.GUID {
	g.made++
	return fwps.GUID{Data1: uint32(g.made), Data2: 0x51a0, Data3: 0x4000, Data4: [8]byte{0x80}}
}

// FwpmEngineOpen0 opens a session to the filter engine of this machine.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the driver closes the session.
// Returns: STATUS_SUCCESS; STATUS_FWP_NULL_POINTER, STATUS_INVALID_PARAMETER for bad arguments;
// STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004, WFP-037.
// Not modelled: other machines, a BFE that is not running.
// Reference: fwpmk/nf-fwpmk-fwpmengineopen0.
func FwpmEngineOpen0(k *irql.K, serverName string, authnService uint32, authIdentity any,
	fwpmSession *FWPM_SESSION0,
	engineHandle *irql.HANDLE) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.FwpmEngineOpen0)
	_ = authIdentity
	refused := func(s ntstatus.NTSTATUS) ntstatus.NTSTATUS {
		ke.CallStatus(k, ddi.FwpmEngineOpen0, 0, uint32(s))
		return s
	}
	switch {
	case engineHandle == nil:
		return refused(ntstatus.STATUS_FWP_NULL_POINTER)
	case serverName != "" || authnService != RPC_C_AUTHN_WINNT && authnService != RPC_C_AUTHN_DEFAULT:
		return refused(ntstatus.STATUS_INVALID_PARAMETER)
	case ke.Fails(k, &siteOpen):
		return refused(ntstatus.STATUS_INSUFFICIENT_RESOURCES)
	}
	s := &session{id: ke.Of(k).NewID(trace.Handle), wait: defaultWait}
	if fwpmSession != nil {
		if fwpmSession.Flags&FWPM_SESSION_FLAG_DYNAMIC != 0 {
			s.dynamic = s.id.Num()
		}
		if fwpmSession.TxnWaitTimeoutInMSec != 0 {
			s.wait = fwpmSession.TxnWaitTimeoutInMSec
		}
	}
	*engineHandle = fwps.Sim.NewHandle(k, s)
	seq := ke.CallStatus(k, ddi.FwpmEngineOpen0, s.id, 0)
	fwps.Sim.SessionOpened(k, s, seq)
	return ntstatus.STATUS_SUCCESS
}

// FwpmEngineClose0 closes a session. An open transaction is aborted; what a dynamic session added vanishes.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_INVALID_HANDLE for what is no engine handle.
// Rules: WFP-004.
// Reference: fwpmk/nf-fwpmk-fwpmengineclose0.
func FwpmEngineClose0(k *irql.K, engineHandle irql.HANDLE) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.FwpmEngineClose0)
	s := sessionOf(k, engineHandle)
	if s == nil {
		return ntstatus.STATUS_INVALID_HANDLE
	}
	if s.txn != nil {
		s.abort(k)
	}
	if s.dynamic != 0 {
		s.change(k, func(t *transaction) ntstatus.NTSTATUS { return s.vanish(t) })
	}
	ke.Adds(k, ke.Writes(s.id))
	s.closed = true
	fwps.Sim.SessionClosed(k, s)
	ke.CallStatus(k, ddi.FwpmEngineClose0, s.id, 0)
	return ntstatus.STATUS_SUCCESS
}

func sessionOf(k *irql.K, h irql.HANDLE) *session {
	s, _ := fwps.Sim.FindHandle(k, h).(*session)
	if s != nil {
		ke.Adds(k, ke.Writes(s.id))
	}
	if s == nil || s.closed {
		return nil
	}
	return s
}

// vanish deletes everything the session added, filters first.
func (s *session) vanish(t *transaction) ntstatus.NTSTATUS {
	for _, f := range t.draft.Filters() {
		if f.Owner == s.dynamic {
			t.remove(f)
		}
	}
	t.draft.RemoveCallouts(func(c *wfp.Callout) bool { return c.Owner == s.dynamic })
	t.draft.RemoveSublayers(func(c *wfp.Sublayer) bool { return c.Owner == s.dynamic })
	return ntstatus.STATUS_SUCCESS
}

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
		s.txn = &transaction{readOnly: readOnly, draft: fwps.Sim.Policy(k).Draft(), seq: ke.Of(k).Log().Len()}
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
	t := &transaction{draft: fwps.Sim.Policy(k).Draft()}
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
}
