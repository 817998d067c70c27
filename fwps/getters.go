package fwps

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"unicode/utf16"

	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/wfp"
	"calloutsim/wsk/ws2def"
)

// getter works out the value of one field; what it cannot know in this event is the zero Value, FWP_EMPTY.
type getter func(c *classification) wfp.Value

// source is where the values of a field come from: a getter, or the reason why there is none and the field
// is always FWP_EMPTY.
type source struct {
	get getter
	why string
}

// Reasons.
const (
	noTokens   = "access tokens are not modelled"
	noPackages = "packages and code integrity are not modelled"
	noPhysical = "there is nothing below an interface: docs/spec/network.md 9"
	noProfiles = "profiles and quarantine are not modelled"
	noRaw      = "there are no raw sockets yet: docs/spec/network.md 8, step 9"
	noOriginal = "of ICMP no flow is remembered: docs/spec/network.md 8, step 9"
	noFrames   = "frames and virtual switches are not shown yet: docs/spec/network.md 8, step 13"
	noNames    = "the name cache is not asked: docs/spec/network.md 9"
	noFirewall = "SIO codes of the Windows firewall are not modelled"
	noBitmaps  = "types and meaning of these values are not public"
)

// sources says of each field of the kernel's layers where its values come from. Fields of one name mean the
// same at all layers.
var sources = map[string]source{
	"ALE_APP_ID":                  {get: appID},
	"ALE_ORIGINAL_APP_ID":         {get: originalAppID},
	"COMPARTMENT_ID":              {get: compartment},
	"DIRECTION":                   {get: direction},
	"FLAGS":                       {get: flags},
	"IP_DESTINATION_ADDRESS_TYPE": {get: destinationType},
	"IP_LOCAL_ADDRESS":            {get: func(c *classification) wfp.Value { return address(c.q.Local) }},
	"IP_LOCAL_ADDRESS_TYPE":       {get: func(c *classification) wfp.Value { return addressType(c.q.Local) }},
	"IP_LOCAL_PORT":               {get: localPort},
	"IP_PROTOCOL":                 {get: protocol},
	"IP_REMOTE_ADDRESS":           {get: func(c *classification) wfp.Value { return address(c.q.Remote) }},
	"IP_REMOTE_PORT":              {get: remotePort},

	"ALE_REMOTE_MACHINE_ID": {why: noTokens}, "ALE_REMOTE_USER_ID": {why: noTokens},
	"ALE_USER_ID": {why: noTokens},

	"ALE_EFFECTIVE_NAME": {why: noPackages}, "ALE_PACKAGE_ID": {why: noPackages},
	"ALE_SECURITY_ATTRIBUTE_FQBN_VALUE": {why: noPackages}, "IPSEC_SECURITY_REALM_ID": {why: noPackages},

	"INTERFACE_INDEX": {get: onWay(anyWay, index)}, "SUB_INTERFACE_INDEX": {get: onWay(anyWay, zero)},
	"INTERFACE_TYPE": {get: onWay(anyWay, kind)}, "TUNNEL_TYPE": {get: onWay(anyWay, zero)},
	"IP_LOCAL_INTERFACE":      {get: onWay(anyWay, luid)},
	"ARRIVAL_INTERFACE_INDEX": {get: onWay(inWay, index)},
	"ARRIVAL_INTERFACE_TYPE":  {get: onWay(inWay, kind)},
	"ARRIVAL_TUNNEL_TYPE":     {get: onWay(inWay, zero)}, "IP_ARRIVAL_INTERFACE": {get: onWay(inWay, luid)},
	"NEXTHOP_INTERFACE_INDEX":         {get: onWay(outWay, index)},
	"NEXTHOP_SUB_INTERFACE_INDEX":     {get: onWay(outWay, zero)},
	"NEXTHOP_INTERFACE_TYPE":          {get: onWay(outWay, kind)},
	"NEXTHOP_TUNNEL_TYPE":             {get: onWay(outWay, zero)},
	"IP_NEXTHOP_INTERFACE":            {get: onWay(outWay, luid)},
	"SOURCE_INTERFACE_INDEX":          {get: onWay(anyWay, index)},
	"SOURCE_SUB_INTERFACE_INDEX":      {get: onWay(anyWay, zero)},
	"DESTINATION_INTERFACE_INDEX":     {get: onWay(anyWay, index)},
	"DESTINATION_SUB_INTERFACE_INDEX": {get: onWay(anyWay, zero)},
	"IP_FORWARD_INTERFACE":            {get: onWay(anyWay, luid)},

	"IP_PHYSICAL_ARRIVAL_INTERFACE": {why: noPhysical}, "IP_PHYSICAL_NEXTHOP_INTERFACE": {why: noPhysical},
	"INTERFACE": {why: noFrames}, "INTERFACE_MAC_ADDRESS": {why: noFrames},

	"ARRIVAL_INTERFACE_PROFILE_ID": {why: noProfiles}, "CURRENT_PROFILE_ID": {why: noProfiles},
	"INTERFACE_QUARANTINE_EPOCH": {why: noProfiles}, "LOCAL_INTERFACE_PROFILE_ID": {why: noProfiles},
	"NAP_CONTEXT": {why: noProfiles}, "NEXTHOP_INTERFACE_PROFILE_ID": {why: noProfiles},
	"ORIGINAL_PROFILE_ID": {why: noProfiles}, "PROFILE_ID": {why: noProfiles},

	"REAUTHORIZE_REASON": {get: reauthorizeReason}, "ORIGINAL_ICMP_TYPE": {why: noOriginal},

	"ALE_PROMISCUOUS_MODE": {why: noRaw},

	"EMBEDDED_PROTOCOL":           {get: quoted(quotedProtocol)},
	"EMBEDDED_LOCAL_ADDRESS_TYPE": {get: quoted(quotedLocalType)},
	"EMBEDDED_LOCAL_PORT":         {get: quoted(quotedLocalPort)},
	"EMBEDDED_REMOTE_ADDRESS":     {get: quoted(quotedRemote)},
	"EMBEDDED_REMOTE_PORT":        {get: quoted(quotedRemotePort)},
	"ICMP_TYPE":                   {get: icmpType}, "ICMP_CODE": {get: icmpCode},
	"IP_SOURCE_ADDRESS":      {get: func(c *classification) wfp.Value { return address(c.q.Local) }},
	"IP_DESTINATION_ADDRESS": {get: func(c *classification) wfp.Value { return address(c.q.Remote) }},
	"IP_SOURCE_PORT":         {why: noFrames}, "IP_DESTINATION_PORT": {why: noFrames},

	"ETHER_TYPE": {why: noFrames}, "L2_FLAGS": {why: noFrames}, "MAC_DESTINATION_ADDRESS": {why: noFrames},
	"MAC_DESTINATION_ADDRESS_TYPE": {why: noFrames}, "MAC_LOCAL_ADDRESS": {why: noFrames},
	"MAC_LOCAL_ADDRESS_TYPE": {why: noFrames}, "MAC_REMOTE_ADDRESS": {why: noFrames},
	"MAC_REMOTE_ADDRESS_TYPE": {why: noFrames}, "MAC_SOURCE_ADDRESS": {why: noFrames},
	"MAC_SOURCE_ADDRESS_TYPE": {why: noFrames}, "NDIS_MEDIA_TYPE": {why: noFrames},
	"NDIS_PHYSICAL_MEDIA_TYPE": {why: noFrames}, "NDIS_PORT": {why: noFrames}, "VLAN_ID": {why: noFrames},
	"VSWITCH_DESTINATION_INTERFACE_ID":   {why: noFrames},
	"VSWITCH_DESTINATION_INTERFACE_TYPE": {why: noFrames}, "VSWITCH_DESTINATION_VM_ID": {why: noFrames},
	"VSWITCH_ID": {why: noFrames}, "VSWITCH_NETWORK_TYPE": {why: noFrames},
	"VSWITCH_SOURCE_INTERFACE_ID": {why: noFrames}, "VSWITCH_SOURCE_INTERFACE_TYPE": {why: noFrames},
	"VSWITCH_SOURCE_VM_ID": {why: noFrames}, "VSWITCH_TENANT_NETWORK_ID": {why: noFrames},

	"PEER_NAME": {why: noNames},

	"SIO_FIREWALL_SOCKET_PROPERTY": {why: noFirewall}, "SIO_FIREWALL_SYSTEM_PORT": {why: noFirewall},

	"BITMAP_IP_LOCAL_ADDRESS": {why: noBitmaps}, "BITMAP_IP_LOCAL_PORT": {why: noBitmaps},
	"BITMAP_IP_REMOTE_ADDRESS": {why: noBitmaps}, "BITMAP_IP_REMOTE_PORT": {why: noBitmaps},
}

// gettersAt are the getters of each layer, by the index of the field; nil is FWP_EMPTY.
var gettersAt = func() (at [wfp.Layers][]getter) {
	for layer, fields := range fieldTable {
		for i := range fields {
			at[layer] = append(at[layer], sources[fields[i].name].get)
		}
	}
	return at
}()

// Value is the value of a field as conditions see it; it is worked out when it is first asked for, once in an
// arbitration.
func (c *classification) Value(field int) wfp.Value {
	if c.values == nil {
		c.values = make([]wfp.Value, len(gettersAt[c.layer]))
	}
	if bit := uint64(1) << field; c.known&bit == 0 {
		c.known |= bit
		if get := gettersAt[c.layer][field]; get != nil {
			c.values[field] = get(c)
		}
	}
	return c.values[field]
}

// AppID is the value ALE_APP_ID has for the programs of an image: its device path in lower case, UTF-16 with
// terminator. A condition on a program compares with it. On Windows FwpmGetAppIdFromFileName0 makes it.
func (sim) AppID(image string) []byte {
	units := append(utf16.Encode([]rune(`\device\harddiskvolume1\`+strings.ToLower(image))), 0)
	b := make([]byte, 0, 2*len(units))
	for _, u := range units {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// appID is AppID, made once an image: nobody writes to what it returns.
func (e *engine) appID(image string) []byte {
	for i := range e.appIDs {
		if e.appIDs[i].image == image {
			return e.appIDs[i].id
		}
	}
	id := Sim.AppID(image)
	e.appIDs = append(e.appIDs, imageID{image, id})
	return id
}

func appID(c *classification) wfp.Value {
	return wfp.Value{Type: wfp.ByteBlob, Bytes: c.e.appID(imageName(c.q.Endpoint.Process))}
}

func originalAppID(c *classification) wfp.Value {
	if c.q.Endpoint.OriginalApp() != "" {
		return wfp.Value{Type: wfp.ByteBlob, Bytes: c.e.appID(c.q.Endpoint.OriginalApp())}
	}
	return appID(c)
}

func compartment(*classification) wfp.Value { return wfp.Value{Type: wfp.Uint32, Num: 1} }

func protocol(c *classification) wfp.Value {
	return wfp.Value{Type: wfp.Uint8, Num: uint64(c.q.Proto)}
}

func direction(c *classification) wfp.Value {
	return wfp.Value{Type: wfp.Uint32, Num: uint64(directionOf(c.q.Inbound))}
}

func directionOf(inbound bool) FWP_DIRECTION {
	if inbound {
		return FWP_DIRECTION_INBOUND
	}
	return FWP_DIRECTION_OUTBOUND
}

// reauthorizeReason says why the connection is authorised again; 0 where it is not (INFERRED).
func reauthorizeReason(c *classification) wfp.Value {
	return wfp.Value{Type: wfp.Uint32, Num: uint64(c.reason)}
}

func flags(c *classification) wfp.Value {
	return wfp.Value{Type: wfp.Uint32, Num: uint64(conditionFlags(c.q.Flags, c.reauthorize))}
}

// conditionFlags translates what the transport knows about the event.
func conditionFlags(f tcpip.Flag, reauthorize bool) uint32 {
	table := [...]struct {
		t tcpip.Flag
		w uint32
	}{
		{tcpip.Loopback, FWP_CONDITION_FLAG_IS_LOOPBACK},
		{tcpip.WildcardBind, FWP_CONDITION_FLAG_IS_WILDCARD_BIND},
		{tcpip.ImplicitBind, FWP_CONDITION_FLAG_IS_IMPLICIT_BIND},
		{tcpip.ConnectionRedirected, FWP_CONDITION_FLAG_IS_CONNECTION_REDIRECTED},
		{tcpip.ProxyConnection, FWP_CONDITION_FLAG_IS_PROXY_CONNECTION},
		{tcpip.HonoringPolicy, FWP_CONDITION_FLAG_IS_HONORING_POLICY_AUTHORIZE},
		{tcpip.RequiresALE, FWP_CONDITION_FLAG_REQUIRES_ALE_CLASSIFY},
		{tcpip.Fragment, FWP_CONDITION_FLAG_IS_FRAGMENT},
		{tcpip.Reassembled, FWP_CONDITION_FLAG_IS_REASSEMBLED},
	}
	var out uint32
	for _, r := range table {
		if f&r.t != 0 {
			out |= r.w
		}
	}
	if reauthorize {
		out |= FWP_CONDITION_FLAG_IS_REAUTHORIZE
	}
	return out
}

// address gives IPv4 addresses in host order, IPv6 ones as bytes; an unspecified address is FWP_EMPTY.
func address(a netip.AddrPort) wfp.Value {
	addr := a.Addr()
	switch {
	case !addr.IsValid() || addr.IsUnspecified():
		return wfp.Value{}
	case addr.Is4():
		b := addr.As4()
		return wfp.Value{Type: wfp.Uint32, Num: uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := addr.As16()
	return wfp.Value{Type: wfp.ByteArray16, Bytes: b[:]}
}

// addressType gives NlatUnicast or NlatMulticast.
func addressType(a netip.AddrPort) wfp.Value {
	switch addr := a.Addr(); {
	case !addr.IsValid() || addr.IsUnspecified():
		return wfp.Value{}
	case addr.IsMulticast():
		return wfp.Value{Type: wfp.Uint8, Num: 3}
	}
	return wfp.Value{Type: wfp.Uint8, Num: 1}
}

func destinationType(c *classification) wfp.Value { return addressType(c.q.Remote) }

func port(a netip.AddrPort) wfp.Value { return wfp.Value{Type: wfp.Uint16, Num: uint64(a.Port())} }

// lendMetadata fills the metadata of one call (wfp.md 3.7): what is known about the event and can be there at
// the layer.
func (c *classification) lendMetadata(cl *call) *FWPS_INCOMING_METADATA_VALUES0 {
	q := c.q
	m := &FWPS_INCOMING_METADATA_VALUES0{lent: cl.lent, call: cl,
		processID: uint64(ke.PIDOf(q.Endpoint.Process)), endpoint: uint64(q.Endpoint.ID),
		parent: uint64(q.Endpoint.Parent), compartment: 1,
		token: uint64(ke.PIDOf(q.Endpoint.Process))<<4 | 0x8, path: c.e.appID(imageName(q.Endpoint.Process))}
	known := FWPS_METADATA_FIELD_PROCESS_ID | FWPS_METADATA_FIELD_TOKEN | FWPS_METADATA_FIELD_PROCESS_PATH |
		FWPS_METADATA_FIELD_TRANSPORT_ENDPOINT_HANDLE | FWPS_METADATA_FIELD_COMPARTMENT_ID
	if q.Endpoint.ID == 0 { // a packet that belongs to nobody
		known = FWPS_METADATA_FIELD_COMPARTMENT_ID
	}
	if q.Endpoint.Parent != 0 {
		known |= FWPS_METADATA_FIELD_PARENT_ENDPOINT_HANDLE
	}
	if q.Flow != nil && q.Flow.ID != 0 {
		m.flow = uint64(q.Flow.ID)
		if !q.Flow.Gone {
			c.e.flows.Put(uint64(q.Flow.ID), q.Flow)
		}
		known |= FWPS_METADATA_FIELD_FLOW_HANDLE
	}
	if q.Flags&tcpip.ConnectionRedirected != 0 {
		m.targetPID = q.Flow.Redirect.TargetPID
		a := ws2def.Storage(q.Flow.Redirect.Original)
		m.original = &a
		known |= FWPS_METADATA_FIELD_LOCAL_REDIRECT_TARGET_PID | FWPS_METADATA_FIELD_ORIGINAL_DESTINATION
	}
	if s, ok := c.about.(*connect); ok && s.records != 0 {
		m.records = s.records
		known |= FWPS_METADATA_FIELD_REDIRECT_RECORD_HANDLE
		if pid := c.e.RedirectTarget(s.chain); pid != 0 {
			m.targetPID = pid
			known |= FWPS_METADATA_FIELD_LOCAL_REDIRECT_TARGET_PID
		}
	}
	if c.info.pendOperation {
		known |= FWPS_METADATA_FIELD_COMPLETION_HANDLE
	}
	if c.reauthorize {
		m.direction = directionOf(q.Inbound)
		known |= FWPS_METADATA_FIELD_PACKET_DIRECTION
	}
	if c.info.discard && q.Filter != 0 {
		m.discard = FWPS_DISCARD_METADATA0{FWPS_DISCARD_MODULE_GENERAL, FWPS_DISCARD_FIREWALL_POLICY,
			q.Filter}
		known |= FWPS_METADATA_FIELD_DISCARD_REASON
	}
	if s, ok := c.about.(*carried); ok {
		known |= s.headers(m)
	}
	m.present = known & c.info.metadata
	return m
}
