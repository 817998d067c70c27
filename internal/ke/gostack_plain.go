package ke

import (
	"fmt"
	"path/filepath"
	"runtime"
	"unsafe"
)

// NotePlain remembers that the code that called the routine skip calls above the caller of NotePlain uses an
// object at p in plain Go memory; what says what for. It does nothing for memory of the simulator's.
func NotePlain(k *K, p unsafe.Pointer, what string, skip int) {
	m, f := k.m, Top(k)
	if f == nil || f.Image == nil || f.Image.System {
		return
	}
	if m.Known != nil && m.Known(p) {
		return
	}
	var pc [1]uintptr
	runtime.Callers(3+skip, pc[:])
	for _, o := range m.plain {
		if o.pc == pc[0] {
			return
		}
	}
	m.plain = append(m.plain, plainPlace{pc[0], what})
}

// PlainMemory lists what NotePlain remembered, a line each.
func (m *Machine) PlainMemory() []string {
	var out []string
	for _, p := range m.plain {
		f, _ := runtime.CallersFrames([]uintptr{p.pc}).Next()
		out = append(out, fmt.Sprintf("%s:%d: %s lies in plain Go memory, and nobody sees when its time is "+
			"over; use irp.StackVar where C has a local variable, irp.New where it has pool",
			filepath.Base(f.File), f.Line, p.what))
	}
	return out
}
