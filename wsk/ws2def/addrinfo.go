package ws2def

// ADDRINFOEXW is an address that a name stands for, in a list of them. As hints its family, type, protocol
// and flags say what is wanted.
type ADDRINFOEXW struct {
	Ai_flags     int32
	Ai_family    int32
	Ai_socktype  int32
	Ai_protocol  int32
	Ai_addrlen   uint64
	Ai_canonname string // "" is NULL
	Ai_addr      SOCKADDR
	Ai_blob      any
	Ai_bloblen   uint64
	Ai_provider  any // a GUID
	Ai_next      *ADDRINFOEXW
}

// Flags of hints.
const (
	AI_PASSIVE     int32 = 0x1
	AI_CANONNAME   int32 = 0x2
	AI_NUMERICHOST int32 = 0x4
	AI_NUMERICSERV int32 = 0x8
)

// Flags of WskGetNameInfo.
const (
	NI_NOFQDN      uint32 = 0x01
	NI_NUMERICHOST uint32 = 0x02
	NI_NAMEREQD    uint32 = 0x04
	NI_NUMERICSERV uint32 = 0x08
	NI_DGRAM       uint32 = 0x10
)

// NS_ALL asks all name spaces.
const NS_ALL uint32 = 0
