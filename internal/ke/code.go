package ke

import "unsafe"

// CodeOf is the code address of a routine, as reflect gives it, 0 for nil: an interface that holds a func
// holds the pointer to its closure, whose first word is the address. It is asked for at every callback. fn
// must be a func; that is not looked at.
func CodeOf(fn any) uintptr {
	data := (*[2]unsafe.Pointer)(unsafe.Pointer(&fn))[1]
	if data == nil {
		return 0
	}
	return *(*uintptr)(data)
}
