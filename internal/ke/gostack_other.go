//go:build !amd64 && !arm64

package ke

import "runtime"

// ownFrames is how many of the frames that readStack finds lie inside of OnFunction: readStack and goFrames.
const ownFrames = 2

// framesOnly says that readStack finds nothing of calls that were compiled into their callers.
const framesOnly = false

// readStack asks the run-time library, which is a hundred times slower than to follow frame pointers. A call
// that was compiled into its caller counts as one here.
func readStack(f []goFrame) int {
	pcs := make([]uintptr, len(f)+1)
	n := runtime.Callers(1, pcs)
	for i := range min(n, len(f)) {
		f[i] = goFrame{at: uintptr(i)}
		if i+1 < n {
			f[i].ret = pcs[i+1]
		}
	}
	return min(n, len(f))
}

// currentG cannot be asked here: all goroutines are taken for one.
func currentG() uintptr { return 0 }
