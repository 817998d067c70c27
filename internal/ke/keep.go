package ke

// PopKeeping leaves a callback whose purpose is to change its caller's state, such as one that acquires a
// lock: what it changed is the caller's now, who answers for it.
func PopKeeping(k *K) {
	f := &k.frames[len(k.frames)-1]
	f.irql, f.kernel, f.special, f.locks = k.irql, k.kernelAPC, k.specialAPC, len(k.locks)
	Pop(k)
}

// Limited reports whether the wait of t, which waits, has a time limit.
func (t *Thread) Limited() bool { return t.timer.index != 0 }
