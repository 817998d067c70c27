package explore

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
)

// dividing runs a search in m shards and gives what they saw together.
func dividing(t *testing.T, mk func() *Search, fn scene, m int) (runs int, orders map[uint64]int) {
	t.Helper()
	orders = map[uint64]int{}
	k := ke.New(ke.Config{})
	defer k.Close()
	for i := range m {
		p := NewPartition(mk, i, m)
		for {
			src, trail, more := p.More()
			if !more {
				break
			}
			k.Reset(ke.Config{Source: src, Trail: trail, Processors: ke.Unbounded,
				MemPoints: true, Events: ke.Off})
			fn(k)
			k.Run(nil)
			p.Probed(k)
		}
		for _, prefix := range p.Mine() {
			s := mk()
			s.Below(prefix)
			got := searchAll(t, s, fn, 400_000)
			runs += got.runs
			for o := range got.orders {
				orders[o]++
			}
		}
	}
	return runs, orders
}

func TestPartition_ShardsTogetherSeeWhatOneSearchSees(t *testing.T) {
	for _, c := range scenes {
		t.Run(c.name, func(t *testing.T) {
			dfs := func() *Search { return &Search{Bounds: NoBounds, Trail: &ke.Trail{Outcomes: true}} }
			dpor := func() *Search {
				return &Search{Bounds: NoBounds, Reduce: true, Trail: &ke.Trail{Outcomes: true}}
			}
			whole := searchAll(t, dfs(), c.fn, 400_000)
			short := searchAll(t, dpor(), c.fn, 400_000)
			runs, orders := dividing(t, dfs, c.fn, 3)
			assert.Equal(t, whole.runs, runs, "plain DFS divides exactly")
			assert.Equal(t, keys(whole.orders), keys(orders))
			runs, orders = dividing(t, dpor, c.fn, 3)
			assert.Equal(t, keys(short.orders), keys(orders), "DPOR")
			t.Logf("DPOR: %d runs alone, %d in three shards", short.runs, runs)
		})
	}
}

// Reference: scheduling.md 9.2 (a checkpoint is the stack of nodes).
func TestCheckpoint_SearchGoesOnWhereItWasSaved(t *testing.T) {
	for _, c := range scenes {
		for _, mk := range []func() *Search{
			func() *Search { return &Search{Bounds: NoBounds, Trail: &ke.Trail{}, Orders: true} },
			func() *Search { return &Search{Bounds: NoBounds, Reduce: true, Trail: &ke.Trail{}} },
		} {
			want := searchAll(t, mk(), c.fn, 400_000)
			if want.runs > 200 {
				continue
			}
			s, runs, orders := mk(), 0, map[uint64]int{}
			for more := true; more; {
				m := ke.New(ke.Config{Source: s.Begin(), Trail: s.Trail, Processors: ke.Unbounded,
					MemPoints: true,
					Events:    ke.Off})
				c.fn(m)
				m.Run(nil)
				runs++
				cut := m.WasCut()
				more = s.End(m)
				if !cut && len(m.Findings()) == 0 {
					orders[s.Order()]++
				}
				m.Close()
				text, err := json.Marshal(s.Save())
				require.NoError(t, err)
				var saved Checkpoint
				require.NoError(t, json.Unmarshal(text, &saved))
				s = mk()
				require.NoError(t, s.Restore(&saved))
			}
			assert.Equal(t, want.runs, runs, c.name)
			assert.Equal(t, want.orders, orders, c.name)
		}
	}
}

func TestCheckpoint_DamagedOneIsRefused(t *testing.T) {
	for _, c := range []Checkpoint{
		{Root: 1},
		{Nodes: []SavedNode{{N: 2, Pick: 2, Site: "x"}}},
		{Nodes: []SavedNode{{N: 2, Pick: 1}}},
		{Nodes: []SavedNode{{N: 2, Site: "x", Wanted: []int{5}}}},
	} {
		assert.Error(t, (&Search{}).Restore(&c))
	}
}
