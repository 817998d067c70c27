package pool

import (
	"syscall"
	"unsafe"
)

// canProtect says that this system has what special pool needs.
const canProtect = true

var (
	virtualAlloc = syscall.NewLazyDLL("kernel32.dll").NewProc("VirtualAlloc")
	virtualFree  = syscall.NewLazyDLL("kernel32.dll").NewProc("VirtualFree")
)

// Constants of memoryapi.h.
const (
	memCommit     = 0x1000
	memReserve    = 0x2000
	memDecommit   = 0x4000
	pageNoAccess  = 0x01
	pageReadWrite = 0x04
)

// reserve takes n bytes of address space that nobody may touch.
func reserve(n int) ([]byte, error) {
	addr, _, err := virtualAlloc.Call(0, uintptr(n), memReserve, pageNoAccess)
	if addr == 0 {
		return nil, err
	}
	// The address is no Go memory, so that it may come from a number.
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&addr)), n), nil
}

// commit makes reserved pages accessible.
func commit(pages []byte) error {
	addr, _, err := virtualAlloc.Call(uintptr(unsafe.Pointer(unsafe.SliceData(pages))), uintptr(len(pages)),
		memCommit, pageReadWrite)
	if addr == 0 {
		return err
	}
	return nil
}

// protect makes pages inaccessible and gives the memory behind them back.
func protect(pages []byte) error {
	ok, _, err := virtualFree.Call(uintptr(unsafe.Pointer(unsafe.SliceData(pages))), uintptr(len(pages)),
		memDecommit)
	if ok == 0 {
		return err
	}
	return nil
}
