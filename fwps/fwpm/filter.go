package fwpm

import (
	"math/bits"

	"calloutsim/fwps"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/internal/wfp"
	"calloutsim/ntstatus"
)

const ok = ntstatus.STATUS_SUCCESS

// makeFilter checks a description and makes the filter of it.
func (s *session) makeFilter(k *ke.K, p *wfp.Draft, d *FWPM_FILTER0) (*wfp.Filter, ntstatus.NTSTATUS) {
	f := &wfp.Filter{Key: d.FilterKey, Name: d.DisplayData.Name, Action: wfp.Action(d.Action.Type),
		Owner:   s.dynamic,
		Context: d.RawContext, ClearActionRight: d.Flags&FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT != 0,
		PermitIfCalloutUnregistered: d.Flags&FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED != 0}
	if f.Key == (fwps.GUID{}) {
		f.Key = state.Of(k).newKey()
	}
	layer, found := fwps.Sim.LayerByKey(d.LayerKey)
	f.Layer = layer
	sub := d.SubLayerKey
	if sub == (fwps.GUID{}) {
		sub = FWPM_SUBLAYER_UNIVERSAL
	}
	f.Sublayer = p.Sublayer(sub)
	switch {
	case d.DisplayData.Name == "":
		return nil, ntstatus.STATUS_FWP_NULL_DISPLAY_NAME
	case p.FilterByKey(f.Key) != nil:
		return nil, ntstatus.STATUS_FWP_ALREADY_EXISTS
	case !found:
		return nil, ntstatus.STATUS_FWP_LAYER_NOT_FOUND
	case f.Sublayer == nil:
		return nil, ntstatus.STATUS_FWP_SUBLAYER_NOT_FOUND
	case s.dynamic != 0 && d.Flags&FWPM_FILTER_FLAG_PERSISTENT != 0:
		return nil, ntstatus.STATUS_FWP_DYNAMIC_SESSION_IN_PROGRESS
	}
	if st := setAction(k, f, p, d); st != ok {
		return nil, st
	}
	if outlives(f.Owner, f.Sublayer.Owner) || f.Callout != nil && outlives(f.Owner, f.Callout.Owner) {
		return nil, refused(k, verify.WFP_035, f.Key.String(),
			"FwpmFilterAdd0 with a filter that outlives what it refers to",
			ntstatus.STATUS_FWP_LIFETIME_MISMATCH)
	}
	st := ok
	if f.Conditions, st = conditions(f.Layer, d); st != ok {
		return nil, st
	}
	f.Weight, st = weight(&d.Weight, f.Conditions)
	return f, st
}

// outlives reports whether an object may be there when the one it refers to has vanished with its session.
func outlives(owner, target uint64) bool { return target != 0 && target != owner }

// setAction finds the callout of a filter.
func setAction(k *ke.K, f *wfp.Filter, p *wfp.Draft, d *FWPM_FILTER0) ntstatus.NTSTATUS {
	switch f.Action {
	case wfp.Permit, wfp.Block:
		if f.PermitIfCalloutUnregistered {
			return ntstatus.STATUS_FWP_INVALID_FLAGS
		}
		return ok
	case wfp.CalloutInspection:
		if f.PermitIfCalloutUnregistered {
			return ntstatus.STATUS_FWP_INVALID_FLAGS
		}
	case wfp.CalloutTerminating, wfp.CalloutUnknown:
	default:
		return ntstatus.STATUS_FWP_INVALID_ACTION_TYPE
	}
	f.Callout = p.Callout(d.Action.CalloutKey)
	switch {
	case f.Callout == nil:
		return refused(k, verify.WFP_032, d.Action.CalloutKey.String(),
			"FwpmFilterAdd0 names a callout that was not added",
			ntstatus.STATUS_FWP_CALLOUT_NOT_FOUND)
	case f.Callout.Layer != f.Layer:
		return refused(k, verify.WFP_032, d.Action.CalloutKey.String(),
			"FwpmFilterAdd0 names a callout of another layer",
			ntstatus.STATUS_FWP_INCOMPATIBLE_LAYER)
	}
	return ok
}

// weight turns the three forms of a weight into a number.
func weight(v *fwps.FWP_VALUE0, c []wfp.Condition) (uint64, ntstatus.NTSTATUS) {
	w := v.Raw()
	switch {
	case w.Type == wfp.Empty:
		return wfp.AutomaticWeight(c), ok
	case w.Type == wfp.Uint64:
		return w.Num, ok
	case w.Type == wfp.Uint8 && w.Num <= 15:
		return wfp.WeightInRange(uint8(w.Num), c), ok
	}
	return 0, ntstatus.STATUS_FWP_INVALID_WEIGHT
}

// conditions checks the conditions of a filter and finds the values they look at.
func conditions(layer uint16, d *FWPM_FILTER0) ([]wfp.Condition, ntstatus.NTSTATUS) {
	if int(d.NumFilterConditions) > len(d.FilterCondition) {
		return nil, ntstatus.STATUS_FWP_INVALID_PARAMETER
	}
	var out []wfp.Condition
	for i := range d.FilterCondition[:d.NumFilterConditions] {
		in := &d.FilterCondition[i]
		index, typ, found := fwps.Sim.FieldByName(layer, conditionField(in.FieldKey))
		if !found {
			return nil, ntstatus.STATUS_FWP_CONDITION_NOT_FOUND
		}
		c, st := condition(in, wfp.DataType(typ))
		if st != ok {
			return nil, st
		}
		c.Field = index
		if n := len(out); n > 0 && out[n-1].Field != index && asked(out, index) {
			return nil, ntstatus.STATUS_FWP_DUPLICATE_CONDITION
		}
		out = append(out, c)
	}
	return out, ok
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

// condition checks one condition against the type of its value.
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
	switch fits := value.Type == typ || value.Type == wfp.V4AddrMask && typ == wfp.Uint32 ||
		value.Type == wfp.V6AddrMask && typ == wfp.ByteArray16; {
	case !fits:
		return c, ntstatus.STATUS_FWP_TYPE_MISMATCH
	case !suits(c.Match, value.Type):
		return c, ntstatus.STATUS_FWP_MATCH_TYPE_MISMATCH
	}
	return c, ok
}

func rangeCondition(c wfp.Condition, v *FWP_CONDITION_VALUE0,
	typ wfp.DataType) (wfp.Condition, ntstatus.NTSTATUS) {
	if v.RangeValue == nil {
		return c, ntstatus.STATUS_FWP_NULL_POINTER
	}
	c.Value, c.High = v.RangeValue.ValueLow.Raw(), v.RangeValue.ValueHigh.Raw()
	switch {
	case c.Match != wfp.MatchRange:
		return c, ntstatus.STATUS_FWP_MATCH_TYPE_MISMATCH
	case c.Value.Type != typ || c.High.Type != typ:
		return c, ntstatus.STATUS_FWP_TYPE_MISMATCH
	case typ.Number() && c.Value.Num > c.High.Num:
		return c, ntstatus.STATUS_FWP_INVALID_RANGE
	}
	return c, ok
}

// suits reports whether a comparison can be made with a type.
func suits(m wfp.MatchType, t wfp.DataType) bool {
	switch m {
	case wfp.MatchEqual, wfp.MatchNotEqual:
		return true
	case wfp.MatchRange:
		return false
	case wfp.MatchPrefix, wfp.MatchNotPrefix, wfp.MatchEqualCaseInsensitive:
		return t == wfp.ByteBlob
	case wfp.MatchFlagsAllSet, wfp.MatchFlagsAnySet, wfp.MatchFlagsNoneSet:
		return t.Number()
	}
	return t.Number() || t == wfp.ByteArray16
}

// value takes the member that the type names.
func (v *FWP_CONDITION_VALUE0) value() (wfp.Value, ntstatus.NTSTATUS) {
	switch v.Type {
	case fwps.FWP_UINT8:
		return wfp.Value{Type: wfp.Uint8, Num: uint64(v.Uint8)}, ok
	case fwps.FWP_UINT16:
		return wfp.Value{Type: wfp.Uint16, Num: uint64(v.Uint16)}, ok
	case fwps.FWP_UINT32:
		return wfp.Value{Type: wfp.Uint32, Num: uint64(v.Uint32)}, ok
	}
	return v.pointer()
}

// pointer is value for the members that are pointers.
func (v *FWP_CONDITION_VALUE0) pointer() (wfp.Value, ntstatus.NTSTATUS) {
	switch {
	case v.Type == fwps.FWP_UINT64 && v.Uint64 != nil:
		return wfp.Value{Type: wfp.Uint64, Num: *v.Uint64}, ok
	case v.Type == fwps.FWP_BYTE_ARRAY16_TYPE && v.ByteArray16 != nil:
		return wfp.Value{Type: wfp.ByteArray16, Bytes: append([]byte(nil),
			v.ByteArray16.ByteArray16[:]...)}, ok
	case v.Type == fwps.FWP_BYTE_BLOB_TYPE && v.ByteBlob != nil:
		return wfp.Value{Type: wfp.ByteBlob, Bytes: append([]byte(nil), v.ByteBlob.Data...)}, ok
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
	case v.Type == fwps.FWP_UINT64, v.Type == fwps.FWP_BYTE_ARRAY16_TYPE, v.Type == fwps.FWP_BYTE_BLOB_TYPE,
		v.Type == fwps.FWP_V4_ADDR_MASK, v.Type == fwps.FWP_V6_ADDR_MASK:
		return wfp.Value{}, ntstatus.STATUS_FWP_NULL_POINTER
	}
	return wfp.Value{}, ntstatus.STATUS_FWP_TYPE_MISMATCH
}
