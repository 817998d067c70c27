package explore

import (
	"errors"

	"calloutsim/internal/ke"
)

// Checkpoint is all that a search has to remember to go on later, in another process: the path to its next
// run, and what is known about each decision on it.
type Checkpoint struct {
	Nodes []SavedNode `json:"nodes"`
	Root  int         `json:"root,omitempty"`
	Seen  []string    `json:"seen,omitempty"` // that something was refused, that somebody polled
}

// SavedNode is one decision of a Checkpoint.
type SavedNode struct {
	Site   string       `json:"site,omitempty"` // empty: who goes on
	N      int          `json:"n"`
	Pick   int          `json:"pick"`
	Stays  bool         `json:"stays,omitempty"`
	Step   int          `json:"step,omitempty"` // steps before it
	Blank  bool         `json:"blank,omitempty"`
	Wanted []int        `json:"wanted,omitempty"`
	Done   []int        `json:"done,omitempty"`
	Actors []ke.Actor   `json:"actors,omitempty"`
	Hosts  []ke.Actor   `json:"hosts,omitempty"`
	Foots  [][]ke.Use   `json:"foots,omitempty"`
	Sleep  []SavedSleep `json:"sleep,omitempty"`
	Pinned bool         `json:"pinned,omitempty"`
	Spent  [4]int       `json:"spent"` // preemptions, delays, answers, faults
}

// SavedSleep is an actor that need not go on.
type SavedSleep struct {
	Actor, Host ke.Actor
	Uses        []ke.Use
}

// Save gives the state between End and the next Begin.
func (s *Search) Save() Checkpoint {
	c := Checkpoint{Root: s.root}
	if s.refused {
		c.Seen = append(c.Seen, "refused")
	}
	if s.Polled {
		c.Seen = append(c.Seen, "polls")
	}
	for i := range s.nodes {
		nd := &s.nodes[i]
		v := SavedNode{N: nd.n, Pick: nd.pick, Stays: nd.stays, Step: nd.lastStep,
			Blank: nd.blank, Site: nd.name, Pinned: nd.pinned,
			Actors: nd.actors, Hosts: nd.hosts, Foots: nd.foots,
			Wanted: nd.wanted.list(nd.n), Done: nd.done.list(nd.n),
			Spent: [4]int{nd.spent.Preemptions, nd.spent.Delays, nd.spent.Answers, nd.spent.Faults}}
		if nd.site != nil {
			v.Site = nd.site.Name
		}
		for _, z := range nd.sleep {
			v.Sleep = append(v.Sleep, SavedSleep{z.actor, z.host, z.uses})
		}
		c.Nodes = append(c.Nodes, v)
	}
	return c
}

// Restore makes a new search go on where Save was called.
func (s *Search) Restore(c *Checkpoint) error {
	if c.Root < 0 || c.Root > len(c.Nodes) {
		return errors.New("the saved search is damaged: its prefix is longer than its path")
	}
	s.nodes, s.root = nil, c.Root
	for _, a := range c.Seen {
		s.refused = s.refused || a == "refused"
		s.Polled = s.Polled || a == "polls"
	}
	for i := range c.Nodes {
		v := &c.Nodes[i]
		if !v.sound() {
			return errors.New("the saved search is damaged: a decision of it makes no sense")
		}
		nd := node{name: v.Site, n: v.N, pick: v.Pick, stays: v.Stays, lastStep: v.Step, blank: v.Blank,
			actors: v.Actors, hosts: v.Hosts, foots: v.Foots, pinned: v.Pinned,
			spent: Bounds{Preemptions: v.Spent[0], Delays: v.Spent[1], Answers: v.Spent[2],
				Faults: v.Spent[3]}}
		for _, a := range v.Wanted {
			nd.wanted.set(a)
		}
		for _, a := range v.Done {
			nd.done.set(a)
		}
		for _, z := range v.Sleep {
			nd.sleep = append(nd.sleep, sleeper{z.Actor, z.Host, z.Uses})
		}
		s.nodes = append(s.nodes, nd)
	}
	return nil
}

// sound reports whether the numbers of a saved node fit together.
func (v *SavedNode) sound() bool {
	if v.Blank {
		return v.Pick >= 0
	}
	who := v.Site == ""
	if v.N < 2 || v.Pick < 0 || v.Pick >= v.N || who && len(v.Actors) != v.N ||
		len(v.Hosts) != len(v.Actors) || len(v.Foots) != len(v.Actors) {
		return false
	}
	for _, list := range [][]int{v.Wanted, v.Done} {
		for _, a := range list {
			if a < 0 || a >= v.N {
				return false
			}
		}
	}
	return true
}

// list gives the members below n.
func (b *bitset) list(n int) []int {
	var l []int
	for i := range n {
		if b.has(i) {
			l = append(l, i)
		}
	}
	return l
}
