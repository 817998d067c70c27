package ke

import (
	"math/bits"

	"calloutsim/internal/list"
	"calloutsim/internal/trace"
)

// A local variable of C ends with its function, which may be a helper of the callback that runs. Nobody tells
// the simulator that a Go function returns, but its stack does: the frames that lie on it say which calls
// have not returned yet. So what OnFunction ties to a call is looked for whenever another context, or a
// callback, might run next, and whenever it is used. Nothing in here depends on where the stack lies, which
// Go may change: a frame is known by its distance from the stack's bottom and by where it and all its callers
// return to. Two calls by the same statement, with nothing in between that looks, are the same until the
// second one makes its variable: that ends the first one's, if the source says that one call makes only one
// (gostack_source.go). A function that was compiled into its caller has no frame; there the line that its
// caller has come to says whether it still runs (gostack_inline.go).

// goFrames are the calls on the stack of the goroutine that runs, the innermost first.
//
//go:noinline
func (m *Machine) goFrames() []goFrame {
	for {
		if n := readStack(m.calls); n < len(m.calls) {
			return m.calls[:n]
		}
		m.calls = make([]goFrame, 2*len(m.calls)+64)
	}
}

// further takes the address that a call returns to into the hash of its callers. It must be quick above all:
// two chains of calls that have the same hash are only not told apart.
func further(h uint64, ret uintptr) uint64 { return bits.RotateLeft64(h, 7) + uint64(ret) }

// callAt names the call that f[at] is.
func callAt(f []goFrame, at int) goCall {
	base := f[len(f)-1].at
	c := goCall{depth: base - f[at].at}
	for i := len(f) - 1; i >= at; i-- {
		c.hash = further(c.hash, f[i].ret)
	}
	return c
}

// stands finds the frame of c, -1 when c has returned.
func (c goCall) stands(f []goFrame) int {
	base, h := f[len(f)-1].at, uint64(0)
	for i := len(f) - 1; i >= 0; i-- {
		d := base - f[i].at
		h = further(h, f[i].ret)
		if d >= c.depth {
			if d == c.depth && h == c.hash {
				return i
			}
			return -1
		}
	}
	return -1
}

// OnFunction is OnStack for a local variable: it ties obj to the call of the function whose variable it is.
// That is the caller of OnFunction's caller, or skip calls further out; none of those between may be compiled
// into its caller. It itself may be.
//
//go:noinline
func OnFunction(k *K, obj any, skip int) {
	o := stackObject{obj: obj}
	if f := k.m.goFrames(); len(f) > ownFrames+2+skip {
		o.call, o.pc = callAt(f, ownFrames+2+skip), f[ownFrames+1+skip].ret
		o.inline = k.m.inlined(f, ownFrames+1+skip)
	}
	k.endOlder(&o)
	k.stack = append(k.stack, o)
}

// endOlder ends the variable that an earlier call by the same statement has left, where the call under way
// can make only one by the statement that makes o. It looks at the last ones only: a function that makes many
// in a loop must not take for ever.
func (k *K) endOlder(o *stackObject) {
	const reach = 8
	for i := len(k.stack) - 1; i >= max(0, len(k.stack)-reach); i-- {
		if s := &k.stack[i]; s.pc != o.pc || s.call != o.call || o.call == (goCall{}) {
			continue
		}
		if k.m.ending == notEnding && k.m.makesOnce(o.pc) {
			k.endFunction(i)
		}
		return
	}
}

// CheckFunctions ends the local variables of functions of k that have returned. It is called wherever such a
// variable is used, or code may run for which it must be gone.
func CheckFunctions(k *K) {
	if len(k.stack) > 0 && k.m.ending == notEnding {
		k.endFunctions()
	}
}

//go:noinline
func (k *K) endFunctions() {

	f := k.m.goFrames()
	for i := len(k.stack) - 1; i >= 0; i-- {
		s := &k.stack[i]
		if s.call == (goCall{}) {
			continue
		}
		if at := s.call.stands(f); at < 0 || s.inline && !k.m.sameInline(s.pc, f, at-1) {
			k.endFunction(i)
		}
	}
}

// endFunction ends the i'th object on the stack, whose function has returned.
func (k *K) endFunction(i int) {
	obj := k.stack[i].obj
	k.stack = list.Cut(k.stack, i)
	for j := range k.frames {
		if k.frames[j].stack > i {
			k.frames[j].stack--
		}
	}
	k.endObject(obj, endsFunction)
}

// FrameEnds records that an object of a frame ends, and returns the number of that event. The end of a helper
// function is no event: what is compiled into its caller, and what the source says, must not change the
// record of a run. The number is that of the event before, then.
func FrameEnds(k *K, text string, obj trace.ID) uint64 {
	if k.m.ending == endsFunction {
		return k.m.log.Len()
	}
	return Note(k, text, obj)
}

// FunctionEnds reports whether what ends now ends with a function of a callback that still runs.
func (s *Stamp) FunctionEnds() bool { return s.m != nil && s.m.ending == endsFunction }

const (
	notEnding ending = iota
	endsCallback
	endsFunction
)

func (k *K) endObject(obj any, with ending) {
	k.m.ending = with
	defer func() { k.m.ending = notEnding }()
	for _, fn := range k.m.OnStackDeath {
		fn(k, obj)
	}
	if d, ok := obj.(Dier); ok {
		d.StackGone(k)
	}
}
