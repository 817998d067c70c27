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
	of       *session
	readOnly bool
	draft    *wfp.Draft // what the session sees and changes
	added    []*wfp.Filter
	deleted  []*wfp.Filter
	changes  []change
	seq      uint64
}

// manager is the state of the management functions of one machine.
type manager struct {
	writer   *session
	readers  int
	free     ke.Object // signalled when a transaction ends
	made     uint64    // sessions and keys made so far
	contexts uint64    // provider contexts made so far
	subs     []*subscription
	bfe      service
}

var state = ke.NewSlot(func(m *ke.Machine) *manager {
	g := &manager{free: ke.Object{Kind: ke.SynchronizationEvent, ID: m.NewID(trace.KEvent)}}
	m.AtUnload(g.bfe.checkUnload)
	return g
})

const defaultWait = 15_000

// Besides FWP_E_* and RPC_* the pages list other NTSTATUS codes; want of memory is INFERRED to be one.
var (
	siteOpen  = fails("FwpmEngineOpen0")
	siteBegin = fails("FwpmTransactionBegin0")
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
// STATUS_FWP_INVALID_FLAGS; RPC_NT_SERVER_UNAVAILABLE while the service starts (which RPC_NT_ status it is,
// is INFERRED); STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004, WFP-037.
// Not modelled: other machines.
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
	case fwpmSession != nil && fwpmSession.Flags&^FWPM_SESSION_FLAG_DYNAMIC != 0:
		return refused(ntstatus.STATUS_FWP_INVALID_FLAGS)
	case serverName != "" || authnService != RPC_C_AUTHN_WINNT && authnService != RPC_C_AUTHN_DEFAULT:
		return refused(ntstatus.STATUS_INVALID_PARAMETER)
	case ke.Fails(k, &siteOpen):
		return refused(ntstatus.STATUS_INSUFFICIENT_RESOURCES)
	case state.Of(k).bfe.absent(k):
		return refused(ntstatus.RPC_NT_SERVER_UNAVAILABLE)
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
	s.endSubscriptions(k)
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
	mine := func(o wfp.Origin) bool { return o.Session == s.dynamic }
	for _, f := range t.draft.Filters() {
		if mine(f.Origin) {
			t.remove(f)
		}
	}
	t.dropCallouts(func(c *wfp.Callout) bool { return mine(c.Origin) })
	t.dropSublayers(func(l *wfp.Sublayer) bool { return mine(l.Origin) })
	t.dropContexts(func(c *wfp.ProviderContext) bool { return mine(c.Origin) })
	t.dropProviders(func(p *wfp.Provider) bool { return mine(p.Origin) })
	return ntstatus.STATUS_SUCCESS
}
