package pool

import (
	"fmt"
	"slices"
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// used is what one tag has outstanding.
type used struct {
	tag   uint32
	count [2]int // 0 nonpaged, 1 paged
	bytes [2]int
}

// byTag adds up the live pool blocks, in order of tag names.
func (h *heap) byTag() []used {
	var tags []used
	for _, b := range h.live {
		if !b.kind.Pool() {
			continue
		}
		i := slices.IndexFunc(tags, func(u used) bool { return u.tag == b.tag })
		if i < 0 {
			i = len(tags)
			tags = append(tags, used{tag: b.tag})
		}
		paged := 0
		if b.kind.Pageable() {
			paged = 1
		}
		tags[i].count[paged]++
		tags[i].bytes[paged] += int(b.size)
	}
	slices.SortFunc(tags, func(a, b used) int { return strings.Compare(TagName(a.tag), TagName(b.tag)) })
	return tags
}

// DumpUsed prints what is allocated, by tag, in the shape of the debugger's !poolused.
func DumpUsed(m *ke.Machine) []string {
	out := []string{"!poolused", "               NonPaged                  Paged",
		" Tag       Allocs         Used     Allocs         Used"}
	sum := used{}
	for _, u := range state.On(m).byTag() {
		out = append(out, u.line(TagName(u.tag)))
		for i := range sum.count {
			sum.count[i] += u.count[i]
			sum.bytes[i] += u.bytes[i]
		}
	}
	return append(out, sum.line("TOTAL"))
}

func (u *used) line(name string) string {
	return fmt.Sprintf(" %-6s %9d %12d %10d %12d", name, u.count[0], u.bytes[0], u.count[1], u.bytes[1])
}

// DumpBlock prints one block, live or in quarantine, in the shape of the debugger's !pool; nil when there is
// none of that id.
func DumpBlock(m *ke.Machine, id trace.ID) []string {
	h := state.On(m)
	for _, b := range h.live {
		if b.id == id {
			return b.dump(m, "Allocated")
		}
	}
	for _, q := range h.quarantine[h.oldest:] {
		if q.b.id == id {
			return q.b.dump(m, "Free")
		}
	}
	return nil
}

func (b *block) dump(m *ke.Machine, state string) []string {
	owner := "the system"
	if b.owner != nil {
		owner = b.owner.Name
	}
	out := []string{"!pool " + b.id.String(),
		fmt.Sprintf("*%v size: %x (%s) %s", b.id, b.size, state, b.describe()), "     Owner: " + owner}
	for _, p := range b.story() {
		line := fmt.Sprintf("     %s: event %d", p.Label, p.Seq)
		if e := m.Log().At(p.Seq); e != nil {
			at := ke.Since(e.Time)
			line += fmt.Sprintf(" at %d.%07d s, processor %d", at/ke.Second, at%ke.Second, e.CPU)
		}
		out = append(out, line)
	}
	if b.ext == nil {
		return out
	}
	for i := range b.ext.loans {
		out = append(out, "     Lent to: "+b.ext.loans[i].Owner.String())
	}
	if b.ext.taken != nil {
		out = append(out, "     Taken by: "+b.ext.taken.Owner.String())
	}
	return out
}
