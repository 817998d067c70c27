package ke

import (
	"calloutsim/internal/list"
	"calloutsim/internal/verify"
)

// attribute says for each frame of a call stack whose code it is, and cuts the stack where k's own
// callbacks begin: what lies below belongs to the thread that a DPC interrupted. Each callback of k is
// found again by the name of its routine; one that has returned already, and is being judged, is put on top
// with the position at which it begins. Of a stack that is not whole nothing can be said to have returned.
func attribute(k *K, st []verify.Frame, whole bool) []verify.Frame {
	top := len(k.frames) - 1
	at, done := top, 0
	for i := 0; i < len(st) && at >= 0; i++ {
		j := at
		for j >= 0 && (k.frames[j].Fn == 0 || st[i].Func != FuncName(k.frames[j].Fn)) {
			j--
		}
		if j < 0 {
			continue
		}
		for ; done <= i; done++ {
			st[done].Driver = owner(k, &k.frames[j])
		}
		if at == top && j < top && k.frames[top].Fn != 0 {
			st = list.Add(returned(k, &k.frames[top]), st)
			i, done = i+1, done+1
		}
		if at = j - 1; !below(k, at) {
			return st[:done]
		}
	}
	if done == 0 && whole && ours(&k.frames[top]) {
		for i := range st {
			if top > 0 {
				st[i].Driver = owner(k, &k.frames[top-1])
			}
		}
		return list.Add(returned(k, &k.frames[top]), st)
	}
	if done == 0 {
		for i := range st {
			st[i].Driver = owner(k, &k.frames[top])
		}
	}
	return st
}

// ours reports whether the callback is of a driver or program: its routine would be on the stack if it ran.
func ours(f *Frame) bool {
	if f.Fn == 0 || f.Kind != FrameClassify {
		return false
	}
	file, _ := position(f.Fn)
	return file != ""
}

// returned is the frame of a callback that is not on the stack any more.
func returned(k *K, f *Frame) []verify.Frame {
	file, line := position(f.Fn)
	return []verify.Frame{{Driver: owner(k, f), Func: FuncName(f.Fn), File: file, Line: line}}
}

// below reports whether frame at or one outside of it is of a driver or program whose routine is known.
func below(k *K, at int) bool {
	for ; at >= 0; at-- {
		if f := &k.frames[at]; f.Kind != FrameSystem {
			return true
		}
	}
	return false
}

// owner names the driver or program whose callback f is.
func owner(k *K, f *Frame) string {
	switch {
	case f.Image != nil:
		return f.Image.Name
	case f.Kind == FrameUser && k.t.Process != nil:
		return k.t.Process.Image
	}
	return ""
}
