package fwps

import (
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
)

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

func (l *layerInfo) redirects() bool { return l.about == aboutConnect || l.about == aboutBind }

// transport reports whether it is one of the transport layers.
func (l *layerInfo) transport() bool { return strings.Contains(l.name, "BOUND_TRANSPORT") }

// fieldInfo is a row of the table of values.
type fieldInfo struct {
	name string
	typ  FWP_DATA_TYPE
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
