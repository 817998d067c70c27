package explore

import (
	"cmp"
	"slices"

	"calloutsim/internal/ke"
)

// A search is divided among m shards by its first decisions (scheduling.md 14): prefixes are made breadth
// first until there are enough of them, put in an order that has nothing to do with where they came from, and
// shard i looks below every m-th. Every shard makes the same prefixes, so none has to know of the others.
// Within a prefix every alternative is another prefix and nothing is left out as equivalent, so that under
// DPOR the shards together see some partial orders more than once.

// prefixesPerShard is how many prefixes each shard gets at least, if the tree has so many.
const prefixesPerShard = 8

// Partition makes the prefixes of a search and gives those of one shard.
type Partition struct {
	make  func() *Search
	i, m  int
	queue [][]int // prefixes not looked at
	ends  [][]int // prefixes that have no decision behind them

	probe  *Search // the run that asks what comes behind prefix
	prefix []int
}

// NewPartition begins to divide the search that mk starts.
func NewPartition(mk func() *Search, i, m int) *Partition {
	return &Partition{make: mk, i: i, m: m, queue: [][]int{nil}}
}

// More reports whether there are still too few prefixes. If so, the caller runs the scenario with the source
// and calls Probed.
func (p *Partition) More() (ke.Source, *ke.Trail, bool) {
	if len(p.queue) == 0 || len(p.queue)+len(p.ends) >= prefixesPerShard*p.m {
		return nil, nil, false
	}
	s := p.make()
	s.Reduce, s.Sleep = false, false
	p.probe, p.prefix = s, p.queue[0]
	p.queue = p.queue[1:]
	src := s.Begin()
	s.Below(p.prefix)
	return src, s.Trail, true
}

// Below makes a new search follow a prefix; what the questions are shows when they come up.
func (s *Search) Below(prefix []int) {
	for _, pick := range prefix {
		s.nodes = append(s.nodes, node{pick: pick, blank: true})
	}
	s.root = len(prefix)
}

// Probed takes up what the run has shown.
func (p *Partition) Probed(m *ke.Machine) {
	s, prefix := p.probe, p.prefix
	if len(s.nodes) <= len(prefix) {
		p.ends = append(p.ends, prefix)
		return
	}
	nd := &s.nodes[len(prefix)]
	if c := m.Choices(); c[len(prefix)].Pinned {
		nd.wanted.clearAll()
		nd.wanted.set(int(c[len(prefix)].Pick))
	}
	for a := range nd.n {
		if nd.wanted.has(a) {
			p.queue = append(p.queue, append(slices.Clone(prefix), a))
		}
	}
}

// Mine gives the prefixes of this shard.
func (p *Partition) Mine() [][]int {
	all := append(slices.Clone(p.ends), p.queue...)
	slices.SortFunc(all, func(a, b []int) int {
		return cmp.Or(cmp.Compare(hashPicks(a), hashPicks(b)), slices.Compare(a, b))
	})
	var mine [][]int
	for n, prefix := range all {
		if n%p.m == p.i {
			mine = append(mine, prefix)
		}
	}
	return mine
}

func hashPicks(picks []int) uint64 {
	h := uint64(len(picks))
	for _, x := range picks {
		h = ke.Mix(h*31 + uint64(x) + 1)
	}
	return h
}
