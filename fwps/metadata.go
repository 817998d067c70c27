package fwps

import (
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/wsk/ws2def"
)

// FWPS_INCOMING_METADATA_VALUES0 is what else is known about the event. Which members mean something differs
// from layer to layer and from event to event: FWPS_IS_METADATA_FIELD_PRESENT tells. The engine lends it to
// classifyFn for the duration of the call.
type FWPS_INCOMING_METADATA_VALUES0 struct {
	present     uint32
	flags       uint32
	processID   uint64
	token       uint64
	processPath *FWP_BYTE_BLOB // once it was asked for
	path        []byte         // what it is a copy of
	endpoint    uint64
	parent      uint64
	flow        uint64
	compartment uint32
	targetPID   uint32
	original    *ws2def.SOCKADDR_STORAGE
	records     irql.HANDLE
	direction   FWP_DIRECTION
	discard     FWPS_DISCARD_METADATA0
	ipHeader    uint32
	transport   uint32
	fragment    FWPS_INBOUND_FRAGMENT_METADATA0
	interfaceOf uint32 // the packet comes over, or leaves by
	icmp        uint32
	completion  irql.HANDLE // once it was asked for
	call        *call
	lent        *lent
}

func (m *FWPS_INCOMING_METADATA_VALUES0) poison() {
	if m.processPath != nil {
		poisonBytes(m.processPath.Data)
	}
	if m.original != nil {
		*m.original = poisonAddress()
	}
}

// FWPS_IS_METADATA_FIELD_PRESENT tells whether the member that a FWPS_METADATA_FIELD_* bit stands for means
// something.
//
// IRQL: any level.
// Rules: WFP-054.
// Reference: fwpsk/ns-fwpsk-fwps_incoming_metadata_values0_.
func FWPS_IS_METADATA_FIELD_PRESENT(metadataValues *FWPS_INCOMING_METADATA_VALUES0,
	metadataField uint32) bool {
	metadataValues.lent.touch()
	return metadataValues.present&metadataField == metadataField
}

// need checks that a member is there before it is read.
func (m *FWPS_INCOMING_METADATA_VALUES0) need(bit uint32, name string) {
	m.lent.touch()
	if m.present&bit == 0 {
		m.lent.report(verify.Finding{Rule: verify.WFP_053, Obj: m.lent.id(),
			Headline: "metadata member " + name + " is read at " + layerName(m.lent.layer) +
				", where it is absent this time",
			Fix: "test FWPS_IS_METADATA_FIELD_PRESENT before reading the member."})
	}
}

// CurrentMetadataValues is the mask of the members that are there. Rules: WFP-054.
func (m *FWPS_INCOMING_METADATA_VALUES0) CurrentMetadataValues() uint32 {
	m.lent.touch()
	return m.present
}

// Flags is the member of that name, bits FWPS_INCOMING_FLAG_*. Rules: WFP-053, WFP-054.
func (m *FWPS_INCOMING_METADATA_VALUES0) Flags() uint32 {
	m.need(FWPS_METADATA_FIELD_SYSTEM_FLAGS, "flags")
	return m.flags
}

// ProcessId is the process that owns the endpoint. Rules: WFP-053, WFP-054.
func (m *FWPS_INCOMING_METADATA_VALUES0) ProcessId() uint64 {
	m.need(FWPS_METADATA_FIELD_PROCESS_ID, "processId")
	return m.processID
}

// ProcessPath is the path of the owner's image. Rules: WFP-053, WFP-054.
func (m *FWPS_INCOMING_METADATA_VALUES0) ProcessPath() *FWP_BYTE_BLOB {
	m.need(FWPS_METADATA_FIELD_PROCESS_PATH, "processPath")
	if m.processPath == nil {
		m.processPath = &FWP_BYTE_BLOB{uint32(len(m.path)), append([]byte(nil), m.path...)}
		if m.lent.over {
			poisonBytes(m.processPath.Data)
		}
	}
	return m.processPath
}

// Token is a handle for permission checks. Rules: WFP-053, WFP-054.
func (m *FWPS_INCOMING_METADATA_VALUES0) Token() uint64 {
	m.need(FWPS_METADATA_FIELD_TOKEN, "token")
	return m.token
}

// TransportEndpointHandle identifies the endpoint at every layer until it is closed. Rules: WFP-053, WFP-054.
func (m *FWPS_INCOMING_METADATA_VALUES0) TransportEndpointHandle() uint64 {
	m.need(FWPS_METADATA_FIELD_TRANSPORT_ENDPOINT_HANDLE, "transportEndpointHandle")
	return m.endpoint
}

// ParentEndpointHandle identifies the listening endpoint of an accepted connection. Rules: WFP-053, WFP-054.
func (m *FWPS_INCOMING_METADATA_VALUES0) ParentEndpointHandle() uint64 {
	m.need(FWPS_METADATA_FIELD_PARENT_ENDPOINT_HANDLE, "parentEndpointHandle")
	return m.parent
}

// FlowHandle identifies the flow. Rules: WFP-053, WFP-054.
func (m *FWPS_INCOMING_METADATA_VALUES0) FlowHandle() uint64 {
	m.need(FWPS_METADATA_FIELD_FLOW_HANDLE, "flowHandle")
	return m.flow
}

// CompletionHandle is what FwpsPendOperation0 takes. Rules: WFP-054, WFP-127.
func (m *FWPS_INCOMING_METADATA_VALUES0) CompletionHandle() irql.HANDLE {
	m.lent.touch()
	switch {
	case m.present&FWPS_METADATA_FIELD_COMPLETION_HANDLE == 0:
		m.lent.report(verify.Finding{Rule: verify.WFP_127, Obj: m.lent.id(),
			Also: []verify.RuleID{verify.WFP_053},
			Headline: "metadata member completionHandle is read at " + layerName(m.lent.layer) +
				", where it is absent this time"})
	case m.completion == 0:
		m.completion = irql.HANDLE(m.call.c.e.handles.add(&completionHandle{m.call}))
	}
	return m.completion
}

// PacketDirection is the direction of the packet that is authorised again, which need not be that of the
// connection. Rules: WFP-053, WFP-054.
func (m *FWPS_INCOMING_METADATA_VALUES0) PacketDirection() FWP_DIRECTION {
	m.need(FWPS_METADATA_FIELD_PACKET_DIRECTION, "packetDirection")
	return m.direction
}

// DiscardMetadata says at a discard layer who dropped it and why. Rules: WFP-053, WFP-054.
func (m *FWPS_INCOMING_METADATA_VALUES0) DiscardMetadata() FWPS_DISCARD_METADATA0 {
	m.need(FWPS_METADATA_FIELD_DISCARD_REASON, "discardMetadata")
	return m.discard
}

// IpHeaderSize is the size of the IP header, in front of the transport header. Rules: WFP-053, WFP-054.
func (m *FWPS_INCOMING_METADATA_VALUES0) IpHeaderSize() uint32 {
	m.need(FWPS_METADATA_FIELD_IP_HEADER_SIZE, "ipHeaderSize")
	return m.ipHeader
}

// TransportHeaderSize is the size of the transport header. Rules: WFP-053, WFP-054.
func (m *FWPS_INCOMING_METADATA_VALUES0) TransportHeaderSize() uint32 {
	m.need(FWPS_METADATA_FIELD_TRANSPORT_HEADER_SIZE, "transportHeaderSize")
	return m.transport
}

// FragmentMetadata says which piece of a packet this is. Rules: WFP-053, WFP-054.
func (m *FWPS_INCOMING_METADATA_VALUES0) FragmentMetadata() FWPS_INBOUND_FRAGMENT_METADATA0 {
	m.need(FWPS_METADATA_FIELD_FRAGMENT_DATA, "fragmentMetadata")
	return m.fragment
}

// SourceInterfaceIndex is the interface a packet came over. Rules: WFP-053, WFP-054.
func (m *FWPS_INCOMING_METADATA_VALUES0) SourceInterfaceIndex() uint32 {
	m.need(FWPS_METADATA_FIELD_SOURCE_INTERFACE_INDEX, "sourceInterfaceIndex")
	return m.interfaceOf
}

// DestinationInterfaceIndex is the interface a packet leaves by. Rules: WFP-053, WFP-054.
func (m *FWPS_INCOMING_METADATA_VALUES0) DestinationInterfaceIndex() uint32 {
	m.need(FWPS_METADATA_FIELD_DESTINATION_INTERFACE_INDEX, "destinationInterfaceIndex")
	return m.interfaceOf
}

// RemoteScopeId is the scope of the remote address: 0, scopes are not modelled. Rules: WFP-053, WFP-054.
func (m *FWPS_INCOMING_METADATA_VALUES0) RemoteScopeId() uint32 {
	m.need(FWPS_METADATA_FIELD_REMOTE_SCOPE_ID, "remoteScopeId")
	return 0
}

// IcmpIdAndSequence is the identifier and the sequence number of an echo. Rules: WFP-053, WFP-054.
func (m *FWPS_INCOMING_METADATA_VALUES0) IcmpIdAndSequence() uint32 {
	m.need(FWPS_METADATA_FIELD_ICMP_ID_AND_SEQUENCE, "icmpIdAndSequence")
	return m.icmp
}

// CompartmentId is the routing compartment. Rules: WFP-053, WFP-054.
func (m *FWPS_INCOMING_METADATA_VALUES0) CompartmentId() uint32 {
	m.need(FWPS_METADATA_FIELD_COMPARTMENT_ID, "compartmentId")
	return m.compartment
}

// LocalRedirectTargetPID is the process a redirected connection goes to. Rules: WFP-053, WFP-054.
func (m *FWPS_INCOMING_METADATA_VALUES0) LocalRedirectTargetPID() uint32 {
	m.need(FWPS_METADATA_FIELD_LOCAL_REDIRECT_TARGET_PID, "localRedirectTargetPID")
	return m.targetPID
}

// OriginalDestination is where a redirected connection wanted to go. Rules: WFP-053, WFP-054.
func (m *FWPS_INCOMING_METADATA_VALUES0) OriginalDestination() *ws2def.SOCKADDR_STORAGE {
	m.need(FWPS_METADATA_FIELD_ORIGINAL_DESTINATION, "originalDestination")
	return m.original
}

// RedirectRecords is the handle of the connection's redirect records, valid as long as the classification is
// not decided. Rules: WFP-053, WFP-054.
func (m *FWPS_INCOMING_METADATA_VALUES0) RedirectRecords() irql.HANDLE {
	m.need(FWPS_METADATA_FIELD_REDIRECT_RECORD_HANDLE, "redirectRecords")
	return m.records
}
