package ws2def

import "encoding/binary"

// CMSGHDR begins each object of ancillary data. Cmsg_len counts header and data, without the padding behind
// it (wsk.md 7.18).
type CMSGHDR struct {
	Cmsg_len   uint64
	Cmsg_level int32
	Cmsg_type  int32
}

// SizeofCmsghdr is the size of the header in memory; the data follow at once.
const SizeofCmsghdr = 16

// WSA_CMSG_LEN gives the length of an object with so many bytes of data.
//
// IRQL: any level.
// Reference: mswsock.h
func WSA_CMSG_LEN(length uint64) uint64 { return SizeofCmsghdr + length }

// WSA_CMSG_SPACE gives the room that an object with so many bytes of data takes, with the padding behind it.
//
// IRQL: any level.
// Reference: mswsock.h
func WSA_CMSG_SPACE(length uint64) uint64 { return SizeofCmsghdr + (length+7)&^7 }

// AppendCMSG appends an object to a sequence of them, with the padding behind it.
func AppendCMSG(b []byte, level, kind uint32, data []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, WSA_CMSG_LEN(uint64(len(data))))
	b = binary.LittleEndian.AppendUint32(b, level)
	b = binary.LittleEndian.AppendUint32(b, kind)
	b = append(b, data...)
	return append(b, make([]byte, -len(data)&7)...)
}

// CMSG is one object of a sequence.
type CMSG struct {
	CMSGHDR
	Data []byte
}

// CMSGs reads a sequence of objects; the walk ends when less than a header is left. false means that one is
// longer than what is there, or shorter than its header.
func CMSGs(b []byte) (list []CMSG, ok bool) {
	for len(b) >= SizeofCmsghdr {
		h := CMSGHDR{Cmsg_len: binary.LittleEndian.Uint64(b),
			Cmsg_level: int32(binary.LittleEndian.Uint32(b[8:])),
			Cmsg_type:  int32(binary.LittleEndian.Uint32(b[12:]))}
		if h.Cmsg_len < SizeofCmsghdr || h.Cmsg_len > uint64(len(b)) {
			return list, false
		}
		list = append(list, CMSG{h, b[SizeofCmsghdr:h.Cmsg_len]})
		b = b[min((h.Cmsg_len+7)&^7, uint64(len(b))):]
	}
	return list, true
}

// Options of IP and IPv6 whose objects come with datagrams, and those objects.
const (
	IP_OPTIONS                uint32 = 1
	IP_TOS                    uint32 = 3
	IP_TTL                    uint32 = 4
	IP_ADD_MEMBERSHIP         uint32 = 12
	IP_DROP_MEMBERSHIP        uint32 = 13
	IP_PKTINFO                uint32 = 19
	IP_HOPLIMIT               uint32 = 21
	IP_RECVTOS                uint32 = 40
	IP_ECN                    uint32 = 50
	IP_WFP_REDIRECT_RECORDS   uint32 = 60
	IP_WFP_REDIRECT_CONTEXT   uint32 = 70
	IPV6_PKTINFO              uint32 = 19
	IPV6_HOPLIMIT             uint32 = 21
	IPV6_RTHDR                uint32 = 32
	IPV6_TCLASS               uint32 = 39
	IPV6_RECVTCLASS           uint32 = 40
	IPV6_ECN                  uint32 = 50
	IPV6_WFP_REDIRECT_RECORDS uint32 = 60
	IPV6_WFP_REDIRECT_CONTEXT uint32 = 70
)

// What a receive says about its datagram.
const (
	MSG_TRUNC  uint32 = 0x0100 // it is longer than the buffer; the rest is lost
	MSG_CTRUNC uint32 = 0x0200 // there is more control data than room for it
	MSG_BCAST  uint32 = 0x0400 // it was sent to everybody
	MSG_MCAST  uint32 = 0x0800 // it was sent to a group
)
