//go:build amd64 || arm64

package ke

// ownFrames is how many of the frames that readStack finds lie inside of OnFunction: that of goFrames.
const ownFrames = 1

// framesOnly says that readStack finds nothing of calls that were compiled into their callers.
const framesOnly = true

// readStack follows the frame pointers of the goroutine that runs, from its caller outwards, as far as there
// is room. The compiler keeps them on these processors, and Go's own tracer relies on it.
//
//go:noescape
func readStack(f []goFrame) int

// currentG is the address by which the run-time library knows the goroutine that runs. While one lives no
// other has it.
func currentG() uintptr
