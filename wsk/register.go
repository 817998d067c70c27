package wsk

import (
	"fmt"
	"unsafe"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// providerVersion is the one version of WSK there is.
const providerVersion = 0x0100

// longWait is from how many milliseconds on a wait inside DriverEntry counts as long (WSK-011).
const longWait = 1000

var (
	siteCapture = ke.Site{Name: "fault/WskCaptureProviderNPI",
		Alts: []string{"succeeds", "provider not ready"}, Spec: "wsk.md 2.2"}
	// The page says only that there are other status codes; this one is INFERRED.
	siteRegister = ke.Site{Name: "fault/WskRegister",
		Alts: []string{"succeeds", "STATUS_INSUFFICIENT_RESOURCES"}, Spec: "wsk.md 2.1"}
)

// client is one registration.
type client struct {
	id       trace.ID
	block    *WSK_REGISTRATION
	seal     uint64 // what the block must hold
	npi      WSK_CLIENT_NPI
	image    *ke.Image
	public   *WSK_CLIENT
	ch       *ke.Channel
	loans    []*pool.Buffer
	captures int
	released bool   // was captured and is not any more
	tried    bool   // a capture has answered
	refused  bool   // ... with STATUS_NOINTERFACE
	static   uint32 // events whose callbacks are always on
	made     bool   // a socket exists, or existed
	making   int    // sockets under construction
	leaving  bool   // WskDeregister has been called
	gone     bool
	changes  []*request // that wait for a change of the transports
	idle     ke.Object  // signalled when nothing keeps WskDeregister
	waiter   *ke.Thread // who is in WskDeregister

	registerSeq, captureSeq, leaveSeq uint64
}

// live finds the registration that block belongs to now.
func (s *subsystem) live(block *WSK_REGISTRATION) *client {
	for i := len(s.clients) - 1; i >= 0; i-- {
		if s.clients[i].block == block {
			return s.clients[i]
		}
	}
	return nil
}

// registrations stands for all registrations with the subsystem.
var registrations = ke.Table(trace.Registration, 0)

// WskRegister registers a WSK client. The registration block is filled by the subsystem.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the block and npi.Dispatch stay with the subsystem until WskDeregister; npi itself may go.
// Returns: STATUS_SUCCESS; STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WSK-001, WSK-002, WSK-004, WSK-005, WSK-007, WSK-008, WSK-020.
// Reference: wsk/nf-wsk-wskregister.
func WskRegister(k *irql.K, wskClientNpi *WSK_CLIENT_NPI,
	wskRegistration *WSK_REGISTRATION) ntstatus.NTSTATUS {
	const d = ddi.WskRegister
	enter(k, d, "WskRegister", ke.Passive, verify.WSK_001)
	s := state.Of(k)
	ke.Point(k, ke.Writes(registrations))
	if c := s.live(wskRegistration); c != nil && !c.gone {
		ke.Report(k, verify.Finding{Rule: verify.WSK_004, Obj: c.id.String(),
			Headline: "WskRegister: the registration block is in use for " + c.id.String(),
			Places:   []verify.Place{{Label: "REGISTERED", Seq: c.registerSeq}},
			Fix:      "use a block of its own for each registration."})
	}
	if wskClientNpi.Dispatch.Reserved != 0 {
		ke.Report(k, verify.Finding{Rule: verify.WSK_002, Obj: "WskRegister",
			Headline: "WskRegister: WSK_CLIENT_DISPATCH.Reserved is not 0"})
	}
	if ke.Fails(k, &siteRegister) {
		ke.CallStatus(k, d, 0, uint32(ntstatus.STATUS_INSUFFICIENT_RESOURCES))
		return ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	s.device(k)
	c := &client{id: s.m.NewID(trace.Registration), block: wskRegistration, npi: *wskClientNpi,
		image: ke.Acting(k)}
	c.ch = s.m.NewChannel("client " + c.id.String())
	c.public = &WSK_CLIENT{c}
	c.idle = ke.Object{Kind: ke.NotificationEvent, ID: c.id}
	c.seal = uint64(c.id)
	*wskRegistration = WSK_REGISTRATION{ReservedRegistrationState: c.seal,
		ReservedRegistrationContext: c.public}
	s.clients = append(s.clients, c)
	c.registerSeq = ke.CallStatus(k, d, c.id, 0)
	c.lend(k, unsafe.Pointer(wskRegistration), verify.WSK_007, "the registration block")
	c.lend(k, unsafe.Pointer(wskClientNpi.Dispatch), verify.WSK_008, "the client dispatch table")
	c.tellsClient(k)
	return ntstatus.STATUS_SUCCESS
}

// lend keeps memory that Windows keeps a pointer to. Go memory that no driver allocated by a routine is not
// tracked.
func (c *client) lend(k *irql.K, p unsafe.Pointer, rule verify.RuleID, what string) {
	v := pool.Containing(ke.Of(k), p)
	if v == nil {
		return
	}
	pool.LendAs(k, v, pool.Loan{Owner: c.id, Rule: rule, What: what, Writable: true,
		Fix: "keep it until WskDeregister has returned."})
	c.loans = append(c.loans, v)
}

// registered finds the registration for a call other than WskRegister. Rules: WSK-006, WSK-009, WSK-016.
func registered(k *irql.K, name string, block *WSK_REGISTRATION, dead verify.RuleID) *client {
	s := state.Of(k)
	ke.Adds(k, ke.Reads(registrations))
	c := s.live(block)
	if c != nil {
		ke.Adds(k, ke.Writes(c.id))
	}
	if c == nil || c.gone {
		f := verify.Finding{Rule: dead, Obj: name,
			Headline: name + " on a registration block that is not registered"}
		if c != nil {
			f.Headline = name + " on a registration block after WskDeregister"
			f.Places = []verify.Place{{Label: "DEREGISTERED", Seq: c.leaveSeq}}
		}
		ke.Report(k, f)
		return nil
	}
	if block.ReservedRegistrationState != c.seal {
		ke.Report(k, verify.Finding{Rule: verify.WSK_009, Obj: c.id.String(),
			Headline: name + ": the driver has changed the registration block of " + c.id.String(),
			Places:   []verify.Place{{Label: "REGISTERED", Seq: c.registerSeq}},
			Fix:      "never touch the members of WSK_REGISTRATION."})
		block.ReservedRegistrationState = c.seal
	}
	return c
}

// WskCaptureProviderNPI waits for the provider and gives the client its function table. Every success needs
// one WskReleaseProviderNPI.
//
// IRQL: <= DISPATCH_LEVEL with WSK_NO_WAIT, else PASSIVE_LEVEL.
// Ownership: what wskProviderNpi holds may be used until the release.
// Returns: STATUS_SUCCESS; STATUS_DEVICE_NOT_READY where the provider is not there in time, or WskDeregister
// ends the wait; STATUS_NOINTERFACE for a version that it does not have.
// Rules: WSK-009, WSK-010, WSK-011, WSK-013, WSK-021.
// Not modelled: other failures.
// Reference: wsk/nf-wsk-wskcaptureprovidernpi.
func WskCaptureProviderNPI(k *irql.K, wskRegistration *WSK_REGISTRATION, waitTimeout uint32,
	wskProviderNpi *WSK_PROVIDER_NPI) ntstatus.NTSTATUS {
	const d, name = ddi.WskCaptureProviderNPI, "WskCaptureProviderNPI"
	limit, rule := uint8(ke.Passive), verify.WSK_010
	if waitTimeout == WSK_NO_WAIT {
		limit, rule = ke.Dispatch, verify.WSK_090
	}
	enter(k, d, name, limit, rule)
	ke.Point(k, ke.Writes(registrations))
	s := state.Of(k)
	if c := s.live(wskRegistration); c != nil && c.leaving {
		ke.CallStatus(k, d, c.id, uint32(ntstatus.STATUS_DEVICE_NOT_READY))
		return ntstatus.STATUS_DEVICE_NOT_READY // the one call that is legal after WskDeregister
	}
	c := registered(k, name, wskRegistration, verify.WSK_016)
	if c == nil {
		return ntstatus.STATUS_DEVICE_NOT_READY
	}
	captureInEntry(k, c, waitTimeout)
	st := s.capture(k, c, waitTimeout)
	if st == ntstatus.STATUS_SUCCESS {
		c.captures++
		c.released = false
		*wskProviderNpi = WSK_PROVIDER_NPI{Client: c.public, Dispatch: &s.tables.provider}
	}
	c.captureSeq = ke.CallStatus(k, d, c.id, uint32(st))
	return st
}

// capture decides what a capture answers.
func (s *subsystem) capture(k *irql.K, c *client, waitTimeout uint32) ntstatus.NTSTATUS {
	if c.npi.Dispatch.Version != providerVersion {
		if c.refused {
			ke.Report(k, verify.Finding{Rule: verify.WSK_021, Obj: c.id.String(),
				Headline: "WskCaptureProviderNPI is repeated after STATUS_NOINTERFACE, which will not change",
				Places:   []verify.Place{{Label: "REFUSED", Seq: c.captureSeq}},
				Fix:      "deregister and register again with a version the provider supports."})
		}
		c.tried, c.refused = true, true
		return ntstatus.STATUS_NOINTERFACE
	}
	if waitTimeout != WSK_INFINITE_WAIT && ke.Fails(k, &siteCapture) {
		if waitTimeout != WSK_NO_WAIT {
			ke.Sleep(k, -int64(waitTimeout)*ke.Millisecond)
		}
		return ntstatus.STATUS_DEVICE_NOT_READY
	}
	c.tried = true
	return ntstatus.STATUS_SUCCESS
}

func captureInEntry(k *irql.K, c *client, waitTimeout uint32) {
	if waitTimeout < longWait {
		return
	}
	for _, f := range ke.Frames(k) {
		if f.Kind == ke.FrameEntry {
			ke.Report(k, verify.Finding{Rule: verify.WSK_011, Obj: c.id.String(),
				Headline: "DriverEntry waits in WskCaptureProviderNPI: drivers that the provider needs may " +
					"not be loaded",
				Fix: "capture in a system thread, or with a short time-out."})
			return
		}
	}
}

// WskReleaseProviderNPI gives a captured NPI back. Sockets stay open and usable.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the client-level table must not be used through this capture any more.
// Rules: WSK-009, WSK-014, WSK-016.
// Not modelled: none.
// Reference: wsk/nf-wsk-wskreleaseprovidernpi.
func WskReleaseProviderNPI(k *irql.K, wskRegistration *WSK_REGISTRATION) {
	const d, name = ddi.WskReleaseProviderNPI, "WskReleaseProviderNPI"
	enter(k, d, name, ke.Dispatch, verify.WSK_090)
	ke.Point(k, ke.Writes(registrations))
	c := registered(k, name, wskRegistration, verify.WSK_016)
	if c == nil {
		return
	}
	if c.captures == 0 {
		ke.Report(k, verify.Finding{Rule: verify.WSK_014, Obj: c.id.String(),
			Headline: "WskReleaseProviderNPI without a successful capture",
			Places:   []verify.Place{{Label: "REGISTERED", Seq: c.registerSeq}},
			Fix:      "release only what WskCaptureProviderNPI has given with STATUS_SUCCESS."})
		return
	}
	c.captures--
	c.released = c.captures == 0
	ke.Call(k, d, c.id)
	state.Of(k).mayLeave(k, c)
}

// WskQueryProviderCharacteristics gives the range of versions the provider supports.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: none.
// Returns: STATUS_SUCCESS; STATUS_DEVICE_NOT_READY while the provider is not there.
// Rules: WSK-009, WSK-016, WSK-022.
// Not modelled: failures.
// Reference: wsk/nf-wsk-wskqueryprovidercharacteristics.
func WskQueryProviderCharacteristics(k *irql.K, wskRegistration *WSK_REGISTRATION,
	wskProviderCharacteristics *WSK_PROVIDER_CHARACTERISTICS) ntstatus.NTSTATUS {
	const d, name = ddi.WskQueryProviderCharacteristics, "WskQueryProviderCharacteristics"
	enter(k, d, name, ke.Dispatch, verify.WSK_090)
	c := registered(k, name, wskRegistration, verify.WSK_016)
	if c == nil {
		return ntstatus.STATUS_DEVICE_NOT_READY
	}
	if !c.tried {
		ke.Report(k, verify.Finding{Rule: verify.WSK_022, Obj: c.id.String(),
			Headline: name + " before any capture has answered"})
	}
	*wskProviderCharacteristics = WSK_PROVIDER_CHARACTERISTICS{providerVersion, providerVersion}
	ke.CallStatus(k, d, c.id, 0)
	return ntstatus.STATUS_SUCCESS
}

// WskDeregister ends a registration. It blocks until every capture is released, every socket closed and
// every request for a new one completed.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the block and the dispatch table are the client's again.
// Rules: WSK-006, WSK-009, WSK-013, WSK-017, WSK-018, WSK-019, WSK-041.
// Not modelled: none.
// Reference: wsk/nf-wsk-wskderegister.
func WskDeregister(k *irql.K, wskRegistration *WSK_REGISTRATION) {
	const d, name = ddi.WskDeregister, "WskDeregister"
	ke.EnterAnyLevel(k, d)
	for _, f := range ke.Frames(k) {
		if f.Kind == ke.FrameCompletion || f.Kind == ke.FrameWskEvent {
			ke.Report(k, verify.Finding{Rule: verify.WSK_018, Obj: name,
				Headline: "WskDeregister is called inside a completion routine of WSK: it waits for that " +
					"very routine",
				Fix: "deregister in the unload routine or in a thread."})
		}
	}
	enter(k, d, name, ke.Passive, verify.WSK_019)
	ke.Point(k, ke.Writes(registrations))
	c := registered(k, name, wskRegistration, verify.WSK_006)
	if c == nil {
		return
	}
	if c.leaving {
		ke.Report(k, verify.Finding{Rule: verify.WSK_006, Obj: c.id.String(),
			Headline: "WskDeregister is called twice",
			Places:   []verify.Place{{Label: "FIRST_CALL", Seq: c.leaveSeq}}})
	}
	c.leaving, c.waiter = true, ke.ThreadOf(k)
	c.leaveSeq = ke.Call(k, d, c.id)
	s := state.Of(k)
	c.cancelChanges(k)
	s.mayLeave(k, c)
	ke.Wait(k, []*ke.Object{&c.idle}, false, nil, name)
	ke.Adds(k, ke.Writes(registrations))
	ke.Adds(k, ke.Writes(c.id))
	c.gone = true
	s.leftLists(k, c)
	s.leftDescriptors(k, c)
	c.returnLoans(k)
	ke.Log(k, trace.Event{What: trace.Return, Code: d, Obj: c.id})
}

func (c *client) returnLoans(k *irql.K) {
	for _, v := range c.loans {
		pool.Return(k, v, c.id)
	}
	c.loans = nil
}

// mayLeave wakes WskDeregister when nothing keeps it any more.
func (s *subsystem) mayLeave(k *irql.K, c *client) {
	how := ke.Count
	if c.leaving {
		how = ke.W
	}
	ke.Adds(k, ke.Use{Obj: c.id, How: how})
	if c.leaving && c.captures == 0 && c.making == 0 && s.open(c) == 0 {
		ke.SetSignal(k, &c.idle, 1)
	}
}

// open counts the sockets of a client.
func (s *subsystem) open(c *client) int {
	n := 0
	for _, o := range s.sockets {
		if o.cl == c {
			n++
		}
	}
	return n
}

// checkUnload: a driver has gone. Rules: WSK-005, WSK-020.
func (s *subsystem) checkUnload(m *ke.Machine, img *ke.Image) {
	for _, c := range s.clients {
		if c.image != img || c.gone {
			continue
		}
		f := verify.Finding{Rule: verify.WSK_005, Also: []verify.RuleID{verify.UNLOAD_008},
			Obj:    c.id.String(),
			Driver: img.Name, Ctx: "unload of " + img.Name,
			Headline: fmt.Sprintf("%s is unloaded and never called WskDeregister for %v", img.Name, c.id),
			Places:   []verify.Place{{Label: "REGISTERED", Seq: c.registerSeq}},
			Fix:      "call WskDeregister in the unload routine, and on every failing path of DriverEntry."}
		if c.leaving {
			f.Rule = verify.WSK_020
			f.Headline = fmt.Sprintf("%s is unloaded while its WskDeregister for %v has not returned",
				img.Name, c.id)
			f.Fix = "let the unload routine wait until WskDeregister has returned."
		}
		m.ReportEnd(f)
	}
}

// checkEnd: nothing can run any more, and WskDeregister still waits. Rules: WSK-013, WSK-017, WSK-041.
func (s *subsystem) checkEnd(m *ke.Machine) {
	s.stalled(m)
	s.leftWaiting(m)
	for _, c := range s.clients {
		if !c.leaving || c.gone {
			continue
		}
		c.waiter.Explain()
		if c.captures > 0 {
			m.ReportEnd(verify.Finding{Rule: verify.WSK_013, Obj: c.id.String(), Driver: c.image.Name,
				Also: []verify.RuleID{verify.WSK_017, verify.LOCK_026},
				Headline: fmt.Sprintf("WskDeregister never returns: %d captured NPIs of %v are not released",
					c.captures, c.id),
				Places: []verify.Place{{Label: "CAPTURED", Seq: c.captureSeq},
					{Label: "DEREGISTERS", Seq: c.leaveSeq}},
				Fix: "call WskReleaseProviderNPI once for every successful capture."})
		}
		s.leftOpen(m, c)
	}
}

// leftOpen reports the sockets that keep WskDeregister: one that the client has never used was dropped by it.
func (s *subsystem) leftOpen(m *ke.Machine, c *client) {
	for _, o := range s.sockets {
		if o.cl != c {
			continue
		}
		f := verify.Finding{Rule: verify.WSK_017, Also: []verify.RuleID{verify.LOCK_026}, Obj: o.id.String(),
			Driver: c.image.Name,
			Headline: fmt.Sprintf("WskDeregister never returns: %v is open and nobody is left to close it",
				o.id),
			Places: []verify.Place{{Label: "CREATED", Seq: o.madeSeq},
				{Label: "DEREGISTERS", Seq: c.leaveSeq}},
			Fix: "close every socket, accepted ones included, and wait for the close IRPs before " +
				"WskDeregister."}
		if !o.touched {
			f.Rule, f.Also = verify.WSK_041, []verify.RuleID{verify.WSK_017, verify.LOCK_026}
			f.Headline = fmt.Sprintf("%v was made and never used nor closed: WskDeregister never returns",
				o.id)
		}
		m.ReportEnd(f)
	}
}
