package fwps

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/internal/wfp"
)

// phase is where a classification is.
type phase uint8

const (
	phRunning phase = iota // filters are evaluated, or a classifyFn runs
	phParked               // a callout has pended it and its classifyFn has returned
	phHeld                 // callouts hold the operation it is about, and everybody has been asked
	phDecided
)

var phaseNames = [...]string{"running", "pended", "held", "decided"}

// classification is one question of the transport on its way through the filters.
//
//	running --classifyFn pends and returns--> parked --completed--> running (deferred or inline) --> decided
//	running --no filter left--> decided
//	running --Complete(NULL)--> running from the start, with IS_REAUTHORIZE
//	running --no filter left, FwpsPendOperation0 was called--> held --completed--> decided; one more follows
type classification struct {
	e           *engine
	id          trace.ID
	q           *tcpip.Question
	layer       uint16
	info        *layerInfo
	about       subject
	run         *wfp.Run
	values      []wfp.Value // what was asked for, by field
	known       uint64      // a bit for each field that was asked for
	calls       []*call
	parked      *call
	phase       phase
	reauthorize bool            // further calls carry IS_REAUTHORIZE
	reason      uint32          // why, where something is authorised again
	before      *classification // whose operation was held and is authorised again
	holders     int             // callouts that hold the operation
	channel     *ke.Channel
	result      wfp.Decision
	told        tcpip.Answer // what the transport heard, once it is decided
	note        string       // why the newest version of the request was not taken, for dumps
	seq         uint64
}

// enters says that what k does now is about the classification, under the policy in force.
func (c *classification) enters(k *ke.K) (mark int) {
	mark = ke.Within(k, ke.Writes(c.id))
	ke.Within(k, ke.Reads(c.e.id))
	if id := c.about.uses(); id != 0 {
		ke.Within(k, ke.Writes(id))
	}
	return mark
}

// filterID names a filter in events and reports.
func filterID(f *wfp.Filter) trace.ID { return trace.MakeID(trace.Filter, f.ID) }

// pendState is how far the pending of one call has come (wfp.md 8.3).
type pendState uint8

const (
	pendNone pendState = iota
	pendFailed
	pendPending
	pendCompleted
)

// completion is what FwpsCompleteClassify0 was given.
type completion struct {
	again bool // classifyOut was NULL: classify once more
	out   FWPS_CLASSIFY_OUT0
}

// classifyRef is what FwpsAcquireClassifyHandle0 gives a callout for one call.
//
// Invariant: refs == acquired - released + 1 while the call is pended, and never negative.
type classifyRef struct {
	id       trace.ID
	num      uint64
	call     *call
	refs     int
	acquired int
	released int
	seq      uint64
	lastSeq  uint64 // of the release that was the last
}

// classifyContext is what classifyFn passes to FwpsAcquireClassifyHandle0 and nobody looks into.
type classifyContext struct{ call *call }

// call is one call of a callout's classifyFn for one filter in one classification.
type call struct {
	c      *classification
	f      *wfp.Filter
	reg    *registration
	filter *FWPS_FILTER1
	in     *FWPS_INCOMING_VALUES0
	meta   *FWPS_INCOMING_METADATA_VALUES0
	data   any  // layerData
	loan   loan // layerData, where it is a request
	lent   *lent
	out    *FWPS_CLASSIFY_OUT0
	entry  FWPS_CLASSIFY_OUT0 // what out was when classifyFn was called
	exit   FWPS_CLASSIFY_OUT0 // what it was when classifyFn returned, or what completed the call

	handle     *classifyRef
	running    bool // classifyFn is on a stack
	again      bool // called with IS_REAUTHORIZE
	pend       pendState
	op         *operation   // by which the callout holds the operation
	flow       *flowContext // of the callout on the flow; nil when there is none
	modifies   bool         // the packet was referenced to be changed
	completion *completion
	writables  []*writable
	touched    *FWPS_CLASSIFY_OUT0 // out after the engine wrote it in FwpsAcquireWritableLayerDataPointer0
	watchers   bool                // REAUTHORIZE_IF_MODIFIED_BY_OTHERS was given
	handleTold bool                // that its handle is not released is reported

	enterSeq, returnSeq, pendSeq, completeSeq uint64
	pendTime                                  int64
}

// writable is one copy of a request that FwpsAcquireWritableLayerDataPointer0 gave out.
type writable struct {
	loan
	call    *call
	applied bool
	seq     uint64
}

// places are the events a report about the call cites.
func (cl *call) places() []verify.Place {
	var out []verify.Place
	add := func(label string, seq uint64) {
		if seq != 0 {
			out = append(out, verify.Place{Label: label, Seq: seq})
		}
	}
	add("CLASSIFY", cl.enterSeq)
	add("PENDED", cl.pendSeq)
	add("RETURNED", cl.returnSeq)
	add("COMPLETED", cl.completeSeq)
	return out
}

// found reports a finding about the call.
func (cl *call) found(k *ke.K, r verify.RuleID, headline, fix string) {
	ke.Report(k, verify.Finding{Rule: r, Obj: cl.c.id.String(), Headline: headline, Fix: fix,
		Places: cl.places()})
}

// subject is what a classification is about: what callouts get as layerData, and what the decision means for
// the transport.
type subject interface {
	// lend gives a call its layerData.
	lend(cl *call) any
	// back takes layerData back when classifyFn has returned: it reports what was done to it, and poisons it.
	back(k *ke.K, cl *call)
	// answer is what the transport hears.
	answer(k *ke.K, d wfp.Decision) tcpip.Answer
	// uses names what else belongs to the classification, in footprints; 0 is nothing.
	uses() trace.ID
	// newest is the filter whose callout made the newest version; 0 while the request is the program's.
	newest() uint64
	// changes tells, for dumps, what the callout of a filter made of the request.
	changes(filter uint64) []string
}

// changeable is a subject whose layerData callouts may change: that of the two redirect layers.
type changeable interface {
	subject
	acquire() loan                          // a copy of the newest version
	apply(k *ke.K, w *writable, seq uint64) // makes the copy the newest version, if it changes anything
}

// loan is a request as a driver got it: a pointer, and what it pointed to.
type loan interface {
	data() any
	changed() bool
	poison()
	poked() bool // written after it was poisoned
}
