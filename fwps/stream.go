package fwps

import (
	"calloutsim/fwps/ndis"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/internal/wfp"
)

// siteIndicate: where bytes are cut that a stream callout is shown.
var siteIndicate = ke.Site{Name: "env/TcpStream/indicate", Alts: []string{"all", "half", "one byte"},
	Spec: "wfp.md 15.2"}

// streamLimit is how many bytes a callout may wait for more behind (wfp.md 15).
const streamLimit = 8 << 20

// gate is the engine's part of a direction of a connection: a waterfall of stages, one for each filter,
// heaviest first. What one permits is what the next one sees.
//
// Invariant: only one stage runs, and what comes meanwhile waits for its turn.
type gate struct {
	e       *engine
	g       *tcpip.Gate
	q       *tcpip.Question // the last that came
	stages  []*stage
	running bool
	again   bool
}

// stage is one filter's place in the waterfall.
type stage struct {
	of       *gate
	filter   *wfp.Filter
	buf      []byte // not decided
	fin      bool   // the end of the direction is behind buf
	need     int    // nobody is asked before there are so many bytes
	deferred uint32 // flags of the data that was deferred, 0 when none was
	deferSeq uint64
	allowed  bool   // the callout is done with the flow
	finTaken bool   // the end was shown to the callout and blocked
	missed   int    // bytes that heavier callouts took out since the last call
	oob      bool   // it injects from outside classifyFn
	finSeen  bool   // the end was shown to the callout
	by       image  // whose callout has deferred
	added    []byte // injected by the call that runs
	addedFin bool
	call     *call // that runs
}

// gateOf is the engine's part of a gate.
func (e *engine) gateOf(g *tcpip.Gate) *gate {
	s, _ := g.Attached.(*gate)
	if s == nil {
		s = &gate{e: e, g: g}
		g.Attached = s
	}
	return s
}

// streams takes what comes to a gate, and lets the callouts look.
func (e *engine) streams(k *ke.K, q *tcpip.Question, d *tcpip.StreamData) {
	s := e.gateOf(d.Gate)
	s.q = q
	s.order(k)
	s.emit(k, -1, d.Data, d.Fin)
	s.run(k)
	q.Done(k, tcpip.Answer{Permit: true})
}

// order brings the stages in step with the policy. What the stage of a deleted filter held goes on behind it.
func (s *gate) order(k *ke.K) {
	layer := layerAt(s.q)
	probe := &classification{e: s.e, q: s.q, layer: layer, info: layerOf(layer), about: none{s.q}}
	var now []*stage
	for _, g := range s.e.policy.At(layer) {
		for _, f := range g.Filters {
			if !f.Deleted && f.Matches(probe) && !probe.skips(f) {
				now = append(now, s.stageFor(f))
			}
		}
	}
	old := s.stages
	for i, st := range old {
		if st.call != nil && !st.in(now) { // its callout is still being asked
			at := min(i, len(now))
			now = list.Add(append(list.Add(nil, now[:at]), st), now[at:])
		}
	}
	s.stages = now
	for i := len(old) - 1; i >= 0; i-- { // the last one is ahead of the others
		if st := old[i]; !st.in(now) {
			s.emit(k, s.before(old[i+1:]), st.buf, st.fin)
		}
	}
}

// before is the place in front of the first of some stages that is still there.
func (s *gate) before(all []*stage) int {
	for i, st := range s.stages {
		if st.in(all) {
			return i - 1
		}
	}
	return len(s.stages) - 1
}

func (st *stage) in(all []*stage) bool {
	for _, o := range all {
		if o == st {
			return true
		}
	}
	return false
}

func (s *gate) stageFor(f *wfp.Filter) *stage {
	for _, st := range s.stages {
		if st.filter == f {
			return st
		}
	}
	return &stage{of: s, filter: f}
}

// put gives bytes to stage i, or lets them out behind the last one.
func (s *gate) put(i int, b []byte, fin bool) {
	if i < len(s.stages) {
		st := s.stages[i]
		st.buf = append(st.buf, b...)
		st.fin = st.fin || fin
	}
}

// emit gives what stage i lets on to the next one.
func (s *gate) emit(k *ke.K, i int, b []byte, fin bool) {
	if len(b) == 0 && !fin {
		return
	}
	if i+1 < len(s.stages) {
		s.put(i+1, b, fin)
		return
	}
	s.g.Emit(k, list.Add(nil, b), fin)
}

// run asks the stages, one behind the other, until none has anything to decide.
func (s *gate) run(k *ke.K) {
	if s.running {
		s.again = true
		return
	}
	s.running = true
	for s.again = true; s.again; {
		s.again = false
		for i := 0; i < len(s.stages) && !s.g.Over(); i++ {
			for s.step(k, i) {
			}
		}
	}
	s.running = false
}

// step lets stage i decide about something; false when there is nothing, or it waits.
func (s *gate) step(k *ke.K, i int) bool {
	st := s.stages[i]
	if len(st.buf) == 0 && !st.fin || st.deferred != 0 || s.g.Over() {
		return false
	}
	r := s.e.registered(keyOf(st.filter))
	answer := st.filter.Action
	if answer.Calls() && (r == nil || r.leaving) {
		answer = wfp.Permit
		if st.filter.Action != wfp.CalloutInspection && !st.filter.PermitIfCalloutUnregistered {
			answer = wfp.Block
		}
	}
	switch {
	case st.allowed, answer == wfp.Permit:
		st.pass(k, i, len(st.buf))
		return false
	case answer == wfp.Block:
		n := len(st.buf)
		st.buf, st.fin = nil, false
		s.g.Swallow(k, n)
		return false
	case st.need > len(st.buf) && !st.fin && len(st.buf) < streamLimit:
		return false
	}
	return st.ask(k, i, r)
}

func keyOf(f *wfp.Filter) GUID {
	if f.Callout == nil {
		return GUID{}
	}
	return f.Callout.Key
}

// pass lets n bytes go on, and the end behind the last.
func (st *stage) pass(k *ke.K, i, n int) {
	b := st.buf[:n]
	st.buf = st.buf[n:]
	fin := st.fin && len(st.buf) == 0
	if fin {
		st.fin = false
	}
	st.of.emit(k, i, b, fin)
}

// ask calls the callout of the stage about the bytes there are, or some of them, or the end.
func (st *stage) ask(k *ke.K, i int, r *registration) bool {
	s := st.of
	n := len(st.buf)
	if st.need == 0 && n > 1 {
		switch ke.Choose(k, &siteIndicate, 3) {
		case 1:
			n /= 2
		case 2:
			n = 1
		}
	}
	q := *s.q
	c := s.e.newClassification(k, &q)
	mark := c.enters(k)
	about := &streamed{c: c, st: st, data: st.buf[:n], fin: n == 0}
	c.about, c.run = about, wfp.Start(nil, c, wfp.Options{})
	old := ke.IRQL(k)
	if old < ke.Dispatch {
		ke.SetIRQL(k, ke.Dispatch)
	}
	cl := c.newCall(st.filter, r)
	cl.entry.Rights, cl.entry.Flags = 0, about.flags() // rights mean nothing here (wfp.md 4.3)
	*cl.out = cl.entry
	st.call, st.added, st.addedFin = cl, nil, false
	st.finSeen = st.finSeen || about.fin
	cl.invoke(k)
	st.call = nil
	if ke.IRQL(k) != old {
		ke.SetIRQL(k, old)
	}
	c.phase, c.result = phDecided, wfp.Decision{Action: wfp.Permit}
	s.e.forget(c)
	ndis.Sim.Done(k, about.nbl)
	ke.Leave(k, mark)
	if s.g.Over() {
		return false
	}
	for j, o := range s.stages { // others may have come in front of it meanwhile
		if o == st {
			i = j
		}
	}
	return about.carryOut(k, i, cl)
}

// streamed is the subject of a classification at STREAM: some bytes of a connection.
type streamed struct {
	c    *classification
	st   *stage
	data []byte
	fin  bool
	io   *FWPS_STREAM_CALLOUT_IO_PACKET0
	got  FWPS_STREAM_CALLOUT_IO_PACKET0 // what the callout left
	nbl  *ndis.NET_BUFFER_LIST
}

// dataFlags are the flags of what is shown.
func (a *streamed) dataFlags() uint32 {
	switch in := !a.st.of.g.Out; {
	case in && a.fin:
		return FWPS_STREAM_FLAG_RECEIVE | FWPS_STREAM_FLAG_RECEIVE_DISCONNECT
	case in:
		return FWPS_STREAM_FLAG_RECEIVE
	case a.fin:
		return FWPS_STREAM_FLAG_SEND | FWPS_STREAM_FLAG_SEND_DISCONNECT
	}
	return FWPS_STREAM_FLAG_SEND
}

// flags are those classifyOut comes with: whether it makes sense to ask for more.
func (a *streamed) flags() (out uint32) {
	if a.fin || a.st.fin && a.st.need > 0 {
		out |= FWPS_CLASSIFY_OUT_FLAG_NO_MORE_DATA
	}
	if len(a.st.buf) >= streamLimit {
		out |= FWPS_CLASSIFY_OUT_FLAG_BUFFER_LIMIT_REACHED
	}
	return out
}

func (a *streamed) lend(*call) any {
	k := a.c.e.m.Current()
	shown := a.data
	if len(shown) == 0 {
		shown = []byte{0} // a list without data
	}
	a.nbl = ndis.Sim.Indicate(k, shown, len(shown)-len(a.data), a)
	nb := a.nbl.FirstNetBuffer()
	a.io = &FWPS_STREAM_CALLOUT_IO_PACKET0{MissedBytes: uint64(a.st.missed), StreamData: &FWPS_STREAM_DATA0{
		Flags: a.dataFlags(), DataLength: uint64(len(a.data)), NetBufferListChain: a.nbl,
		DataOffset: FWPS_STREAM_DATA_OFFSET0{NetBufferList: a.nbl, NetBuffer: nb, Mdl: nb.CurrentMdl(),
			MdlOffset: nb.CurrentMdlOffset()}}}
	a.st.missed = 0
	return a.io
}

// back takes the packet back, and judges what the callout wants.
func (a *streamed) back(k *ke.K, cl *call) {
	a.got = *a.io
	*a.io = FWPS_STREAM_CALLOUT_IO_PACKET0{MissedBytes: poisonWord, CountBytesRequired: poisonWord,
		CountBytesEnforced: poisonWord}
	a.judge(k, cl)
}

func (a *streamed) answer(*ke.K, wfp.Decision) tcpip.Answer { return tcpip.Answer{Permit: true} }
func (a *streamed) uses() trace.ID                          { return 0 }
func (a *streamed) newest() uint64                          { return 0 }
func (a *streamed) changes(uint64) []string                 { return nil }

// carryOut does what the callout wants; false: it wants to wait.
func (a *streamed) carryOut(k *ke.K, i int, cl *call) bool {
	st, n := a.st, len(a.data)
	inspects := FWP_ACTION_TYPE(cl.f.Action) == FWP_ACTION_CALLOUT_INSPECTION
	st.of.emit(k, i, st.added, st.addedFin) // in front of what is decided now (wfp.md 15.2)
	switch a.got.StreamAction {
	case FWPS_STREAM_ACTION_NEED_MORE_DATA:
		if cl.entry.Flags == 0 {
			st.need = max(int(a.got.CountBytesRequired), n+1)
			return len(st.buf) >= st.need || st.fin
		}
	case FWPS_STREAM_ACTION_DEFER:
		if !st.of.g.Out && !a.fin {
			st.deferred, st.deferSeq, st.by = a.dataFlags(), cl.returnSeq, cl.reg.owner
			st.of.e.deferrals = append(st.of.e.deferrals, st)
			return false
		}
	case FWPS_STREAM_ACTION_ALLOW_CONNECTION:
		st.allowed = true
		return true
	case FWPS_STREAM_ACTION_DROP_CONNECTION:
		if !inspects {
			st.of.g.Drop(k)
			return false
		}
	}
	st.need = 0
	e := int(a.got.CountBytesEnforced)
	if e == 0 || e > n || inspects {
		e = n
	}
	if wfp.Normalise(cl.f.Action, wfp.Action(cl.exit.ActionType)) != wfp.Block {
		st.pass(k, i, e)
		return true
	}
	st.buf = st.buf[e:]
	if a.fin {
		st.fin, st.finTaken = false, true
	}
	st.of.g.Swallow(k, e)
	for _, o := range st.of.stages[i+1:] {
		o.missed += e
	}
	return true
}

// judge reports what a callout may not want (wfp.md 15).
func (a *streamed) judge(k *ke.K, cl *call) {
	kind, action := FWP_ACTION_TYPE(cl.f.Action), cl.exit.ActionType
	n := uint64(len(a.data))
	switch a.got.StreamAction {
	case FWPS_STREAM_ACTION_NONE:
		if action == FWP_ACTION_NONE && kind != FWP_ACTION_CALLOUT_INSPECTION {
			cl.found(k, verify.WFP_148, "classifyFn left ActionType unset at "+a.c.info.name, "")
		}
		if a.got.CountBytesEnforced > n {
			cl.found(k, verify.WFP_154, "countBytesEnforced is larger than what was indicated", "")
		}
		if a.st.oob && action != FWP_ACTION_BLOCK && kind != FWP_ACTION_CALLOUT_INSPECTION {
			cl.found(k, verify.WFP_149, "a callout that injects out of band lets what is indicated go on", "")
		}
	case FWPS_STREAM_ACTION_NEED_MORE_DATA:
		switch {
		case cl.entry.Flags != 0:
			cl.found(k, verify.WFP_152, "classifyFn asks for more data although there will be none", "")
		case a.got.CountBytesRequired == 0, action == FWP_ACTION_PERMIT, action == FWP_ACTION_BLOCK:
			cl.found(k, verify.WFP_153, "classifyFn asks for more data without countBytesRequired, or with "+
				"another action than FWP_ACTION_NONE", "")
		}
	case FWPS_STREAM_ACTION_DEFER:
		if a.st.of.g.Out || a.fin {
			cl.found(k, verify.WFP_156, "classifyFn defers what goes out, or the end of what comes in", "")
		}
	case FWPS_STREAM_ACTION_DROP_CONNECTION:
		if kind == FWP_ACTION_CALLOUT_INSPECTION {
			cl.found(k, verify.WFP_155, "a callout of an inspection filter drops the connection", "")
		}
	}
}
