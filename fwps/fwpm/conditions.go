package fwpm

import (
	"fmt"
	"math/bits"

	"calloutsim/fwps"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/internal/wfp"
	"calloutsim/irp"
	"calloutsim/ntstatus"
)

// conditions checks the conditions of a filter and finds the values they look at.
func conditions(k *ke.K, layer uint16, d *FWPM_FILTER0) ([]wfp.Condition, ntstatus.NTSTATUS) {
	if int(d.NumFilterConditions) > len(d.FilterCondition) {
		return nil, ntstatus.STATUS_FWP_INVALID_PARAMETER
	}
	var out []wfp.Condition
	for i := range d.FilterCondition[:d.NumFilterConditions] {
		in := &d.FilterCondition[i]
		f, found := fieldOf(layer, in.FieldKey)
		if !found {
			return nil, ntstatus.STATUS_FWP_CONDITION_NOT_FOUND
		}
		c, st := condition(in, f.typ)
		if st != ok {
			return nil, st
		}
		c.Field = f.index
		if n := len(out); n > 0 && out[n-1].Field != f.index && asked(out, f.index) {
			return nil, ntstatus.STATUS_FWP_DUPLICATE_CONDITION
		}
		if f.missing != "" && c.Value.Type != wfp.Empty {
			neverMet(k, layer, f)
		}
		out = append(out, c)
	}
	return out, ok
}

// field is a value of a layer.
type field struct {
	name    string
	index   int
	typ     wfp.DataType
	missing string // why nobody works it out
}

// fieldOf finds the value of a layer that a key stands for.
func fieldOf(layer uint16, key fwps.GUID) (f field, found bool) {
	for i := range conditionFields {
		name := conditionFields[i].field
		if *conditionFields[i].key != key {
			continue
		}
		if index, typ, missing, ok := fwps.Sim.FieldByName(layer, name); ok {
			return field{name, index, wfp.DataType(typ), missing}, true
		}
	}
	return f, false
}

// neverMet tells that a condition looks at a value that nobody works out in this simulator: the filter would
// just never match.
func neverMet(k *ke.K, layer uint16, f field) {
	ke.Report(k, verify.Finding{Kind: irp.NotModelled, Warning: true, Obj: "FwpmFilterAdd0",
		Headline: fmt.Sprintf("a condition on %s at %s: %s", f.name, fwps.Sim.LayerName(layer), f.missing),
		Text: "The value is FWP_EMPTY in every classification of this simulator, so that the filter never " +
			"matches. On Windows it may.",
		Fix: "leave the condition out for runs in the simulator, or look at another value."})
}

// asked reports whether a value is looked at already.
func asked(c []wfp.Condition, field int) bool {
	for i := range c {
		if c[i].Field == field {
			return true
		}
	}
	return false
}

// condition checks one condition against the type of its value (wfp.md 1.5).
func condition(in *FWPM_FILTER_CONDITION0, typ wfp.DataType) (wfp.Condition, ntstatus.NTSTATUS) {
	c := wfp.Condition{Match: wfp.MatchType(in.MatchType)}
	if !c.Match.Valid() {
		return c, ntstatus.STATUS_FWP_INVALID_ENUMERATOR
	}
	v := &in.ConditionValue
	if v.Type == fwps.FWP_RANGE_TYPE {
		return rangeCondition(c, v, typ)
	}
	value, st := v.value()
	if st != ok {
		return c, st
	}
	c.Value = value
	switch {
	case !fits(value.Type, typ):
		return c, ntstatus.STATUS_FWP_TYPE_MISMATCH
	case !suits(c.Match, value.Type):
		return c, ntstatus.STATUS_FWP_MATCH_TYPE_MISMATCH
	}
	return c, ok
}

// fits reports whether a value of type t can be compared with a field of type typ: nothing is converted, and
// the exceptions are few (wfp.md 1.5).
func fits(t, typ wfp.DataType) bool {
	switch t {
	case wfp.Empty:
		return true
	case wfp.V4AddrMask:
		return typ == wfp.Uint32
	case wfp.V6AddrMask:
		return typ == wfp.ByteArray16
	case wfp.SecurityDescriptor:
		return typ == wfp.SecurityDescriptor || typ == wfp.TokenAccess
	}
	return t == typ
}

func rangeCondition(c wfp.Condition, v *FWP_CONDITION_VALUE0,
	typ wfp.DataType) (wfp.Condition, ntstatus.NTSTATUS) {
	if v.RangeValue == nil {
		return c, ntstatus.STATUS_FWP_NULL_POINTER
	}
	c.Value, c.High = v.RangeValue.ValueLow.Raw(), v.RangeValue.ValueHigh.Raw()
	switch {
	case c.Match != wfp.MatchRange || !sortable(c.Value.Type):
		return c, ntstatus.STATUS_FWP_MATCH_TYPE_MISMATCH
	case c.Value.Type != typ || c.High.Type != typ:
		return c, ntstatus.STATUS_FWP_TYPE_MISMATCH
	case c.Above(c.High):
		return c, ntstatus.STATUS_FWP_INVALID_RANGE
	}
	return c, ok
}

// sortable reports whether values of a type have an order.
func sortable(t wfp.DataType) bool { return t.Number() || t == wfp.ByteArray16 || t == wfp.ByteBlob }

// suits reports whether a comparison can be made with a type (wfp.md 1.5). A mask is compared for being equal
// or not; that an IPv4 mask may be unequal is INFERRED from its being a number.
func suits(m wfp.MatchType, t wfp.DataType) bool {
	switch m {
	case wfp.MatchEqual:
		return true
	case wfp.MatchNotEqual:
		return sortable(t) || t == wfp.V4AddrMask || t == wfp.V6AddrMask
	case wfp.MatchRange, wfp.MatchEqualCaseInsensitive: // that of strings, which no layer of the kernel has
		return false
	case wfp.MatchPrefix, wfp.MatchNotPrefix:
		return t == wfp.ByteBlob
	case wfp.MatchFlagsAllSet, wfp.MatchFlagsAnySet, wfp.MatchFlagsNoneSet:
		return t.Number()
	}
	return sortable(t)
}

// value takes the member that the type names.
func (v *FWP_CONDITION_VALUE0) value() (wfp.Value, ntstatus.NTSTATUS) {
	switch v.Type {
	case fwps.FWP_EMPTY:
		return wfp.Value{}, ok
	case fwps.FWP_UINT8:
		return wfp.Value{Type: wfp.Uint8, Num: uint64(v.Uint8)}, ok
	case fwps.FWP_UINT16:
		return wfp.Value{Type: wfp.Uint16, Num: uint64(v.Uint16)}, ok
	case fwps.FWP_UINT32:
		return wfp.Value{Type: wfp.Uint32, Num: uint64(v.Uint32)}, ok
	case fwps.FWP_V4_ADDR_MASK, fwps.FWP_V6_ADDR_MASK:
		return v.network()
	}
	return v.pointer()
}

// network is value for addresses with a mask.
func (v *FWP_CONDITION_VALUE0) network() (wfp.Value, ntstatus.NTSTATUS) {
	switch {
	case v.Type == fwps.FWP_V4_ADDR_MASK && v.V4AddrMask != nil:
		m := v.V4AddrMask.Mask
		if bits.LeadingZeros32(^m) != bits.OnesCount32(m) {
			return wfp.Value{}, ntstatus.STATUS_FWP_INVALID_NET_MASK
		}
		return wfp.V4Mask(v.V4AddrMask.Addr, m), ok
	case v.Type == fwps.FWP_V6_ADDR_MASK && v.V6AddrMask != nil:
		if v.V6AddrMask.PrefixLength > 128 {
			return wfp.Value{}, ntstatus.STATUS_FWP_INVALID_NET_MASK
		}
		return wfp.V6Prefix(v.V6AddrMask.Addr, v.V6AddrMask.PrefixLength), ok
	}
	return wfp.Value{}, ntstatus.STATUS_FWP_NULL_POINTER
}

// pointer is value for the members that are pointers.
func (v *FWP_CONDITION_VALUE0) pointer() (wfp.Value, ntstatus.NTSTATUS) {
	bytes := func(t wfp.DataType, b []byte) (wfp.Value, ntstatus.NTSTATUS) {
		return wfp.Value{Type: t, Bytes: append([]byte(nil), b...)}, ok
	}
	switch v.Type {
	case fwps.FWP_UINT64:
		if v.Uint64 != nil {
			return wfp.Value{Type: wfp.Uint64, Num: *v.Uint64}, ok
		}
	case fwps.FWP_BYTE_ARRAY16_TYPE:
		if v.ByteArray16 != nil {
			return bytes(wfp.ByteArray16, v.ByteArray16.ByteArray16[:])
		}
	case fwps.FWP_BYTE_ARRAY6_TYPE:
		if v.ByteArray6 != nil {
			return bytes(wfp.ByteArray6, v.ByteArray6.ByteArray6[:])
		}
	case fwps.FWP_BYTE_BLOB_TYPE:
		if v.ByteBlob != nil {
			return bytes(wfp.ByteBlob, v.ByteBlob.Data)
		}
	case fwps.FWP_SID:
		if v.Sid != nil {
			return bytes(wfp.SID, v.Sid)
		}
	case fwps.FWP_SECURITY_DESCRIPTOR_TYPE:
		if v.Sd != nil && !selfRelative(v.Sd.Data) {
			return wfp.Value{}, ntstatus.STATUS_INVALID_SECURITY_DESCR
		}
		if v.Sd != nil {
			return bytes(wfp.SecurityDescriptor, v.Sd.Data)
		}
	default:
		return wfp.Value{}, ntstatus.STATUS_FWP_TYPE_MISMATCH
	}
	return wfp.Value{}, ntstatus.STATUS_FWP_NULL_POINTER
}

// selfRelative reports whether bytes are a security descriptor in the form without pointers: revision 1, and
// SE_SELF_RELATIVE among the control bits (wfp.md 1.5).
func selfRelative(sd []byte) bool { return len(sd) >= 20 && sd[0] == 1 && sd[3]&0x80 != 0 }
