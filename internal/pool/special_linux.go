package pool

import "syscall"

// discard gives the memory behind pages back to the host. That it may fail costs memory and nothing else.
func discard(pages []byte) { _ = syscall.Madvise(pages, syscall.MADV_DONTNEED) }
