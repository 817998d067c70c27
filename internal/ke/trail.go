package ke

import (
	"slices"

	"calloutsim/internal/ddi"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// Step is what happened between two scheduling decisions: one actor went on, and used what its uses say.
type Step struct {
	Actor  Actor
	Choice int    // index of the decision among the choices of the run, -1 where nobody else could go on
	Host   Actor  // whom a DPC interrupts with this step, else 0
	By     uint64 // names the actor independently of the schedule
	Alone  bool   // comes after everything before it: the clock, which moves only when nobody can go on
	uses   [2]int32
	after  [2]int32
	parts  [2]int32
	born   [2]int32
}

// Trail is the record an exhaustive search needs of a run: every step with its footprint and with the steps
// that made it possible, and a hash of what each context went through that does not depend on the order of
// steps that commute (scheduling.md 9). The zero Trail is ready for Config.Trail.
type Trail struct {
	Outcomes bool // keep what Outcome needs, too
	Parts    bool // keep what PartsOf needs, too
	Steps    []Step
	Cut      int // step that a violation broke off: what else it would have used is not known; -1 none
	m        *Machine
	uses     []Use
	parted   []Use
	named    []named // ids that were given out, by step
	common   int     // depth of the making of state that contexts share
	after    []int32
	hist     []uint64       // by context: hash of what it went through
	index    map[uint64]int // of a context in pasts and hist
	pasts    []uint64
	canon    map[trace.ID]uint64
	made     map[uint64]uint64 // by context and kind of object: how many
	addrs    map[any]trace.ID
}

func (tr *Trail) reset(m *Machine) {
	tr.m = m
	tr.Steps, tr.uses, tr.after = tr.Steps[:0], tr.uses[:0], tr.after[:0]
	tr.parted, tr.named = tr.parted[:0], tr.named[:0]
	tr.Cut, tr.common = -1, 0
	tr.hist, tr.pasts = tr.hist[:0], tr.pasts[:0]
	if tr.index == nil {
		tr.index, tr.canon, tr.made = map[uint64]int{}, map[trace.ID]uint64{}, map[uint64]uint64{}
		tr.addrs = map[any]trace.ID{}
	}
	clear(tr.index)
	clear(tr.canon)
	clear(tr.made)
	clear(tr.addrs)
}

// begin starts the step of an actor. t is the thread it is a step of, if any.
func (tr *Trail) begin(who, host Actor, by uint64, announced []Use, t *Thread, chosen bool) {
	s := Step{Actor: who, Host: host, By: by, Choice: -1}
	if chosen {
		s.Choice = len(tr.m.choices) - 1
	}
	n, a := int32(len(tr.uses)), int32(len(tr.after))
	tr.uses = append(tr.uses, announced...)
	s.uses, s.after = [2]int32{n, n + int32(len(announced))}, [2]int32{a, a}
	p := int32(len(tr.parted))
	s.parts = [2]int32{p, p}
	b := int32(len(tr.named))
	s.born = [2]int32{b, b}
	tr.Steps = append(tr.Steps, s)
	if t != nil {
		for _, i := range t.after {
			tr.follows(i)
		}
		t.after = t.after[:0]
	}
	if t != nil && t.active != nil {
		for _, u := range t.active.within {
			tr.add(u)
		}
	}
	if who&actorKind == 0 && t != nil {
		tr.add(Reads(who.id()))
	}
}

// now is the number of the step under way, -1 before the first one.
func (tr *Trail) now() int32 { return int32(len(tr.Steps)) - 1 }

// follows notes that the step under way was made possible by step i.
func (tr *Trail) follows(i int32) {
	if n := tr.now(); i >= 0 && i != n {
		s := &tr.Steps[n]
		tr.after = append(tr.after, i)
		s.after[1] = int32(len(tr.after))
	}
}

// add notes what the step under way uses. It is kept out of its callers, so that these are small enough to
// be no calls where no trail is kept.
//
//go:noinline
func (tr *Trail) add(u Use) {
	n := tr.now()
	if n < 0 {
		return
	}
	tr.uses = once(tr.uses, &tr.Steps[n].uses, u)
}

// once adds u to the uses of the last step, which are those of the span, unless it is there.
func once(uses []Use, span *[2]int32, u Use) []Use {
	for _, old := range uses[span[0]:span[1]] {
		if old == u {
			return uses
		}
	}
	span[1]++
	return append(uses, u)
}

// part notes an access in the middle of the step under way: others might have come before it, had it been a
// scheduling point.
func (tr *Trail) part(u Use) {
	n := tr.now()
	if n < 0 {
		return
	}
	tr.parted = once(tr.parted, &tr.Steps[n].parts, u)
}

// PartsOf are the accesses of step i that are no scheduling points, but would be if every access were.
func (tr *Trail) PartsOf(i int) []Use {
	s := &tr.Steps[i]
	return tr.parted[s.parts[0]:s.parts[1]]
}

// Uses is the footprint of step i.
func (tr *Trail) Uses(i int) []Use {
	s := &tr.Steps[i]
	return tr.uses[s.uses[0]:s.uses[1]]
}

// After lists the steps that made step i possible, besides the one before it of the same actor.
func (tr *Trail) After(i int) []int32 {
	s := &tr.Steps[i]
	return tr.after[s.after[0]:s.after[1]]
}

// Pending calls fn for every thread that has announced a step and not taken it.
func (tr *Trail) Pending(fn func(who Actor, next []Use)) {
	for _, t := range tr.m.all {
		if t.active != nil && len(t.active.next) > 0 {
			fn(t.active.actor, t.active.next)
		}
	}
}

// addLife notes an access to the fact that an object exists, apart from its state: whoever uses it looks,
// whoever makes or ends it writes.
//
//go:noinline
func (tr *Trail) addLife(id trace.ID, how Access) {
	if id != 0 {
		tr.add(Use{lifeOf(id), how})
	}
}

func (tr *Trail) see(past, v uint64) {
	i, ok := tr.index[past]
	if !ok {
		i = len(tr.hist)
		tr.index[past], tr.pasts, tr.hist = i, append(tr.pasts, past), append(tr.hist, 0)
	}
	h := (tr.hist[i] ^ v) * 0xff51afd7ed558ccd
	tr.hist[i] = h ^ h>>32
}

// event makes an event part of what its context went through. Processor and time are not: they depend on
// what others did meanwhile without anybody noticing.
func (tr *Trail) event(k *K, w trace.What, d ddi.ID, obj, obj2 trace.ID, status uint32, a, b uint64) {
	if !tr.Outcomes || w == trace.Switch || w == trace.Note || w == trace.Finding || k.t.idle && !k.isDPC {
		return
	}
	tr.see(k.past, uint64(w)|uint64(d)<<8|uint64(k.irql)<<24|uint64(status)<<32)
	tr.see(k.past, tr.canonical(obj)^tr.canonical(obj2)<<1)
	if a|b != 0 {
		tr.see(k.past, a^Mix(b))
	}
}

// canonical is a name of an object that does not depend on the schedule: who made it, as the how manieth.
func (tr *Trail) canonical(id trace.ID) uint64 {
	return tr.canon[id]
}

// interferes notes that the step under way changes what t does next.
func (tr *Trail) interferes(t *Thread) {
	tr.add(Writes(t.K.actor.id()))
}

// Nameless says that an object gets its id from whoever uses it first: the id tells nothing about a run.
func Nameless(k *K, id trace.ID) {
	if tr := k.m.trail; tr != nil {
		tr.canon[id] = 0
	}
}

// named is an id that a step has given out. What is common was there before, or anybody would have made it:
// a variable, memory of the driver, the state of a subsystem.
type named struct {
	id     trace.ID
	common bool
}

// names notes that the step under way gives out an id.
func (tr *Trail) names(id trace.ID) {
	if n := tr.now(); n >= 0 {
		common := tr.common > 0 || id.Kind() == trace.NoKind || id.Kind() == trace.Var
		tr.named = append(tr.named, named{id, common})
		tr.Steps[n].born[1]++
	}
}

// Next is the footprint of step i for what could come before it: ids are given out in the order of a run, so
// one that the step itself gives out means something else, or nothing, in another run with the same
// beginning. Nobody else can use what the step makes before it is made. What is common and only named by
// whoever uses it first anybody may use: ok is false.
func (tr *Trail) Next(i int) (uses []Use, ok bool) {
	s := &tr.Steps[i]
	uses, ok = tr.Uses(i), true
	for _, x := range tr.named[s.born[0]:s.born[1]] {
		of := func(u Use) bool { return objectOf(u.Obj) == x.id }
		if !slices.ContainsFunc(uses, of) {
			continue
		}
		ok = ok && !x.common
		uses = slices.DeleteFunc(slices.Clone(uses), of)
	}
	return uses, ok
}

// created gives a new object its canonical name.
func (tr *Trail) created(id trace.ID) {
	tr.names(id)
	if tr.Outcomes || id.Kind() == trace.Thread { // threads are named in partial orders, too
		tr.canon[id] = tr.newName(uint64(id.Kind()))
	}
}

// newName names what the running context makes next of a kind.
func (tr *Trail) newName(kind uint64) uint64 {
	var by uint64
	if k := tr.m.cur; k != nil {
		by = k.past
	}
	key := Mix(by + kind)
	tr.made[key]++
	return Mix(key + tr.made[key]*0x9e3779b97f4a7c15)
}

// runOf names the next run of a DPC.
func (tr *Trail) runOf(id trace.ID) uint64 {
	key := Mix(tr.canonical(id) + 1)
	tr.made[key]++
	return Mix(key + tr.made[key])
}

// Outcome is, with Outcomes, a hash of what every context went through, and so of how the run ended. Runs
// that differ only in the order of steps that commute have the same. What is only advice is left out: it is
// given once, to whoever comes first, and no footprint has it.
func (tr *Trail) Outcome() uint64 {
	var sum uint64
	for i, h := range tr.hist { // a sum: the order does not matter
		sum += Mix(tr.pasts[i] ^ Mix(h))
	}
	for i := range tr.m.find {
		if f := &tr.m.find[i]; f.Severity() == verify.Error {
			sum += Mix(uint64(f.Rule) ^ 0xf1d)
		}
	}
	return sum
}

// lifeOf names the fact that an object exists.
func lifeOf(id trace.ID) trace.ID { return Life.Of(id) }
