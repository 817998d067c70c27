package fwps

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
)

// layerInfo is what the tables say about a layer.
type layerInfo struct {
	name     string
	key      GUID
	stations []tcpip.Layer // where the transport asks at it
	v6       bool
	level    level
	site     *ke.Site // where both levels occur
	about    about

	offsetIn, offsetOut nblOffset // where the data of a packet begins, by its direction

	ale           bool
	pendClassify  bool   // FwpsPendClassify0 is allowed
	pendOperation bool   // FwpsPendOperation0 is allowed
	absorb        bool   // FWPS_CLASSIFY_OUT_FLAG_ABSORB is allowed
	discard       bool   // it sees what another layer dropped
	dropped       uint16 // the layer that sees what is dropped at this one; 0 is none
	metadata      uint32 // the members of the metadata that can be there
}

// level is the IRQL a layer is asked at.
type level uint8

const (
	levelNone level = iota // nobody asks in the kernel
	levelPassive
	levelDispatch
	levelEither
)

// about is what layerData shows at a layer.
type about uint8

const (
	aboutNothing about = iota
	aboutPacket
	aboutStream
	aboutConnect
	aboutBind
)

// nblOffset is where the data of a NET_BUFFER_LIST begins when a callout gets it (wfp.md 16.2).
type nblOffset uint8

const (
	atNothing nblOffset = iota
	atMAC
	atIP
	atTransport
	atData
	atICMP
	atInnerIP
)

func (l *layerInfo) redirects() bool { return l.about == aboutConnect || l.about == aboutBind }

// layersAt are the run-time layers of each station, for IPv4 and IPv6.
var layersAt = func() (at [tcpip.Layers][2]uint16) {
	for id := range layerTable {
		for _, s := range layerTable[id].stations {
			at[s][family(layerTable[id].v6)] = uint16(id)
		}
	}
	return at
}()

// layerAt is the run-time layer that a question is asked at.
func layerAt(q *tcpip.Question) uint16 { return layersAt[q.Layer][family(q.V6)] }

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
func LayerByKey(key GUID) (id uint16, ok bool) {
	for i := range layerTable {
		if layerTable[i].key == key && key != (GUID{}) {
			return uint16(i), true
		}
	}
	return 0, false
}

// FieldByName finds the index of a value of a layer by the end of its constant's name; package fwpm uses it.
func FieldByName(layer uint16, name string) (index int, typ FWP_DATA_TYPE, ok bool) {
	for i, f := range fieldsOf(layer) {
		if f.name == name {
			return i, f.typ, true
		}
	}
	return 0, FWP_EMPTY, false
}

// Where both levels are legal the highest comes first, so that a driver that relies on PASSIVE_LEVEL is
// caught in the boring run (wfp.md 3.1).
var (
	siteConnectRedirectIRQL = ke.Site{Name: "env/AleConnectRedirect/irql",
		Alts: []string{"dispatch", "passive"}, Spec: "wfp.md 3.1"}
	siteAuthConnectIRQL = ke.Site{Name: "env/AleAuthConnect/irql", Alts: []string{"dispatch", "passive"},
		Spec: "wfp.md 3.1"}
	siteEndpointClosureIRQL = ke.Site{Name: "env/AleEndpointClosure/irql",
		Alts: []string{"dispatch", "passive"}, Spec: "wfp.md 3.1"}
)

// authConnect reports whether a run-time layer is ALE_AUTH_CONNECT.
func authConnect(id uint16) bool {
	return id == FWPS_LAYER_ALE_AUTH_CONNECT_V4 || id == FWPS_LAYER_ALE_AUTH_CONNECT_V6
}

// flowEstablished reports whether a run-time layer is ALE_FLOW_ESTABLISHED.
func flowEstablished(id uint16) bool {
	return id == FWPS_LAYER_ALE_FLOW_ESTABLISHED_V4 || id == FWPS_LAYER_ALE_FLOW_ESTABLISHED_V6
}
