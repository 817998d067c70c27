// Package wfp decides: filters, sublayers and answers of callouts in, permit or block out.
//
// Modelled: matching of conditions, the order of sublayers and filters, the merge of their decisions with
// hard and soft rights, vetoes, filters whose callout is not registered, and the policy those filters form. A
// Run stops at every callout and goes on when the answer is there, so that an answer may come much later. Not
// modelled: anything that calls, waits, reports or knows time; stream layers, where rights mean nothing.
package wfp

// Decision is what the sublayers visited so far amount to.
type Decision struct {
	Action Action // NoAction, Permit or Block
	Write  bool   // a lighter sublayer may still change it
	Absorb bool   // the block is to be silent
	Vetoed bool   // a callout blocked what had been permitted for good
	By     *Filter
}

// Answer is what a callout returned, as it stood in its FWPS_CLASSIFY_OUT0.
type Answer struct {
	Action Action
	Write  bool
	Absorb bool
}

// Options are the points where the documentation leaves a choice.
type Options struct {
	// StopAtHardBlock ends the evaluation at a block that nobody can change (wfp.md 21 #1).
	StopAtHardBlock bool
	// Registered says whether the code of a filter's callout is there.
	Registered func(f *Filter) bool
	// Skips says of a filter that matches whether it counts all the same for nothing; nil: none does.
	Skips func(f *Filter) bool
}

// Visit is one filter that matched, for dumps.
type Visit struct {
	Filter     *Filter
	Answered   Action // what it came to
	WriteAfter bool
	Before     Decision
	Unanswered bool // the callout was called and has not answered yet
	Implicit   bool // its callout was not registered
}

// Run is one arbitration. Next goes on to the next callout; Answer takes what it said.
//
// Invariant: between Next returning a filter and Answer, nothing else is called.
type Run struct {
	groups  []Group
	values  Values
	opts    Options
	cur     Decision
	sub     int
	ahead   ahead
	asked   *Filter
	visits  []Visit
	decided bool
}

// Start begins an arbitration over the groups of one layer.
func Start(groups []Group, values Values, opts Options) *Run {
	return &Run{groups: groups, values: values, opts: opts, cur: Decision{Write: true}}
}

// Current returns the decision so far.
func (r *Run) Current() Decision { return r.cur }

// Groups returns the sublayers of the arbitration, heaviest first.
func (r *Run) Groups() []Group { return r.groups }

// Visits returns the filters that matched so far, in order.
func (r *Run) Visits() []Visit { return r.visits }

// Next evaluates filters until one wants its callout called, and returns it; nil when everything is decided.
func (r *Run) Next() *Filter {
	for !r.decided {
		f := r.match()
		if f == nil {
			return nil
		}
		if f.Action.Calls() && r.opts.Registered(f) {
			r.visits = append(r.visits, Visit{Filter: f, Before: r.cur, Unanswered: true})
			r.asked = f
			return f
		}
		r.plain(f)
	}
	return nil
}

// match returns the next filter that matches and steps behind it.
func (r *Run) match() *Filter {
	for r.sub < len(r.groups) {
		g := &r.groups[r.sub]
		i, more := r.ahead.step(g, r.values)
		switch {
		case !more:
			r.leave()
		case !g.Filters[i].Deleted && g.Filters[i].Matches(r.values) &&
			(r.opts.Skips == nil || !r.opts.Skips(g.Filters[i])):
			return g.Filters[i]
		}
	}
	r.decided = true
	return nil
}

// plain evaluates a filter that calls nobody (wfp.md 4.2 and 6).
func (r *Run) plain(f *Filter) {
	v := Visit{Filter: f, Before: r.cur, Implicit: f.Action.Calls()}
	switch {
	case f.Action == Block, f.Action.Calls() && f.Action != CalloutInspection &&
		!f.PermitIfCalloutUnregistered:
		v.Answered = Block
	case f.Action == Permit, f.Action.Calls() && f.Action != CalloutInspection:
		v.Answered, v.WriteAfter = Permit, !f.ClearActionRight
	default:
		v.Answered, v.WriteAfter = Continue, r.cur.Write
	}
	r.visits = append(r.visits, v)
	r.settle(f, Answer{Action: v.Answered, Write: v.WriteAfter}, false)
}

// Answer takes what the callout of the filter that Next returned said.
func (r *Run) Answer(a Answer) {
	f := r.asked
	r.asked = nil
	a.Action = Normalise(f.Action, a.Action)
	v := &r.visits[len(r.visits)-1]
	v.Answered, v.WriteAfter, v.Unanswered = a.Action, a.Write, false
	r.settle(f, a, true)
}

// Asked returns the filter whose answer is awaited.
func (r *Run) Asked() *Filter { return r.asked }

func (r *Run) settle(f *Filter, a Answer, callout bool) {
	if a.Action == Continue {
		return
	}
	r.cur = Merge(r.cur, f, a, callout)
	r.leave()
	if r.opts.StopAtHardBlock && r.cur.Action == Block && !r.cur.Write {
		r.decided = true
	}
}

// leave goes on to the next sublayer.
func (r *Run) leave() {
	r.sub++
	r.ahead.leave()
}

// Merge adds what one sublayer decided to what the heavier ones did (wfp.md 4.3).
func Merge(cur Decision, f *Filter, a Answer, callout bool) Decision {
	hard := cur.Action != NoAction && !cur.Write
	switch {
	case !hard:
		return Decision{Action: a.Action, Write: a.Write, Absorb: a.Absorb && a.Action == Block,
			Vetoed: cur.Vetoed, By: f}
	case cur.Action == Permit && a.Action == Block && callout:
		return Decision{Action: Block, Absorb: a.Absorb, Vetoed: true, By: f}
	}
	return cur
}

// Normalise gives the action a callout's answer counts as, by the kind of filter that called it (wfp.md 3.3).
func Normalise(filter, answer Action) Action {
	decides := answer == Block || answer == Permit
	switch {
	case filter == CalloutInspection:
		return Continue
	case decides:
		return answer
	case filter == CalloutTerminating:
		return Block
	}
	return Continue
}

// Verdict returns the final decision; a layer where nobody decided permits.
func (r *Run) Verdict() Decision {
	d := r.cur
	if d.Action == NoAction {
		d.Action = Permit
	}
	return d
}
