package explore

import (
	"fmt"
	"math"

	"calloutsim/internal/ke"
)

// Search goes through all runs of a scenario, one after the other, or through enough of them to have seen one
// of each partial order. It keeps no state but the path to the current run (stateless search).
//
// DFS is plain depth-first search with the bounds as they are given. DPOR adds source sets and sleep sets
// (Abdulla, Aronis, Jonsson, Sagonas, JACM 2017): decisions about who goes on branch only where the order of
// two steps mattered and could be reversed; every other question branches always.
type Search struct {
	Bounds
	Reduce bool // DPOR
	Sleep  bool // DFS with sleep sets
	Orders bool // DFS that knows the Order of its runs
	Trail  *ke.Trail
	// Fixed, if there is one, is asked at every new decision: one that is made while it says so is not looked
	// at any further. It is for the preparations of a scenario.
	Fixed func() bool
	// Pinned, if there is one, says that the machine answers the questions of a site itself.
	Pinned func(s *ke.Site, n int) bool

	nodes   []node
	root    int // nodes of the prefix this search is below
	depth   int // nodes passed in this run
	nsleep  []sleeper
	seen    int // steps of the current run that the sleep set knows of
	ord     order
	same    int // steps that the next run has in common with this one
	fault   error
	last    uint64  // Order of the last run
	between []int32 // scratch of reverse
	// refused says that an answer of Windows was left out for no other reason than the bound: a search with a
	// greater one has something to add.
	refused  bool
	split    bool // a step could have been interrupted in its middle
	deviated int  // answers of the last run that were not the boring ones
	// Polled says that somebody polled: how many turns a polling loop takes is not gone through, since a turn
	// in which nothing has changed changes nothing.
	Polled bool
	// Fallbacks counts races for which nobody was found who could have gone first; all were tried then.
	Fallbacks int
}

// Bounds limit a search. The zero Bounds are no preemptions, no faults and only boring answers; NoBounds are
// none. How many faults and answers a run has depends on its partial order alone and only grows along it, and
// the boring alternative is always free: so bounds on these leave DPOR as complete as it is without.
type Bounds struct {
	Preemptions int                 // decisions that interrupt somebody who could go on
	Delays      int                 // sum of what was picked at decisions about who goes on
	Answers     int                 // answers of Windows that are not the boring ones
	Faults      int                 // failures
	Only        func(*ke.Site) bool // questions that are asked at all; nil means all
}

// NoBounds limit nothing.
var NoBounds = Bounds{Preemptions: math.MaxInt, Delays: math.MaxInt, Answers: math.MaxInt,
	Faults: math.MaxInt}

// node is one decision on the path.
type node struct {
	site     *ke.Site // nil: who goes on
	name     string   // of the site, where the node was restored
	n, pick  int
	stays    bool
	blank    bool // of a prefix: what is asked is not known yet, only the answer
	fixed    bool
	pinned   bool // answered by the machine: nothing is spent
	refused  bool // an answer was left out because of the bound
	wanted   bitset
	done     bitset
	actors   []ke.Actor
	foots    [][]ke.Use // of the steps that picks led to
	hosts    []ke.Actor
	sleep    []sleeper // who need not go on here
	spent    Bounds    // before this decision
	lastStep int       // steps before this decision
}

// sleeper is an actor whose next step has been looked at: nothing new comes of it before somebody else does
// something that it depends on.
type sleeper footprint

// Begin gives the source of the next run.
func (s *Search) Begin() ke.Source {
	s.depth, s.seen, s.nsleep = 0, 0, s.nsleep[:0]
	return (*searcher)(s)
}

// Err reports that the runs were not repeatable.
func (s *Search) Err() error { return s.fault }

// searcher is the Search as a Scheduler.
type searcher Search

// Choose answers a question that is not about who goes on.
func (r *searcher) Choose(site *ke.Site, n int) int {
	s := (*Search)(r)
	if nd, ok := s.again(site, n); ok {
		return nd.pick
	}
	nd := s.push(site, n)
	nd.wanted.set(0)
	switch {
	case nd.fixed || nd.pinned || s.Only != nil && !s.Only(site):
	case nd.spent.within(&s.Bounds, KindOf(site)):
		nd.wanted.fill(n)
	default:
		nd.refused = KindOf(site) == World
	}
	return 0
}

// pinned reports whether the machine answers a question itself.
func (s *Search) pinned(site *ke.Site, n int) bool {
	return site != nil && s.Pinned != nil && s.Pinned(site, n)
}

// within reports whether one more deviation of a kind is within a bound.
func (b *Bounds) within(bound *Bounds, kind Kind) bool {
	switch kind {
	case Fault:
		return b.Faults < bound.Faults
	case World:
		return b.Answers < bound.Answers
	}
	return true
}

// again returns the node of a decision that this run has in common with the one before.
func (s *Search) again(site *ke.Site, n int) (*node, bool) {
	if s.depth >= len(s.nodes) {
		return nil, false
	}
	nd := &s.nodes[s.depth]
	s.depth++
	if nd.blank {
		s.learnPrefix(nd, site, n)
		return nd, true
	}
	if nd.name != "" && site != nil && site.Name == nd.name {
		nd.site, nd.name = site, ""
	}
	if (nd.site != site || nd.n != n) && s.fault == nil {
		s.fault = fmt.Errorf("decision %d was %s with %d alternatives and is %s with %d: the driver or the "+
			"test is not deterministic", s.depth, siteName(nd.site), nd.n, siteName(site), n)
	}
	nd.pick = min(nd.pick, n-1)
	return nd, true
}

// learnPrefix fills a node of the prefix of this search when its question comes up for the first time.
func (s *Search) learnPrefix(nd *node, site *ke.Site, n int) {
	if nd.pick >= n && s.fault == nil {
		s.fault = fmt.Errorf("decision %d, of the prefix this shard looks below, has only %d alternatives: "+
			"the driver or the test is not deterministic", s.depth, n)
	}
	nd.site, nd.n, nd.pick, nd.blank = site, n, min(nd.pick, n-1), false
	nd.wanted.set(nd.pick)
	nd.pinned = s.pinned(site, n)
	if s.depth > 1 {
		nd.spent = s.nodes[s.depth-2].after()
	}
}

func siteName(s *ke.Site) string {
	if s == nil {
		return "sched/step"
	}
	return s.Name
}

// push makes the node of a decision that comes up for the first time.
func (s *Search) push(site *ke.Site, n int) *node {
	if len(s.nodes) < cap(s.nodes) {
		s.nodes = s.nodes[:len(s.nodes)+1]
	} else {
		s.nodes = append(s.nodes, node{})
	}
	nd := &s.nodes[s.depth]
	nd.reuse()
	nd.site, nd.n, nd.pinned = site, n, s.pinned(site, n)
	nd.fixed = s.Fixed != nil && s.Fixed()
	if s.Trail != nil {
		nd.lastStep = max(len(s.Trail.Steps)-1, 0) // the step under way will differ
	}
	if s.depth > 0 {
		nd.spent = s.nodes[s.depth-1].after()
	}
	s.depth++
	return nd
}

func (nd *node) reuse() {
	*nd = node{wanted: nd.wanted.cleared(), done: nd.done.cleared(), actors: nd.actors[:0],
		hosts: nd.hosts[:0], foots: nd.foots[:0], sleep: nd.sleep[:0]}
}

// after is what has been spent once the decision is made.
func (nd *node) after() Bounds {
	b := nd.spent
	switch {
	case nd.site == nil:
		b.Delays += nd.pick
		if nd.stays && nd.pick != 0 {
			b.Preemptions++
		}
	case nd.pick == 0 || nd.pinned:
	case nd.site.Fault():
		b.Faults++
	case KindOf(nd.site) == World:
		b.Answers++
	}
	return b
}

// Pick says who goes on.
func (r *searcher) Pick(_ *ke.Machine, at *ke.Moment) int {
	s := (*Search)(r)
	s.wake()
	s.Polled = s.Polled || at.Yields
	n := len(at.Options)
	if n == 1 {
		if s.asleep(at.Options[0].Actor) {
			return ke.Cut
		}
		return 0
	}
	nd, ok := s.again(nil, n)
	if ok && len(nd.actors) == 0 {
		s.open(nd, at, nd.pick)
	}
	if !ok {
		pick := 0
		for pick < n && s.asleep(at.Options[pick].Actor) {
			pick++
		}
		if pick == n {
			return ke.Cut
		}
		nd = s.push(nil, n)
		s.open(nd, at, pick)
	}
	s.nsleep = append(s.nsleep[:0], nd.sleep...)
	if s.Sleep || s.Reduce {
		for i := range n {
			if nd.done.has(i) && i != nd.pick && !nd.sleeps(nd.actors[i]) {
				s.nsleep = append(s.nsleep, sleeper{nd.actors[i], nd.hosts[i], nd.foots[i]})
			}
		}
	}
	return nd.pick
}

// open fills a new node of who goes on.
func (s *Search) open(nd *node, at *ke.Moment, pick int) {
	nd.pick, nd.stays = pick, at.Stays
	nd.sleep = append(nd.sleep, s.nsleep...)
	if s.Trail != nil {
		nd.lastStep = len(s.Trail.Steps)
	}
	for i := range at.Options {
		o := &at.Options[i]
		nd.actors, nd.hosts = append(nd.actors, o.Actor), append(nd.hosts, o.Host)
		if n := len(nd.foots); n < cap(nd.foots) {
			nd.foots = nd.foots[:n+1]
			nd.foots[n] = nd.foots[n][:0]
		} else {
			nd.foots = append(nd.foots, nil)
		}
		switch {
		case i == pick:
			nd.wanted.set(i)
		case nd.fixed || s.Reduce || i > 0 && nd.spent.Delays+i > s.Delays:
		case i > 0 && nd.stays && nd.spent.Preemptions >= s.Preemptions:
		default:
			nd.wanted.set(i)
		}
	}
	if s.Reduce && !nd.fixed {
		nd.interrupts()
	}
}

// interrupts makes the clock, where it may move, and a DPC, with the thread it would interrupt, choices
// wherever they could be next: a timer can be cancelled and a DPC taken out of its queue before anything is
// seen of what they would have used, and a thread cannot go on below a DPC whatever the two use.
func (nd *node) interrupts() {
	for i, h := range nd.hosts {
		if a := nd.actors[i]; a.DPC() || a == ke.ActorClock {
			nd.wanted.set(i)
		}
		if h == 0 {
			continue
		}
		nd.wanted.set(i)
		for j, a := range nd.actors {
			if a == h {
				nd.wanted.set(j)
			}
		}
	}
}

// wake takes those out of the sleep set who depend on the step that has just ended.
func (s *Search) wake() {
	if s.Trail == nil {
		return
	}
	for n := len(s.Trail.Steps); s.seen < n; s.seen++ {
		t := s.footprint(s.seen)
		kept := s.nsleep[:0]
		for i := range s.nsleep {
			z := footprint(s.nsleep[i])
			if z.actor != t.actor && relate(&t, &z) == free {
				kept = append(kept, s.nsleep[i])
			}
		}
		s.nsleep = kept
	}
}

func (s *Search) footprint(i int) footprint {
	st := &s.Trail.Steps[i]
	uses := s.Trail.Uses(i)
	if i == s.Trail.Cut {
		uses = append(uses[:len(uses):len(uses)], ke.Unknown)
	}
	return footprint{st.Actor, st.Host, uses}
}

func (s *Search) asleep(a ke.Actor) bool {
	for i := range s.nsleep {
		if s.nsleep[i].actor == a {
			return true
		}
	}
	return false
}

// End takes up what the run has shown, and reports whether there is another one to make.
func (s *Search) End(m *ke.Machine) (more bool) {
	s.nodes = s.nodes[:min(s.depth, len(s.nodes))]
	s.answered(m.Choices())
	if s.Trail != nil {
		s.learn(m.WasCut())
	}
	if s.root > 0 && len(s.nodes) >= s.root && s.nodes[s.root-1].after().Answers > s.Answers {
		s.nodes, s.refused = s.nodes[:s.root], true // a prefix that a greater bound will look below
	}
	for len(s.nodes) > s.root {
		nd := &s.nodes[len(s.nodes)-1]
		nd.done.set(nd.pick)
		if nd.next() {
			s.same = min(s.same, nd.lastStep)
			return true
		}
		s.nodes = s.nodes[:len(s.nodes)-1]
	}
	return false
}

// answered takes up what the machine made of the answers of a run: a pinned question has no alternatives.
func (s *Search) answered(c []ke.Choice) {
	for i := range s.nodes {
		nd := &s.nodes[i]
		if i < len(c) && c[i].Pinned {
			nd.wanted.clearAll()
			nd.wanted.set(int(c[i].Pick))
			nd.pick, nd.pinned, nd.refused = int(c[i].Pick), true, false
		}
		s.refused = s.refused || nd.refused
	}
	s.deviated = 0
	if n := len(s.nodes); n > 0 {
		s.deviated = s.nodes[n-1].after().Answers
	}
}

// Deviated says how many answers of the last run were not the boring ones.
func (s *Search) Deviated() int { return s.deviated }

// Split reports whether the search would have to be made again, with every access as a scheduling point, to
// leave nothing out (Trail.Parts).
func (s *Search) Split() bool { return s.split }

// Refused reports whether the bound on answers left anything out so far.
func (s *Search) Refused() bool { return s.refused }

// next moves on to an alternative that is still to be looked at.
func (nd *node) next() bool {
	for i := range nd.n {
		if !nd.wanted.has(i) || nd.done.has(i) {
			continue
		}
		if nd.site == nil && nd.sleeps(nd.actors[i]) {
			nd.done.set(i)
			continue
		}
		nd.pick = i
		return true
	}
	return false
}

func (nd *node) sleeps(a ke.Actor) bool {
	for i := range nd.sleep {
		if nd.sleep[i].actor == a {
			return true
		}
	}
	return false
}
