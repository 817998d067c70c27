package explore

// bitset is a set of small numbers.
type bitset struct {
	low  uint64
	high []uint64 // from 64 on
}

func (b *bitset) set(i int) {
	if i < 64 {
		b.low |= 1 << i
		return
	}
	for len(b.high) <= i/64-1 {
		b.high = append(b.high, 0)
	}
	b.high[i/64-1] |= 1 << (i % 64)
}

func (b *bitset) has(i int) bool {
	if i < 64 {
		return b.low&(1<<i) != 0
	}
	return i/64-1 < len(b.high) && b.high[i/64-1]&(1<<(i%64)) != 0
}

func (b *bitset) fill(n int) {
	for i := range n {
		b.set(i)
	}
}

func (b *bitset) clearAll() { b.low, b.high = 0, b.high[:0] }

func (b bitset) cleared() bitset { return bitset{high: b.high[:0]} }
