package results

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/bits"
	"slices"
	"strconv"
)

// exactTraces is how many trace hashes are kept as they are. A set with more is an estimate.
const exactTraces = 4096

// The sketch has 2^precision registers; its standard error is 1.04/sqrt(2^precision), 0.8 per cent.
const (
	precision = 14
	registers = 1 << precision
	width     = 64 - precision // bits that a register looks at
)

// Traces is a set of trace hashes of which only the size is asked: the hashes themselves up to 4096 of them,
// a HyperLogLog sketch beyond. Which of the two it is depends on what is in it and on nothing else, so that
// sets can be put together in any order. The zero Traces is empty.
//
// Reference: Flajolet, Fusy, Gandouet, Meunier, "HyperLogLog: the analysis of a near-optimal cardinality
// estimation algorithm", 2007; the estimator is that of Ertl, "New cardinality estimation algorithms for
// HyperLogLog sketches", 2017, section 4, which needs no correction for small sets.
type Traces struct {
	exact map[uint64]struct{}
	ranks []uint8 // Invariant: nil while exact has not more than exactTraces members, and exact is nil after
}

// Add puts one hash into the set.
func (t *Traces) Add(hash uint64) {
	if t.ranks != nil {
		t.count(hash)
		return
	}
	if t.exact == nil {
		t.exact = map[uint64]struct{}{}
	}
	t.exact[hash] = struct{}{}
	if len(t.exact) > exactTraces {
		t.sketch()
	}
}

// Merge adds another set, which stays as it is.
func (t *Traces) Merge(o *Traces) {
	for h := range o.exact {
		t.Add(h)
	}
	if o.ranks == nil {
		return
	}
	if t.ranks == nil {
		t.sketch()
	}
	for i, r := range o.ranks {
		t.ranks[i] = max(t.ranks[i], r)
	}
}

// Exact reports whether Count is no estimate.
func (t *Traces) Exact() bool { return t.ranks == nil }

// sketch turns the exact set into a sketch.
func (t *Traces) sketch() {
	t.ranks = make([]uint8, registers)
	for h := range t.exact {
		t.count(h)
	}
	t.exact = nil
}

// count lets the sketch see a hash: the first bits, mixed, choose a register, which keeps the longest run of
// zeros that the rest began with, plus one.
func (t *Traces) count(hash uint64) {
	h := mix(hash)
	i := h >> width
	rank := uint8(min(bits.LeadingZeros64(h<<precision), width) + 1)
	t.ranks[i] = max(t.ranks[i], rank)
}

// mix spreads a hash over all 64 bits. It is a bijection: the finalizer of the SplitMix64 generator.
func mix(h uint64) uint64 {
	h += 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// Count gives the number of distinct hashes, or an estimate.
func (t *Traces) Count() uint64 {
	if t.ranks == nil {
		return uint64(len(t.exact))
	}
	var of [width + 2]float64 // registers by rank
	for _, r := range t.ranks {
		of[r]++
	}
	z := registers * tau(1-of[width+1]/registers)
	for k := width; k >= 1; k-- {
		z = (z + of[k]) / 2
	}
	z += registers * sigma(of[0]/registers)
	return uint64(math.Round(registers * registers / (2 * math.Ln2) / z))
}

// sigma is the part of registers that have seen nothing (Ertl, algorithm 6).
func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for last := -1.0; z != last; {
		last = z
		x *= x
		z += x * y
		y += y
	}
	return z
}

// tau is the part of registers that can grow no more (Ertl, algorithm 6).
func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for last := -1.0; z != last; {
		last = z
		x = math.Sqrt(x)
		y /= 2
		z -= (1 - x) * (1 - x) * y
	}
	return z / 3
}

// tracesJSON is a set in a file: hashes in hexadecimal, in order, or one character for each register.
type tracesJSON struct {
	Exact []string `json:"exact,omitempty"`
	HLL   string   `json:"hll,omitempty"`
}

// firstRank is the character of an empty register; the others follow it, up to 's'.
const firstRank = '@'

// MarshalJSON gives equal sets equal texts.
func (t Traces) MarshalJSON() ([]byte, error) {
	var j tracesJSON
	for _, h := range slices.Sorted(maps.Keys(t.exact)) {
		j.Exact = append(j.Exact, fmt.Sprintf("%016x", h))
	}
	chars := make([]byte, len(t.ranks))
	for i, r := range t.ranks {
		chars[i] = firstRank + r
	}
	j.HLL = string(chars)
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (t *Traces) UnmarshalJSON(b []byte) error {
	var j tracesJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*t = Traces{}
	if j.HLL == "" {
		for _, s := range j.Exact {
			h, err := strconv.ParseUint(s, 16, 64)
			if err != nil {
				return fmt.Errorf("%q is no trace hash", s)
			}
			t.Add(h)
		}
		return nil
	}
	if len(j.HLL) != registers || len(j.Exact) > 0 {
		return fmt.Errorf("a sketch of traces has %d registers and no hashes, not %d and %d", registers,
			len(j.HLL), len(j.Exact))
	}
	t.ranks = make([]uint8, registers)
	for i := range registers {
		r := j.HLL[i] - firstRank
		if r > width+1 {
			return fmt.Errorf("%q is no register of a sketch", j.HLL[i])
		}
		t.ranks[i] = r
	}
	return nil
}
