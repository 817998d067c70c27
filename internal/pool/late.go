package pool

import (
	"slices"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
)

// inUnload reports whether k runs an unload routine. What that leaves is plainly forgotten: UNLOAD-001.
func inUnload(k *ke.K) bool {
	return slices.ContainsFunc(ke.Frames(k), func(f ke.Frame) bool { return f.Kind == ke.FrameUnload })
}

// checkLate reports the blocks left that another context of image allocated while its unload routine ran.
// That nobody frees them is the symptom, and that somebody still works the cause, which comes first
// (rules.md 12).
func (h *heap) checkLate(m *ke.Machine, image *ke.Image) {
	var late []Leak
	var paged, nonPaged int
	for _, b := range h.sorted(func(b *block) bool { return b.leakOf(image) && b.late }) {
		late = append(late, b.leak())
		if b.kind.Pageable() {
			paged += int(b.size)
		} else {
			nonPaged += int(b.size)
		}
	}
	if len(late) == 0 {
		return
	}
	reportLeaks(m, image, late, verify.Finding{Rule: verify.UNLOAD_010,
		Also: []verify.RuleID{verify.UNLOAD_001}, Ctx: "unload of " + image.Name,
		Args: verify.Params(nil, paged, nonPaged, len(late))},
		"is unloaded and leaves, allocated while its unload routine ran,")
}
