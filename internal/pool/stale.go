package pool

import (
	"fmt"
	"reflect"
	"unsafe"

	"calloutsim/internal/verify"
)

// A pointer that a driver keeps from Get leads to a Go value that stays where it is after the free. Its plain
// members cannot look who touches them. What is left of the value is poison (trash), so a read gives
// nonsense; and it must stay poison for as long as the block is in quarantine, so a write is found, though
// late. With special pool the value lies on pages of its own if it holds no Go pointers, and both fault where
// they are made.

// changedValue names the first member of a freed value that is not what trash left of it; "" when all are.
func changedValue(t reflect.Type, p unsafe.Pointer, path string) string {
	switch t.Kind() {
	case reflect.Bool:
		if !*(*bool)(p) {
			return path
		}
	case reflect.Struct:
		if spared(t) {
			return ""
		}
		for i := range t.NumField() {
			f := t.Field(i)
			if name := changedValue(f.Type, unsafe.Add(p, f.Offset), path+"."+f.Name); name != "" {
				return name
			}
		}
	case reflect.Array:
		e := t.Elem()
		if number(e.Kind()) {
			return changedNumber(t, p, path)
		}
		for i := range t.Len() {
			at := fmt.Sprintf("%s[%d]", path, i)
			if name := changedValue(e, unsafe.Add(p, uintptr(i)*e.Size()), at); name != "" {
				return name
			}
		}
	default:
		if number(t.Kind()) {
			return changedNumber(t, p, path)
		}
		if !reflect.NewAt(t, p).Elem().IsZero() {
			return path
		}
	}
	return ""
}

func changedNumber(t reflect.Type, p unsafe.Pointer, path string) string {
	if changedAt(unsafe.Slice((*byte)(p), t.Size())) >= 0 {
		return path
	}
	return ""
}

// spared reports whether trash leaves a structure alone: objects of the kernel know for themselves that they
// are gone.
func spared(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(residentType) || t.PkgPath() == kernelPackages[0] ||
		t.PkgPath() == kernelPackages[1]
}

// inspectValue looks whether the value of a freed block was written.
func (h *heap) inspectValue(b *block, v typedBytes) {
	at := v.changed()
	if at == "" {
		return
	}
	f := verify.Finding{Rule: verify.POOL_013, Case: "written through a kept pointer", Obj: b.id.String(),
		Headline: fmt.Sprintf("%s was written after it was freed, through a pointer kept from Get: %s first",
			b.describe(), at),
		Ctx: foundLate, Places: b.story()}
	if b.kind == Stack {
		f.Rule, f.BugCheck = verify.POOL_026, 0xDC
		f.Headline = fmt.Sprintf("%s was written after the routine whose stack it was on had returned, "+
			"through a pointer kept from Get: %s first", b.describe(), at)
	}
	if b.owner != nil {
		f.Driver = b.owner.Name
	}
	h.m.ReportEnd(f)
}

// pointerFree reports whether values of a type hold no Go pointers, so that the collector need not see them.
func pointerFree(t reflect.Type) bool {
	switch k := t.Kind(); {
	case k == reflect.Bool, number(k):
		return true
	case k == reflect.Array:
		return pointerFree(t.Elem())
	case k == reflect.Struct:
		for i := range t.NumField() {
			if !pointerFree(t.Field(i).Type) {
				return false
			}
		}
		return true
	}
	return false
}

// ownPages puts the value of a typed block into special pool; nil when it has to stay where it is.
func (h *heap) ownPages(b *block, t reflect.Type) unsafe.Pointer {
	if !h.opt.SpecialPool || t.Size() == 0 || !pointerFree(t) {
		return nil
	}
	if b.c = h.specialChunk(b, int(t.Size())); b.c == nil {
		return nil
	}
	data := b.c.mem[canarySize : canarySize+int(t.Size())]
	clear(data)
	return unsafe.Pointer(unsafe.SliceData(data))
}
