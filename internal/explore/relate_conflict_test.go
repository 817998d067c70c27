package explore

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// kinds are all kinds of access.
var kinds = []ke.Access{ke.R, ke.W, ke.A, ke.Acq, ke.Rel, ke.Set, ke.Clear, ke.Waits, ke.Enq, ke.Deq, ke.Free}

// Reference: scheduling.md 9.4.
func TestConflict(t *testing.T) {
	one, two := trace.MakeID(trace.Var, 1), trace.MakeID(trace.Var, 2)
	for _, c := range []struct {
		name string
		a, b ke.Use
		want bool
	}{
		{"reads", ke.Reads(one), ke.Reads(one), false},
		{"read and write", ke.Reads(one), ke.Writes(one), true},
		{"writes", ke.Writes(one), ke.Writes(one), true},
		{"writes elsewhere", ke.Writes(one), ke.Writes(two), false},
		{"reference counts", ke.Swaps(one), ke.Swaps(one), true},
		{"lock", ke.Acquires(one), ke.Acquires(one), true},
		{"lock and unlock", ke.Acquires(one), ke.Releases(one), true},
		{"clear and wait", ke.Clears(one), ke.WaitsOn(one), true},
		{"clear and set", ke.Clears(one), ke.Sets(one), true},
		{"waits", ke.WaitsOn(one), ke.WaitsOn(one), true},
		{"queue", ke.Enqueues(one), ke.Enqueues(one), true},
		{"queues", ke.Enqueues(one), ke.Enqueues(two), false},
		{"use and free", ke.Reads(one), ke.Frees(one), true},
		{"anything", ke.Unknown, ke.Reads(one), true},
		{"anything twice", ke.Unknown, ke.Unknown, true},
		{"reads of who knows what", ke.Use{How: ke.R}, ke.Use{How: ke.R}, true},
	} {
		assert.Equal(t, c.want, Conflict(c.a, c.b), c.name)
		assert.Equal(t, c.want, Conflict(c.b, c.a), c.name)
		assert.Equal(t, c.want, conflicting([]ke.Use{c.a}, []ke.Use{c.b}), c.name)
	}
	assert.False(t, conflicting(nil, []ke.Use{ke.Unknown}), "what touches nothing")
}

// Of all pairs on one object only two reads commute, and none on two objects conflicts.
func TestConflict_EveryPair(t *testing.T) {
	one, two := trace.MakeID(trace.KEvent, 1), trace.MakeID(trace.KEvent, 2)
	for _, a := range kinds {
		for _, b := range kinds {
			want := a != ke.R || b != ke.R
			assert.Equal(t, want, Conflict(ke.Use{Obj: one, How: a}, ke.Use{Obj: one, How: b}), "%d %d", a, b)
			assert.False(t, Conflict(ke.Use{Obj: one, How: a}, ke.Use{Obj: two, How: b}), "%d %d", a, b)
			assert.True(t, Conflict(ke.Use{How: a}, ke.Use{Obj: two, How: b}), "%d %d", a, b)
		}
	}
}
