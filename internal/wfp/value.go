package wfp

import (
	"bytes"
	"encoding/binary"
)

// DataType says which member of a value means something; the numbers are those of FWP_DATA_TYPE.
type DataType uint32

// The types that values and conditions of the modelled layers have.
const (
	Empty              DataType = 0
	Uint8              DataType = 1
	Uint16             DataType = 2
	Uint32             DataType = 3
	Uint64             DataType = 4
	ByteArray16        DataType = 11
	ByteBlob           DataType = 12
	SID                DataType = 13
	SecurityDescriptor DataType = 14
	TokenAccess        DataType = 16
	ByteArray6         DataType = 18
	V4AddrMask         DataType = 0x100
	V6AddrMask         DataType = 0x101
	Range              DataType = 0x102
)

// Value is one incoming value or one end of a range: a number, or bytes for the types that have them. The
// zero Value is empty: nobody knows it.
type Value struct {
	Type  DataType
	Num   uint64
	Bytes []byte // network byte order for addresses
}

// Values are what is known about an event, by the index of the field. A value may be worked out when it is
// asked for. The zero Value stands for what nobody knows, and for a field that there is not.
type Values interface{ Value(field int) Value }

// Number reports whether the type is one of the unsigned integers.
func (t DataType) Number() bool { return t >= Uint8 && t <= Uint64 }

// compare orders two values of one type; ok is false when they cannot be ordered.
func compare(a, b Value) (sign int, ok bool) {
	switch {
	case a.Type.Number() && b.Type.Number():
		switch {
		case a.Num < b.Num:
			return -1, true
		case a.Num > b.Num:
			return 1, true
		}
		return 0, true
	case a.Type == b.Type && a.Type != Empty:
		return bytes.Compare(a.Bytes, b.Bytes), true
	}
	return 0, false
}

// V4Mask makes the value of an IPv4 address with mask, both in host order.
func V4Mask(addr, mask uint32) Value {
	return Value{Type: V4AddrMask, Num: uint64(addr)<<32 | uint64(mask)}
}

// V6Prefix makes the value of an IPv6 address with prefix length.
func V6Prefix(addr [16]byte, length uint8) Value {
	return Value{Type: V6AddrMask, Num: uint64(length), Bytes: addr[:]}
}

// inPrefix reports whether an address lies in the network of a mask value.
func inPrefix(addr, mask Value) bool {
	switch {
	case mask.Type == V4AddrMask && addr.Type == Uint32:
		m := uint32(mask.Num)
		return uint32(addr.Num)&m == uint32(mask.Num>>32)&m
	case mask.Type == V6AddrMask && addr.Type == ByteArray16 && len(addr.Bytes) == 16 &&
		len(mask.Bytes) == 16:
		left := min(mask.Num, 128)
		for i := 0; left > 0; i += 8 {
			m := ^uint64(0)
			if left < 64 {
				m <<= 64 - left
			}
			if (binary.BigEndian.Uint64(addr.Bytes[i:])^binary.BigEndian.Uint64(mask.Bytes[i:]))&m != 0 {
				return false
			}
			left -= min(left, 64)
		}
		return true
	}
	return false
}
