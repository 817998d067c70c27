package fwps

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
)

// layerInfo is what the table says about a layer.
type layerInfo struct {
	name    string
	key     GUID
	ale     bool
	discard bool
	pend    bool // FwpsPendClassify0 is allowed
	connect bool // ALE_CONNECT_REDIRECT
	bind    bool // ALE_BIND_REDIRECT
	absorb  bool // FWPS_CLASSIFY_OUT_FLAG_ABSORB is allowed
}

func (l *layerInfo) redirects() bool { return l.connect || l.bind }

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
	siteClosureIRQL = ke.Site{Name: "env/AleEndpointClosure/irql",
		Alts: []string{"dispatch", "passive"}, Spec: "wfp.md 3.1"}
)

// shimLayer is how the transport's layer is classified.
type shimLayer struct {
	v4, v6  uint16
	site    *ke.Site // where both levels occur
	passive bool     // always PASSIVE_LEVEL; otherwise, without a site, always DISPATCH_LEVEL
}

var shimLayers = [...]shimLayer{
	tcpip.BindRedirect: {v4: FWPS_LAYER_ALE_BIND_REDIRECT_V4, v6: FWPS_LAYER_ALE_BIND_REDIRECT_V6,
		passive: true},
	tcpip.ResourceAssignment: {v4: FWPS_LAYER_ALE_RESOURCE_ASSIGNMENT_V4,
		v6: FWPS_LAYER_ALE_RESOURCE_ASSIGNMENT_V6, passive: true},
	tcpip.AuthListen: {v4: FWPS_LAYER_ALE_AUTH_LISTEN_V4, v6: FWPS_LAYER_ALE_AUTH_LISTEN_V6,
		passive: true},
	tcpip.ConnectRedirect: {v4: FWPS_LAYER_ALE_CONNECT_REDIRECT_V4, v6: FWPS_LAYER_ALE_CONNECT_REDIRECT_V6,
		site: &siteConnectRedirectIRQL},
	tcpip.AuthConnect: {v4: FWPS_LAYER_ALE_AUTH_CONNECT_V4, v6: FWPS_LAYER_ALE_AUTH_CONNECT_V6,
		site: &siteAuthConnectIRQL},
	tcpip.AuthRecvAccept:  {v4: FWPS_LAYER_ALE_AUTH_RECV_ACCEPT_V4, v6: FWPS_LAYER_ALE_AUTH_RECV_ACCEPT_V6},
	tcpip.FlowEstablished: {v4: FWPS_LAYER_ALE_FLOW_ESTABLISHED_V4, v6: FWPS_LAYER_ALE_FLOW_ESTABLISHED_V6},
	tcpip.EndpointClosure: {v4: FWPS_LAYER_ALE_ENDPOINT_CLOSURE_V4, v6: FWPS_LAYER_ALE_ENDPOINT_CLOSURE_V6,
		site: &siteClosureIRQL},
	tcpip.ResourceRelease: {v4: FWPS_LAYER_ALE_RESOURCE_RELEASE_V4, v6: FWPS_LAYER_ALE_RESOURCE_RELEASE_V6,
		passive: true},
}

// id is the run-time layer.
func (s *shimLayer) id(v6 bool) uint16 {
	if v6 {
		return s.v6
	}
	return s.v4
}

// authConnect reports whether a run-time layer is ALE_AUTH_CONNECT.
func authConnect(id uint16) bool {
	return id == FWPS_LAYER_ALE_AUTH_CONNECT_V4 || id == FWPS_LAYER_ALE_AUTH_CONNECT_V6
}

// flowEstablished reports whether a run-time layer is ALE_FLOW_ESTABLISHED.
func flowEstablished(id uint16) bool {
	return id == FWPS_LAYER_ALE_FLOW_ESTABLISHED_V4 || id == FWPS_LAYER_ALE_FLOW_ESTABLISHED_V6
}
