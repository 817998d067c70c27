package wfp

import "strconv"

// GUID is the key of a management object. Values compare with ==; the zero value is the null GUID.
type GUID struct {
	Data1 uint32
	Data2 uint16
	Data3 uint16
	Data4 [8]byte
}

// String prints the registry form without braces, "c38d57d1-05a7-4c33-904f-7fbceee60e82".
func (g GUID) String() string {
	b := make([]byte, 0, 36)
	b = appendHex(b, uint64(g.Data1), 8)
	b = appendHex(append(b, '-'), uint64(g.Data2), 4)
	b = appendHex(append(b, '-'), uint64(g.Data3), 4)
	b = append(b, '-')
	for i, c := range g.Data4 {
		if i == 2 {
			b = append(b, '-')
		}
		b = appendHex(b, uint64(c), 2)
	}
	return string(b)
}

func appendHex(b []byte, v uint64, digits int) []byte {
	s := strconv.FormatUint(v, 16)
	for range digits - len(s) {
		b = append(b, '0')
	}
	return append(b, s...)
}
