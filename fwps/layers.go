package fwps

import "calloutsim/internal/tcpip"

// layersAt are the run-time layers of each station and discard station, for IPv4 and IPv6. Where there is no
// discard twin it is the reserved layer, which nobody filters.
var layersAt = func() (at [2 * tcpip.Discarded][2]uint16) {
	for i := range at {
		at[i] = [2]uint16{FWPS_LAYER_INBOUND_RESERVED2, FWPS_LAYER_INBOUND_RESERVED2}
	}
	for id := range layerTable {
		l := &layerTable[id]
		for _, s := range l.stations {
			at[s][family(l.v6)] = uint16(id)
			if l.dropped != 0 {
				at[s|tcpip.Discarded][family(l.v6)] = l.dropped
			}
		}
	}
	return at
}()

// layerAt is the run-time layer that a question is asked at.
func layerAt(q *tcpip.Question) uint16 { return layersAt[q.At][family(q.V6)] }

func family(v6 bool) int {
	if v6 {
		return 1
	}
	return 0
}

// layerOf returns the row of a layer, nil for a number that is none.
func layerOf(id uint16) *layerInfo {
	if int(id) >= len(layerTable) || layerTable[id].name == "" {
		return nil
	}
	return &layerTable[id]
}

func layerName(id uint16) string {
	if l := layerOf(id); l != nil {
		return l.name
	}
	return "no layer"
}

// LayerByKey finds the run-time number of a layer by its management key; package fwpm uses it.
func (sim) LayerByKey(key GUID) (id uint16, ok bool) {
	for i := range layerTable {
		if layerTable[i].key == key && key != (GUID{}) {
			return uint16(i), true
		}
	}
	return 0, false
}

// FieldByName finds the index of a value of a layer by the end of its constant's name, and why it is
// FWP_EMPTY in every classification if it is; package fwpm uses it.
func (sim) FieldByName(layer uint16,
	name string) (index int, typ FWP_DATA_TYPE, missing string, ok bool) {
	for i, f := range fieldsOf(layer) {
		if f.name == name {
			return i, f.typ, sources[name].why, true
		}
	}
	return 0, FWP_EMPTY, "", false
}

// KernelLayer reports whether the kernel classifies at a layer.
func (sim) KernelLayer(layer uint16) bool { return layerTable[layer].level != levelNone }

// LayerName is the name of a layer without prefix.
func (sim) LayerName(layer uint16) string { return layerName(layer) }

// authConnect reports whether a run-time layer is ALE_AUTH_CONNECT.
func authConnect(id uint16) bool {
	return id == FWPS_LAYER_ALE_AUTH_CONNECT_V4 || id == FWPS_LAYER_ALE_AUTH_CONNECT_V6
}

// flowEstablished reports whether a run-time layer is ALE_FLOW_ESTABLISHED.
func flowEstablished(id uint16) bool {
	return id == FWPS_LAYER_ALE_FLOW_ESTABLISHED_V4 || id == FWPS_LAYER_ALE_FLOW_ESTABLISHED_V6
}

// fieldName is how reports call a field of a layer.
func fieldName(layer uint16, name string) string { return layerName(layer) + "_" + name }

// fieldsOf returns the values of a layer; nil for a layer without any.
func fieldsOf(layer uint16) []fieldInfo {
	if int(layer) < len(fieldTable) {
		return fieldTable[layer]
	}
	return nil
}
