//go:build linux || darwin

package pool

import "syscall"

// canProtect says that this system has what special pool needs.
const canProtect = true

// reserve takes n bytes of address space that nobody may touch. One page is touched here: Linux merges
// inaccessible neighbours into one mapping only if they come from one that has memory already and none of
// it is accounted for, and without merging a run could make some 30 000 allocations and no more.
func reserve(n int) ([]byte, error) {
	mem, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_NORESERVE)
	if err != nil {
		return nil, err
	}
	mem[0] = 0
	return mem, syscall.Mprotect(mem, syscall.PROT_NONE)
}

// commit makes reserved pages accessible.
func commit(pages []byte) error {
	return syscall.Mprotect(pages, syscall.PROT_READ|syscall.PROT_WRITE)
}

// protect makes pages inaccessible.
func protect(pages []byte) error {
	if err := syscall.Mprotect(pages, syscall.PROT_NONE); err != nil {
		return err
	}
	discard(pages)
	return nil
}
