package ke

import (
	"encoding/binary"
	"reflect"
	"runtime"
	"strings"
	"unsafe"

	"calloutsim/internal/verify"
)

// position gives the file and line at which a routine begins; "" where that is not known, or is code of the
// simulator.
func position(pc uintptr) (file string, line int) {
	fn := runtime.FuncForPC(pc)
	if fn == nil {
		return "", 0
	}
	if m := method(fn); m != nil {
		fn = m
	}
	file, line = fn.FileLine(fn.Entry())
	if strings.HasPrefix(file, "<") || core(runtime.Frame{Function: fn.Name(), File: file}) {
		return "", 0
	}
	return file[strings.LastIndexByte(file, '/')+1:], line
}

// wrapperSize is how many bytes of a wrapper are looked at; they are short.
const wrapperSize = 256

// method finds the method behind a method value: d.classifyFn is the address of a small function without a
// line of its own that calls the method. Its code is read for a call of a function with the right name,
// so that on a processor whose calls are unknown here nothing is found, and nothing wrong.
func method(wrapper *runtime.Func) *runtime.Func {
	name, isValue := strings.CutSuffix(wrapper.Name(), "-fm")
	if !isValue {
		return nil
	}
	entry := wrapper.Entry()
	code := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(nil), entry)), wrapperSize)
	for at := 0; at+5 <= wrapperSize; at++ {
		in := runtime.FuncForPC(entry + uintptr(at))
		if in != nil && in.Name() == name { // the method is small and was put in here
			return in
		}
		if in == nil || in.Entry() != entry {
			return nil
		}
		if fn := runtime.FuncForPC(callee(entry+uintptr(at), code[at:])); fn != nil && fn.Name() == name {
			return fn
		}
	}
	return nil
}

// callee is where a call instruction at pc would go; 0 if it is none.
func callee(pc uintptr, code []byte) uintptr {
	switch word := binary.LittleEndian.Uint32(code); runtime.GOARCH {
	case "amd64":
		if code[0] == 0xE8 {
			return pc + 5 + uintptr(int32(binary.LittleEndian.Uint32(code[1:])))
		}
	case "arm64":
		if pc%4 == 0 && word>>26 == 0x25 {
			return pc + uintptr(int64(int32(word<<6))>>4)
		}
	}
	return 0
}

// Beginning gives the line at which a routine of a driver begins; no File where that is not known.
func Beginning(routine any) verify.Frame {
	v := reflect.ValueOf(routine)
	if v.Kind() != reflect.Func || v.IsNil() {
		return verify.Frame{}
	}
	file, line := position(v.Pointer())
	return verify.Frame{Func: FuncName(v.Pointer()), File: file, Line: line}
}
