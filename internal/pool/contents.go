package pool

import (
	"fmt"
	"reflect"
	"unsafe"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// contents is what lies in a typed value and the kernel may have linked somewhere.
type contents struct {
	objects []*ke.Object
	timers  []*ke.Timer
	dpcs    []*ke.DPC
	locks   []*ke.SpinLock
	others  []resident
}

// resident is an object of a package above that lives in driver memory.
type resident interface {
	// Busy says why the memory must not go ("is held", "is queued"), "" when it may.
	Busy() string
	// Gone tells the object that its memory is no more: later uses are findings of rule.
	Gone(rule verify.RuleID, seq uint64)
}

var (
	objectType   = reflect.TypeFor[ke.Object]()
	timerType    = reflect.TypeFor[ke.Timer]()
	dpcType      = reflect.TypeFor[ke.DPC]()
	lockType     = reflect.TypeFor[ke.SpinLock]()
	residentType = reflect.TypeFor[resident]()
)

// contentsOf finds the objects of the kernel inside *v.
//
//go:norace
func contentsOf[T any](v *T) *contents {
	t := reflect.TypeFor[T]()
	if t.Kind() != reflect.Struct && t.Kind() != reflect.Array {
		return nil
	}
	c := &contents{}
	c.find(t, unsafe.Pointer(v))
	return c
}

func (c *contents) find(t reflect.Type, p unsafe.Pointer) {
	switch t {
	case objectType:
		c.objects = append(c.objects, (*ke.Object)(p))
		return
	case timerType:
		c.timers = append(c.timers, (*ke.Timer)(p))
		return
	case dpcType:
		c.dpcs = append(c.dpcs, (*ke.DPC)(p))
		return
	case lockType:
		c.locks = append(c.locks, (*ke.SpinLock)(p))
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		if reflect.PointerTo(t).Implements(residentType) {
			c.others = append(c.others, reflect.NewAt(t, p).Interface().(resident))
			return
		}
		for i := range t.NumField() {
			f := t.Field(i)
			c.find(f.Type, unsafe.Add(p, f.Offset))
		}
	case reflect.Array:
		if e := t.Elem(); e.Kind() == reflect.Struct || e.Kind() == reflect.Array {
			for i := range t.Len() {
				c.find(e, unsafe.Add(p, uintptr(i)*e.Size()))
			}
		}
	}
}

// check reports objects that are still in use when the pool block they lie in is freed.
func (c *contents) check(k *ke.K, b *block) {
	if c == nil {
		return
	}
	for _, t := range c.timers {
		if t.Armed() {
			b.holdsActive(k, t.Object.ID.String(), "is set")
		}
		c.objects = append(c.objects, &t.Object)
	}
	for _, d := range c.dpcs {
		switch {
		case d.Queued():
			b.holdsActive(k, d.ID.String(), "is queued")
		case d.Active > 0:
			b.holdsActive(k, d.ID.String(), "is running")
		}
	}
	for _, l := range c.locks {
		if l.HeldBy() != nil {
			b.holdsActive(k, l.ID.String(), "is held")
		}
	}
	for _, o := range c.objects {
		if o.Waiters() > 0 {
			b.holdsActive(k, o.ID.String(), "has waiters")
		}
	}
	for _, r := range c.others {
		if why := r.Busy(); why != "" {
			b.holdsBusy(k, r, why)
		}
	}
}

// holdsBusy reports a resident that is in use, by a rule of its own if it has one.
func (b *block) holdsBusy(k *ke.K, r resident, why string) {
	x, ok := r.(interface {
		BusyRule() verify.RuleID
	})
	if !ok {
		b.holdsActive(k, nameOf(r), why)
		return
	}
	b.report(k, verify.Finding{Rule: x.BusyRule(), Case: "memory goes",
		Also:     []verify.RuleID{verify.POOL_018},
		Headline: fmt.Sprintf("%s is freed and contains %s, which %s", b.describe(), nameOf(r), why)})
}

// uses adds the objects to the footprint of the step that ends them.
func (c *contents) uses(m *ke.Machine) {
	if c == nil || !m.Trails() {
		return
	}
	add := func(id trace.ID) {
		if id != 0 {
			m.AddsOn(ke.Frees(id))
			m.Ends(id)
		}
	}
	for _, t := range c.timers {
		add(t.Object.ID)
	}
	for _, d := range c.dpcs {
		add(d.ID)
		m.AddsOn(ke.Writes(ke.RunsOf(d.ID)))
	}
	for _, l := range c.locks {
		add(l.ID)
	}
	for _, o := range c.objects {
		add(o.ID)
	}
	for _, r := range c.others {
		if x, ok := r.(interface{ ID() trace.ID }); ok {
			add(x.ID())
		}
		m.AddsOn(ke.Frees(m.AddrID(r))) // list entries have no other name
	}
}

// gone marks all objects as gone.
func (c *contents) gone(m *ke.Machine, rule verify.RuleID, seq uint64) {
	if c == nil {
		return
	}
	c.uses(m)
	for _, o := range c.objects {
		o.Gone = true
	}
	for _, r := range c.others {
		r.Gone(rule, seq)
	}
}

// nameOf is the id of an object, or else its type.
func nameOf(r resident) string {
	if x, ok := r.(interface{ ID() trace.ID }); ok && x.ID() != 0 {
		return x.ID().String()
	}
	return "a " + reflect.TypeOf(r).Elem().Name()
}

// Inside calls fn with a pointer to every structure in what v points to, the outermost first.
func Inside(v any, fn func(obj any)) {
	if p := reflect.ValueOf(v); p.Kind() == reflect.Pointer && !p.IsNil() {
		eachInside(p.Type().Elem(), p.UnsafePointer(), fn)
	}
}

// eachInside calls fn with a pointer to every structure in *v, the outermost first.
func eachInside(t reflect.Type, p unsafe.Pointer, fn func(obj any)) {
	switch t.Kind() {
	case reflect.Struct:
		fn(reflect.NewAt(t, p).Interface())
		if t.PkgPath() == kernelPackages[0] || t.PkgPath() == kernelPackages[1] {
			return
		}
		for i := range t.NumField() {
			f := t.Field(i)
			eachInside(f.Type, unsafe.Add(p, f.Offset), fn)
		}
	case reflect.Array:
		e := t.Elem()
		if e.Kind() != reflect.Struct && e.Kind() != reflect.Array {
			return
		}
		for i := range t.Len() {
			eachInside(e, unsafe.Add(p, uintptr(i)*e.Size()), fn)
		}
	}
}

// activeCode gives the bug check for memory freed around an object in some state, and its first parameter; 0
// for states that Windows does not look for.
func activeCode(why string) (bugCheck uint32, sub string) {
	switch why {
	case "is set":
		return 0xC4, "0x15"
	case "is held":
		return 0xC4, "0x100b"
	case "is a lookaside list that was not deleted":
		return 0xC4, "0xcc"
	case "is a resource that was not deleted", "is a resource that is owned":
		return 0xC4, "0xd2"
	case "is queued": // a DPC
		return 0xC7, "0x1"
	case "is a queued work item":
		return 0xE4, "0x0"
	}
	return 0, ""
}

func (b *block) holdsActive(k *ke.K, name, why string) {
	f := verify.Finding{Rule: verify.POOL_018,
		Headline: fmt.Sprintf("%s is freed and contains %s, which %s", b.describe(), name, why)}
	var sub string
	f.Case = "not looked for by Windows"
	if f.BugCheck, sub = activeCode(why); f.BugCheck != 0 {
		f.Case = ""
		f.Args = [4]verify.Arg{arg(sub, "active object in freed memory"), arg(name, "the object"),
			arg(b.id, "the block")}
	}
	b.report(k, f)
}

// trashValue overwrites what a freed value held, so that a kept pointer to it is useless: numbers become
// poison, references nil. Objects of the kernel keep their fields; they are marked as gone.
//
//go:norace
func trashValue[T any](v *T) { trash(reflect.TypeFor[T](), unsafe.Pointer(v)) }

// kernelPackages are those whose structures trash leaves alone.
var kernelPackages = [...]string{"calloutsim/internal/ke", "calloutsim/irql"}

func trash(t reflect.Type, p unsafe.Pointer) {
	switch t.Kind() {
	case reflect.Bool:
		*(*bool)(p) = true
	case reflect.Struct:
		if spared(t) {
			return
		}
		for i := range t.NumField() {
			f := t.Field(i)
			trash(f.Type, unsafe.Add(p, f.Offset))
		}
	case reflect.Array:
		e := t.Elem()
		if number(e.Kind()) {
			fill(unsafe.Slice((*byte)(p), t.Size()), poison)
			return
		}
		for i := range t.Len() {
			trash(e, unsafe.Add(p, uintptr(i)*e.Size()))
		}
	default:
		if number(t.Kind()) {
			fill(unsafe.Slice((*byte)(p), t.Size()), poison)
			return
		}
		reflect.NewAt(t, p).Elem().SetZero()
	}
}

func number(k reflect.Kind) bool { return k >= reflect.Int && k <= reflect.Complex128 }
