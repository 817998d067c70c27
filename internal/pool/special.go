package pool

import (
	"fmt"
	"os"
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
)

// Special pool, level 2 of scheduling.md 11: every block on pages of its own, its last byte the last byte
// of a page ("verify end", irp.md 19.1), an inaccessible page behind it, and the block's own pages
// inaccessible from the free on. So the access through a slice kept from Bytes faults at the instruction;
// special_fault.go makes a finding of the fault. The bytes before the block hold a pattern that is looked
// at when the block is freed.
//
// Modelled: what Windows does, and stack memory as well. Not modelled: "verify start"; memory of typed
// allocations that hold Go pointers and must stay where the collector sees them.
//
// Addresses here are those of the host: they differ from run to run and appear in no event and no report.

// Limits of the special pool of one machine. A live block splits a mapping of the host in two, and Linux
// allows 65 530 of them in a process (scheduling.md 11); the rest is left to other machines and to Go.
const (
	specialLive  = 8192      // live blocks
	specialBytes = 256 << 20 // live bytes
	specialLarge = 1 << 20   // largest block
	firstArena   = 16 << 20  // address space, doubled with each arena
	largestArena = 1 << 30
	arenaTotal   = 16 << 30
)

// slackByte fills what lies before a block on its first page.
const slackByte = 0xC5

var slack = strings.Repeat("\xc5", PageSize)

// special is the address space for special pool. It stays with a machine over all its runs and is never
// given back, so that a slice kept beyond its run can never reach anybody else's memory.
type special struct {
	arenas []*arena
	at     int   // arena in use
	total  int64 // address space of all arenas
	live   int   // blocks with pages
	bytes  int   // in their pages
}

// arena is one piece of address space, used from its start to its end and then only by the next run.
type arena struct {
	mem   []byte
	used  int
	spots []spot // in order of address
}

// spot is where a block lies: its pages and the guard page behind them.
type spot struct {
	start, end int // end without the guard page
	b          *block
}

// specialOf gives the address space of a machine.
func specialOf(m *ke.Machine) *special {
	s, ok := m.Memory.(*special)
	if !ok {
		s = &special{}
		m.Memory = s
	}
	return s
}

// Release ends the special pool of a run.
func (s *special) Release() {
	for _, a := range s.arenas {
		if a.used > 0 {
			_ = protect(a.mem[:a.used])
		}
		clear(a.spots)
		a.used, a.spots = 0, a.spots[:0]
	}
	s.at, s.live, s.bytes = 0, 0, 0
}

// specialChunk finds pages for b, nil when it has to make do with the normal pool.
func (h *heap) specialChunk(b *block, size int) *chunk {
	if b.kind == User {
		return nil
	}
	s := specialOf(h.m)
	page := os.Getpagesize()
	n := (size + canarySize + page - 1) / page * page
	why := ""
	switch {
	case !canProtect:
		why = "this system cannot protect memory"
	case size > specialLarge:
		why = fmt.Sprintf("a block is larger than %d bytes", specialLarge)
	case s.live == specialLive || s.bytes+n > specialBytes:
		why = fmt.Sprintf("%d blocks are in use", s.live)
	}
	var pages []byte
	if why == "" {
		if pages = s.take(b, n, page); pages == nil {
			why = "the host gives no more address space"
		}
	}
	if pages == nil {
		if h.notice == "" {
			h.notice = "special pool: " + why + "; such blocks come from the normal pool"
		}
		return nil
	}
	if s.live == 0 {
		h.m.Explain = append(h.m.Explain, h.explainFault)
	}
	s.live++
	s.bytes += n
	fill(pages[:n-size], slack)
	return &chunk{mem: pages[n-size-canarySize:], class: -1, pages: pages}
}

// take makes n bytes of the address space accessible and notes whose they are.
func (s *special) take(b *block, n, guard int) []byte {
	for ; s.at < len(s.arenas); s.at++ {
		if a := s.arenas[s.at]; a.used+n+guard <= len(a.mem) {
			return a.take(b, n, guard)
		}
	}
	size := firstArena
	if len(s.arenas) > 0 {
		size = min(2*len(s.arenas[len(s.arenas)-1].mem), largestArena)
	}
	if s.total+int64(size) > arenaTotal {
		return nil
	}
	mem, err := reserve(size)
	if err != nil {
		return nil
	}
	s.total += int64(size)
	s.arenas = append(s.arenas, &arena{mem: mem})
	return s.arenas[s.at].take(b, n, guard)
}

func (a *arena) take(b *block, n, guard int) []byte {
	end := a.used + n
	pages := a.mem[a.used:end:end]
	if commit(pages) != nil {
		return nil
	}
	a.spots = append(a.spots, spot{a.used, end, b})
	a.used = end + guard
	return pages
}

// endSpecial makes the pages of a freed block inaccessible.
func (h *heap) endSpecial(c *chunk) {
	s := specialOf(h.m)
	s.live--
	s.bytes -= len(c.pages)
	if protect(c.pages) != nil {
		fill(c.pages, poison) // the next best thing
	}
}

// forgetSpots drops the references that the special pool has to blocks.
func (s *special) forgetSpots() {
	for _, a := range s.arenas {
		clear(a.spots)
		a.spots = a.spots[:0]
	}
}

// slackIntact reports whether nobody wrote before the block.
func (c *chunk) slackIntact(size int) bool {
	for _, v := range c.pages[:len(c.pages)-size] {
		if v != slackByte {
			return false
		}
	}
	return true
}

// SpecialNotice says, once a run, that some block of this one could not have pages of its own, and why; ""
// when all did.
func SpecialNotice(m *ke.Machine) string { return state.On(m).notice }

// FoundLate reports whether f is about freed memory that was found changed, which says nothing about who
// changed it; the same run with special pool does.
func FoundLate(f *verify.Finding) bool { return f.Rule == verify.POOL_013 && f.Ctx == foundLate }
