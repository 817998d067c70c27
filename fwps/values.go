package fwps

import (
	"fmt"

	"calloutsim/internal/verify"
	"calloutsim/internal/wfp"
)

// FWP_BYTE_BLOB is a counted piece of memory.
type FWP_BYTE_BLOB struct {
	Size uint32
	Data []byte
}

// FWP_BYTE_ARRAY16 is an IPv6 address in network byte order.
type FWP_BYTE_ARRAY16 struct{ ByteArray16 [16]byte }

// FWP_BYTE_ARRAY6 is the address of a network card.
type FWP_BYTE_ARRAY6 struct{ ByteArray6 [6]byte }

// FWP_V4_ADDR_AND_MASK is an IPv4 network in host byte order.
type FWP_V4_ADDR_AND_MASK struct{ Addr, Mask uint32 }

// FWP_V6_ADDR_AND_MASK is an IPv6 network.
type FWP_V6_ADDR_AND_MASK struct {
	Addr         [16]byte
	PrefixLength uint8
}

// FWP_VALUE0 is a value with its type. The members of the C union are methods that check the type; the
// functions Uint8Value to BlobValue make values. The zero value is FWP_EMPTY.
type FWP_VALUE0 struct {
	v     wfp.Value
	u64   *uint64
	blob  *FWP_BYTE_BLOB
	array *FWP_BYTE_ARRAY16
	lent  *lent  // of an incoming value
	name  string // of the field it was read from, without the layer
}

// Uint8Value makes a FWP_UINT8.
func Uint8Value(n uint8) FWP_VALUE0 { return number(wfp.Uint8, uint64(n)) }

// Uint16Value makes a FWP_UINT16.
func Uint16Value(n uint16) FWP_VALUE0 { return number(wfp.Uint16, uint64(n)) }

// Uint32Value makes a FWP_UINT32.
func Uint32Value(n uint32) FWP_VALUE0 { return number(wfp.Uint32, uint64(n)) }

// Uint64Value makes a FWP_UINT64; in C the union holds a pointer to the number.
func Uint64Value(n uint64) FWP_VALUE0 {
	v := number(wfp.Uint64, n)
	v.u64 = &n
	return v
}

// BlobValue makes a FWP_BYTE_BLOB_TYPE.
func BlobValue(data []byte) FWP_VALUE0 {
	return FWP_VALUE0{v: wfp.Value{Type: wfp.ByteBlob, Bytes: data}, blob: &FWP_BYTE_BLOB{uint32(len(data)),
		data}}
}

// Array16Value makes a FWP_BYTE_ARRAY16_TYPE.
func Array16Value(a [16]byte) FWP_VALUE0 {
	p := &FWP_BYTE_ARRAY16{a}
	return FWP_VALUE0{v: wfp.Value{Type: wfp.ByteArray16, Bytes: p.ByteArray16[:]}, array: p}
}

// valueOf makes a value for a driver, with memory of its own.
func valueOf(v wfp.Value) FWP_VALUE0 {
	switch v.Type {
	case wfp.ByteBlob:
		return BlobValue(append([]byte(nil), v.Bytes...))
	case wfp.ByteArray16:
		return Array16Value([16]byte(v.Bytes))
	case wfp.Uint64:
		return Uint64Value(v.Num)
	}
	return FWP_VALUE0{v: v}
}

// poison overwrites the memory of the value.
func (v *FWP_VALUE0) poison() {
	if v.blob != nil {
		poisonBytes(v.blob.Data)
	}
	if v.array != nil {
		poisonBytes(v.array.ByteArray16[:])
	}
	if v.u64 != nil {
		*v.u64 = poisonWord
	}
}

func number(t wfp.DataType, n uint64) FWP_VALUE0 { return FWP_VALUE0{v: wfp.Value{Type: t, Num: n}} }

// Raw is the value as the deciding code sees it; package fwpm uses it.
func (v *FWP_VALUE0) Raw() wfp.Value { return v.v }

// Type says what the value is.
func (v FWP_VALUE0) Type() FWP_DATA_TYPE {
	v.lent.touch()
	return FWP_DATA_TYPE(v.v.Type)
}

// Uint8 reads the member of that name. Rules: WFP-055, WFP-056.
func (v FWP_VALUE0) Uint8() uint8 { return uint8(v.read(wfp.Uint8).Num) }

// Uint16 reads the member of that name. Rules: WFP-055, WFP-056.
func (v FWP_VALUE0) Uint16() uint16 { return uint16(v.read(wfp.Uint16).Num) }

// Uint32 reads the member of that name. Rules: WFP-055, WFP-056.
func (v FWP_VALUE0) Uint32() uint32 { return uint32(v.read(wfp.Uint32).Num) }

// Uint64 reads the member of that name, a pointer in C. Rules: WFP-055, WFP-056.
func (v FWP_VALUE0) Uint64() *uint64 {
	v.read(wfp.Uint64)
	return v.u64
}

// ByteBlob reads the member of that name. Rules: WFP-055, WFP-056.
func (v FWP_VALUE0) ByteBlob() *FWP_BYTE_BLOB {
	v.read(wfp.ByteBlob)
	return v.blob
}

// ByteArray16 reads the member of that name. Rules: WFP-055, WFP-056.
func (v FWP_VALUE0) ByteArray16() *FWP_BYTE_ARRAY16 {
	v.read(wfp.ByteArray16)
	return v.array
}

// read checks that the member read is the one the type names.
func (v *FWP_VALUE0) read(want wfp.DataType) wfp.Value {
	v.lent.touch()
	if v.v.Type == want {
		return v.v
	}
	if v.lent == nil {
		return wfp.Value{}
	}
	name := fieldName(v.lent.layer, v.name)
	f := verify.Finding{Rule: verify.WFP_056, Obj: v.lent.id(),
		Headline: fmt.Sprintf("%s is of type %d, and its member of type %d is read", name, v.v.Type, want)}
	if v.v.Type == wfp.Empty {
		f.Rule = verify.WFP_055
		f.Headline = name + " is FWP_EMPTY in this classification, and a member of it is read"
		f.Fix = "look at the type first; values nobody knows (an unspecified local address, most values " +
			"of a reauthorization) are FWP_EMPTY."
	}
	v.lent.report(f)
	return wfp.Value{}
}
