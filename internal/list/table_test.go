package list

import (
	"math/rand/v2"
	"testing"
)

// TestTable compares a table with a map.
func TestTable(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var table Table[int]
	want := map[uint64]*int{}
	for range 20000 {
		key := r.Uint64N(500) + 1
		if r.IntN(3) == 0 {
			table.Put(key, nil)
			delete(want, key)
		} else {
			v := new(int)
			table.Put(key, v)
			want[key] = v
		}
		look := r.Uint64N(501)
		if table.Get(look) != want[look] {
			t.Fatalf("key %d", look)
		}
	}
}
