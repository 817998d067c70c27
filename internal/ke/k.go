package ke

// Of returns the machine a K belongs to.
func Of(k *K) *Machine { return k.m }

// ThreadOf returns the thread whose stack k runs on: the thread itself, or the one a DPC interrupted.
func ThreadOf(k *K) *Thread { return k.t }

// IsDPC reports whether k is a DPC or another call at DISPATCH_LEVEL that borrowed somebody's stack.
func IsDPC(k *K) bool { return k.isDPC }

// Processor returns the number of the processor.
func Processor(k *K) uint8 { return k.cpu.num }

// IRQL returns the level of the caller's processor.
func IRQL(k *K) uint8 { return k.irql }

// ContextName returns the name of the context k belongs to.
func ContextName(k *K) string { return k.name }

// ContextNum returns the number of the context in events.
func ContextNum(k *K) uint16 { return k.num }

// Acting returns the image whose code runs in k; nil is the system.
func Acting(k *K) *Image {
	if n := len(k.frames); n > 0 {
		return k.frames[n-1].Image
	}
	return nil
}

// Top returns the innermost frame, or nil.
func Top(k *K) *Frame {
	if n := len(k.frames); n > 0 {
		return &k.frames[n-1]
	}
	return nil
}

// Frames returns all frames of k, outermost first. The slice is for use at once.
func Frames(k *K) []Frame { return k.frames }

// Contexts lists whoever may hold locks: the threads in order of creation, each followed by the DPC that runs
// on its stack.
func (m *Machine) Contexts() []*K {
	var out []*K
	for _, t := range m.all {
		out = append(out, &t.K)
		for _, c := range m.cpus {
			if c.inDPC && c.dpcK.t == t {
				out = append(out, &c.dpcK)
			}
		}
	}
	for _, c := range m.cpus {
		if c.inDPC && c.dpcK.t.idle {
			out = append(out, &c.dpcK)
		}
	}
	return out
}

// IRQLs the mechanism itself knows (x64 numbering, irp.md 13.1).
const (
	Passive  = 0
	APC      = 1
	Dispatch = 2
	High     = 15
)
