package pool

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"weak"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Leak is a block that is still there.
type Leak struct {
	ID   trace.ID
	Tag  uint32
	Size int
	Seq  uint64 // event of the allocation

	fn uintptr
}

func (b *block) leak() Leak { return Leak{b.id, b.tag, int(b.size), b.allocSeq, b.fn} }

// sorted lists live blocks in order of allocation.
func (h *heap) sorted(want func(*block) bool) []*block {
	var out []*block
	for _, b := range h.live {
		if want(b) {
			out = append(out, b)
		}
	}
	slices.SortFunc(out, func(a, b *block) int { return int(a.id.Num()) - int(b.id.Num()) })
	return out
}

// leakOf reports whether b counts as a block of image: pool memory it allocated and did not give to the
// system, for good or until a routine of the driver gets it back.
func (b *block) leakOf(image *ke.Image) bool {
	return b.owner == image && b.kind.Pool() && (b.ext == nil || b.ext.taken == nil && !b.ext.returns())
}

// returns reports whether the memory is with an operation that ends by giving it back.
func (x *extra) returns() bool {
	for i := range x.loans {
		if x.loans[i].Returns {
			return true
		}
	}
	return false
}

// Leaks lists the live blocks that image allocated, oldest first. Blocks the system took are not the
// driver's any more.
func Leaks(m *ke.Machine, image *ke.Image) []Leak { return state.On(m).leaks(image) }

func (h *heap) leaks(image *ke.Image) []Leak {
	var out []Leak
	for _, b := range h.sorted(func(b *block) bool { return b.leakOf(image) }) {
		out = append(out, b.leak())
	}
	return out
}

// checkUnload reports the blocks left when the unload routine of image has returned. Rules: UNLOAD-001,
// UNLOAD-010.
func (h *heap) checkUnload(m *ke.Machine, image *ke.Image) {
	h.checkLate(m, image)
	var leaks []Leak
	for _, b := range h.sorted(func(b *block) bool { return b.leakOf(image) && !b.late }) {
		leaks = append(leaks, b.leak())
	}
	if len(leaks) == 0 {
		return
	}
	reportLeaks(m, image, leaks, verify.Finding{Rule: verify.UNLOAD_001, Ctx: "unload of " + image.Name,
		Args: verify.Params(nil, image.Name, nil, len(leaks))}, "is unloaded and leaves")
}

// checkLost reports, at the end of a run, the blocks of drivers still loaded that nobody has a pointer to
// any more. A block that a driver keeps in its own data is none: it may free it when it is unloaded.
// Pointers are found by the garbage collector, which makes this the one expensive check; the machine's pool
// cannot be used afterwards. Rules: POOL-016.
func (h *heap) checkLost(m *ke.Machine) {
	h.slab = nil
	m.ForgetOrders()
	if s, ok := m.Memory.(*special); ok {
		s.forgetSpots()
	}
	for _, image := range m.Images() {
		if image.Unloaded {
			continue
		}
		var lost []Leak
		var left []weak.Pointer[block]
		unused := func(b *block) bool { return b.leakOf(image) && (b.ext == nil || len(b.ext.loans) == 0) }
		for _, b := range h.sorted(unused) {
			lost = append(lost, b.leak())
			left = append(left, weak.Make(b))
			h.unlist(b)
		}
		if len(lost) == 0 {
			continue
		}
		runtime.GC()
		n := 0
		for i := range lost {
			if left[i].Value() == nil {
				lost[n] = lost[i]
				n++
			}
		}
		if n > 0 {
			reportLeaks(m, image, lost[:n], verify.Finding{Rule: verify.POOL_016, Ctx: "end of run"},
				"has lost every pointer to")
		}
	}
}

// group is blocks allocated in one place with one tag.
type group struct {
	first      Leak
	count, sum int
	stack      []uintptr
}

// reportLeaks makes one finding of all blocks, grouped by where they were allocated.
func reportLeaks(m *ke.Machine, image *ke.Image, leaks []Leak, f verify.Finding, act string) {
	var groups []group
	for _, l := range leaks {
		stack := m.Stack(l.Seq)
		i := slices.IndexFunc(groups, func(g group) bool {
			return g.first.Tag == l.Tag && g.first.fn == l.fn && slices.Equal(g.stack, stack)
		})
		if i < 0 {
			i = len(groups)
			groups = append(groups, group{first: l, stack: stack})
		}
		groups[i].count++
		groups[i].sum += l.Size
	}
	var parts []string
	for _, g := range groups {
		parts = append(parts, fmt.Sprintf("%d x '%s' (%d bytes)", g.count, TagName(g.first.Tag), g.sum))
		f.Dump = append(f.Dump, g.line())
		f.Places = append(f.Places, verify.Place{Label: "ALLOCATED", Seq: g.first.Seq})
	}
	if f.Obj, f.Driver = leaks[0].ID.String(), image.Name; f.Rule != verify.UNLOAD_010 {
		f.Fix = leakFix(groups)
	}
	f.Headline = fmt.Sprintf("%s %s %d pool blocks: %s", image.Name, act, len(leaks), strings.Join(parts,
		", "))
	m.ReportEnd(f)
}

func (g *group) line() string {
	s := fmt.Sprintf("%d x '%s', %d bytes, first %v", g.count, TagName(g.first.Tag), g.sum, g.first.ID)
	if g.first.fn != 0 {
		s += " allocated in " + ke.FuncName(g.first.fn)
	}
	return s
}
