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
		{"reads", ke.Use{Obj: one, How: ke.R}, ke.Use{Obj: one, How: ke.R}, false},
		{"read and write", ke.Use{Obj: one, How: ke.R}, ke.Use{Obj: one, How: ke.W}, true},
		{"writes", ke.Use{Obj: one, How: ke.W}, ke.Use{Obj: one, How: ke.W}, true},
		{"writes elsewhere", ke.Use{Obj: one, How: ke.W}, ke.Use{Obj: two, How: ke.W}, false},
		{"reference counts", ke.Use{Obj: one, How: ke.A}, ke.Use{Obj: one, How: ke.A}, true},
		{"lock", ke.Use{Obj: one, How: ke.Acq}, ke.Use{Obj: one, How: ke.Acq}, true},
		{"lock and unlock", ke.Use{Obj: one, How: ke.Acq}, ke.Use{Obj: one, How: ke.Rel}, true},
		{"clear and wait", ke.Use{Obj: one, How: ke.Clear}, ke.Use{Obj: one, How: ke.Waits}, true},
		{"clear and set", ke.Use{Obj: one, How: ke.Clear}, ke.Use{Obj: one, How: ke.Set}, true},
		{"waits", ke.Use{Obj: one, How: ke.Waits}, ke.Use{Obj: one, How: ke.Waits}, true},
		{"queue", ke.Use{Obj: one, How: ke.Enq}, ke.Use{Obj: one, How: ke.Enq}, true},
		{"queues", ke.Use{Obj: one, How: ke.Enq}, ke.Use{Obj: two, How: ke.Enq}, false},
		{"use and free", ke.Use{Obj: one, How: ke.R}, ke.Use{Obj: one, How: ke.Free}, true},
		{"anything", ke.Unknown, ke.Use{Obj: one, How: ke.R}, true},
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
