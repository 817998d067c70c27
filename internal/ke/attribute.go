package ke

import "calloutsim/internal/verify"

// attribute says for each frame of a call stack whose code it is, and cuts the stack where k's own callbacks
// begin: what lies below belongs to the thread that a DPC interrupted. Each callback of k is found again by
// the name of its routine.
func attribute(k *K, st []verify.Frame) []verify.Frame {
	at := len(k.frames) - 1
	for i := range st {
		for at >= 0 && k.frames[at].Kind == FrameSystem {
			at--
		}
		if at < 0 {
			return st[:i]
		}
		f := &k.frames[at]
		st[i].Driver = owner(k, f)
		if f.Fn != 0 && st[i].Func == FuncName(f.Fn) {
			at--
		}
	}
	return st
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
