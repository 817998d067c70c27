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

// AppID is the value ALE_APP_ID has for the programs of an image: its device path in lower case, UTF-16 with
// terminator. A condition on a program compares with it. On Windows FwpmGetAppIdFromFileName0 makes it.
func AppID(image string) []byte {
	units := append(utf16.Encode([]rune(`\device\harddiskvolume1\`+strings.ToLower(image))), 0)
	b := make([]byte, 0, 2*len(units))
	for _, u := range units {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
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

// values fills the values of the layer. What nobody models stays FWP_EMPTY.
func (c *classification) values() []FWP_VALUE0 {
	infos := fieldsOf(c.layer)
	out := make([]FWP_VALUE0, len(infos))
	for i := range infos {
		out[i] = c.field(&infos[i])
	}
	return out
}

func (c *classification) field(info *fieldInfo) FWP_VALUE0 {
	v := c.value(info.name)
	v.name = info.name
	return v
}

func (c *classification) value(name string) FWP_VALUE0 {
	q := c.q
	switch name {
	case "ALE_APP_ID":
		return BlobValue(AppID(imageName(q.Process)))
	case "ALE_ORIGINAL_APP_ID":
		if q.OriginalApp != "" {
			return BlobValue(AppID(q.OriginalApp))
		}
		return BlobValue(AppID(imageName(q.Process)))
	case "IP_LOCAL_ADDRESS":
		return addressValue(q.Local)
	case "IP_REMOTE_ADDRESS":
		return addressValue(q.Remote)
	case "IP_LOCAL_ADDRESS_TYPE":
		return addressType(q.Local)
	case "IP_DESTINATION_ADDRESS_TYPE":
		return addressType(q.Remote)
	case "IP_LOCAL_PORT":
		return Uint16Value(q.Local.Port())
	case "IP_REMOTE_PORT":
		return Uint16Value(q.Remote.Port())
	case "IP_PROTOCOL":
		return Uint8Value(q.Protocol)
	case "FLAGS":
		return Uint32Value(conditionFlags(q.Flags, c.reauthorize))
	case "COMPARTMENT_ID":
		return Uint32Value(1)
	case "DIRECTION":
		if q.Flags&tcpip.Inbound != 0 {
			return Uint32Value(uint32(FWP_DIRECTION_INBOUND))
		}
		return Uint32Value(uint32(FWP_DIRECTION_OUTBOUND))
	}
	return FWP_VALUE0{}
}

func imageName(p *ke.Process) string {
	if p == nil {
		return "System"
	}
	return p.Image
}

// addressValue gives IPv4 addresses in host order, IPv6 ones as bytes; an unspecified address is FWP_EMPTY.
func addressValue(a netip.AddrPort) FWP_VALUE0 {
	addr := a.Addr()
	switch {
	case !addr.IsValid() || addr.IsUnspecified():
		return FWP_VALUE0{}
	case addr.Is4():
		b := addr.As4()
		return Uint32Value(uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]))
	}
	return Array16Value(addr.As16())
}

// addressType gives NlatUnicast or NlatMulticast.
func addressType(a netip.AddrPort) FWP_VALUE0 {
	switch addr := a.Addr(); {
	case !addr.IsValid() || addr.IsUnspecified():
		return FWP_VALUE0{}
	case addr.IsMulticast():
		return Uint8Value(3)
	}
	return Uint8Value(1)
}

// conditionsInput is the form the deciding code takes.
func conditionsInput(values []FWP_VALUE0) []wfp.Value {
	out := make([]wfp.Value, len(values))
	for i := range values {
		out[i] = values[i].v
	}
	return out
}

// lend makes the values that one call gets, with memory of its own so that it can be overwritten afterwards.
func (c *classification) lend(l *lent) *FWPS_INCOMING_VALUES0 {
	infos := fieldsOf(c.layer)
	in := &FWPS_INCOMING_VALUES0{layer: c.layer, values: make([]FWPS_INCOMING_VALUE0, len(infos)), lent: l}
	for i := range infos {
		v := c.field(&infos[i])
		v.lent = l
		if v.blob != nil {
			b := append([]byte(nil), v.blob.Data...)
			v.blob, v.v.Bytes = &FWP_BYTE_BLOB{v.blob.Size, b}, b
		}
		if v.array != nil {
			v.array = &FWP_BYTE_ARRAY16{v.array.ByteArray16}
			v.v.Bytes = v.array.ByteArray16[:]
		}
		if v.u64 != nil {
			n := *v.u64
			v.u64 = &n
		}
		in.values[i].value = v
	}
	return in
}

// lendMetadata fills the metadata of one call (wfp.md 3.7).
func (c *classification) lendMetadata(l *lent) *FWPS_INCOMING_METADATA_VALUES0 {
	q := c.q
	m := &FWPS_INCOMING_METADATA_VALUES0{lent: l, processID: uint64(ke.PIDOf(q.Process)),
		endpoint: uint64(q.Endpoint),
		parent:   uint64(q.Parent), flow: uint64(q.Flow), compartment: 1,
		token: uint64(ke.PIDOf(q.Process))<<4 | 0x8}
	m.present = FWPS_METADATA_FIELD_PROCESS_ID | FWPS_METADATA_FIELD_TOKEN |
		FWPS_METADATA_FIELD_TRANSPORT_ENDPOINT_HANDLE
	add := func(bit uint32, there bool) {
		if there {
			m.present |= bit
		}
	}
	redirect := c.info.redirects()
	release := q.Layer == tcpip.EndpointClosure || q.Layer == tcpip.ResourceRelease
	path := AppID(imageName(q.Process))
	m.processPath = &FWP_BYTE_BLOB{uint32(len(path)), path}
	add(FWPS_METADATA_FIELD_PROCESS_PATH, !redirect && !release)
	add(FWPS_METADATA_FIELD_COMPARTMENT_ID, release || q.Layer == tcpip.AuthConnect ||
		q.Layer == tcpip.AuthRecvAccept)
	add(FWPS_METADATA_FIELD_PARENT_ENDPOINT_HANDLE, q.Parent != 0)
	add(FWPS_METADATA_FIELD_FLOW_HANDLE, q.Flow != 0)
	if q.Flags&tcpip.ConnectionRedirected != 0 && authConnect(c.layer) {
		m.targetPID = q.TargetPID
		a := ws2def.Storage(q.OriginalRemote)
		m.original = &a
		m.present |= FWPS_METADATA_FIELD_LOCAL_REDIRECT_TARGET_PID | FWPS_METADATA_FIELD_ORIGINAL_DESTINATION
	}
	if s, ok := c.about.(*connect); ok && s.records != 0 {
		m.records = s.records
		m.present |= FWPS_METADATA_FIELD_REDIRECT_RECORD_HANDLE
		if pid := c.e.RedirectTarget(s.chain); pid != 0 {
			m.targetPID = pid
			m.present |= FWPS_METADATA_FIELD_LOCAL_REDIRECT_TARGET_PID
		}
	}
	return m
}

// poisonByte fills what classifyFn must not keep.
const poisonByte = 0xDE

func poisonBytes(b []byte) {
	for i := range b {
		b[i] = poisonByte
	}
}

// poison overwrites everything that was lent to a call.
func (cl *call) poison() {
	cl.lent.over = true
	for i := range cl.in.values {
		v := &cl.in.values[i].value
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
	poisonBytes(cl.meta.processPath.Data)
	if cl.meta.original != nil {
		*cl.meta.original = poisonAddress()
	}
	*cl.filter = FWPS_FILTER1{FilterId: poisonWord, SubLayerWeight: poisonWord & 0xffff, Context: poisonWord}
}

const poisonWord = 0xDEDE_DEDE_DEDE_DEDE

func poisonAddress() ws2def.SOCKADDR_STORAGE {
	var b [ws2def.SizeofSockaddrStorage]byte
	poisonBytes(b[:])
	return ws2def.StorageFromBytes(b[:])
}

// What shows of a request when a driver may no longer look at it.
var (
	poisonedConnect = FWPS_CONNECT_REQUEST0{LocalAddressAndPort: poisonAddress(),
		RemoteAddressAndPort: poisonAddress(), PortReservationToken: poisonWord,
		LocalRedirectTargetPID: poisonWord & 0xffff_ffff, ModifierFilterId: poisonWord,
		LocalRedirectHandle: poisonWord, LocalRedirectContextSize: poisonWord}
	poisonedBind = FWPS_BIND_REQUEST0{LocalAddressAndPort: poisonAddress(), PortReservationToken: poisonWord,
		ModifierFilterId: poisonWord}
)
