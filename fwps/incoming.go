package fwps

import (
	"fmt"

	"calloutsim/internal/verify"
	"calloutsim/internal/wfp"
)

// Field is one entry of the enumeration of a layer's values: a constant FWPS_FIELD_*.
type Field interface {
	field() (layer uint16, index int)
}

// FWPS_INCOMING_VALUE0 is one incoming value.
type FWPS_INCOMING_VALUE0 struct{ value FWP_VALUE0 }

// Value is the value itself, valid until classifyFn returns. Rules: WFP-054.
func (v *FWPS_INCOMING_VALUE0) Value() FWP_VALUE0 {
	v.value.lent.touch()
	return v.value
}

// FWPS_INCOMING_VALUES0 is what is known about the event being classified. The engine lends it to classifyFn
// for the duration of the call.
type FWPS_INCOMING_VALUES0 struct {
	layer  uint16
	values []*FWPS_INCOMING_VALUE0 // those that were asked for
	known  wfp.Values
	lent   *lent
}

// LayerId is the layer the classification is made at. Rules: WFP-054.
func (in *FWPS_INCOMING_VALUES0) LayerId() uint16 {
	in.lent.touch()
	return in.layer
}

// ValueCount is the number of values of the layer. Rules: WFP-054.
func (in *FWPS_INCOMING_VALUES0) ValueCount() uint32 {
	in.lent.touch()
	return uint32(len(in.values))
}

// IncomingValue is the element of incomingValue with the index that f stands for. A constant of another layer
// is accepted where it happens to name the same value, as V4 and V6 twins do. Rules: WFP-054, WFP-056.
func (in *FWPS_INCOMING_VALUES0) IncomingValue(f Field) *FWPS_INCOMING_VALUE0 {
	in.lent.touch()
	layer, i := f.field()
	here, there := fieldsOf(in.layer), fieldsOf(layer)
	if i >= len(in.values) || i >= len(there) || here[i].name != there[i].name {
		name := fmt.Sprintf("index %d", i)
		if i < len(there) {
			name = fieldName(layer, there[i].name)
		}
		in.lent.report(verify.Finding{Rule: verify.WFP_056, Obj: in.lent.id(),
			Headline: fmt.Sprintf("%s is read at %s, where that index means something else", name,
				layerName(in.layer)),
			Fix: "use the FWPS_FIELD_* constants of the layer in inFixedValues->layerId."})
		return &FWPS_INCOMING_VALUE0{}
	}
	return in.at(i)
}

// at is the value with index i: made when the driver first asks for it, with memory of its own that can be
// overwritten when classifyFn has returned.
func (in *FWPS_INCOMING_VALUES0) at(i int) *FWPS_INCOMING_VALUE0 {
	if in.values[i] == nil {
		v := valueOf(in.known.Value(i))
		v.lent, v.name = in.lent, fieldsOf(in.layer)[i].name
		in.values[i] = &FWPS_INCOMING_VALUE0{v}
		if in.lent.over {
			v.poison()
		}
	}
	return in.values[i]
}

func (in *FWPS_INCOMING_VALUES0) poison() {
	for _, v := range in.values {
		if v != nil {
			v.value.poison()
		}
	}
}
