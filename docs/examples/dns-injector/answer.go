package dnsinjector

import (
	"encoding/binary"

	"calloutsim/fwps"
	"calloutsim/fwps/ndis"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Sizes in a packet.
const (
	ipSize     = 20
	udpSize    = 8
	headerSize = 12 // of a DNS message
	recordSize = 16 // of an answer with an IPv4 address
)

// nameIn is the name that a query asks for, "" for what is no query.
func nameIn(b []byte) (name string) {
	for at := headerSize; at < len(b); {
		n := int(b[at])
		at++
		if n == 0 {
			return name
		}
		if at+n > len(b) {
			return ""
		}
		if name != "" {
			name += "."
		}
		name += string(b[at : at+n])
		at += n
	}
	return ""
}

// build makes the answer to a query as a packet, from its IP header on; nil when there is no memory.
func (d *Injector) build(k *irql.K, q *query) *ndis.NET_BUFFER_LIST {
	size := ipSize + udpSize + q.size + recordSize
	if q.packet = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, uint64(size), tagQuery); q.packet == nil {
		return nil
	}
	b := make([]byte, size)
	d.fill(b, q)
	q.packet.CopyFrom(0, b)
	if q.mdl = irp.IoAllocateMdl(k, q.packet, size, false, false, nil); q.mdl == nil {
		return nil
	}
	irp.MmBuildMdlForNonPagedPool(k, q.mdl)
	var nbl *ndis.NET_BUFFER_LIST
	s := fwps.FwpsAllocateNetBufferAndNetBufferList0(k, d.lists, 0, 0, q.mdl, 0, uint64(size), &nbl)
	if !ntstatus.NT_SUCCESS(s) {
		return nil
	}
	return nbl
}

// fill writes IP header, UDP header, the question again and the answer. The addresses are exchanged.
func (d *Injector) fill(b []byte, q *query) {
	be := binary.BigEndian
	b[0], b[8], b[9] = 0x45, 64, 17
	be.PutUint16(b[2:], uint16(len(b)))
	be.PutUint32(b[12:], q.remote)
	be.PutUint32(b[16:], q.local)
	be.PutUint16(b[10:], checksum(0, b[:ipSize]))
	udp := b[ipSize:]
	be.PutUint16(udp, 53)
	be.PutUint16(udp[2:], q.port)
	be.PutUint16(udp[4:], uint16(len(udp)))
	dns := udp[udpSize:]
	copy(dns, q.text.Bytes())
	dns[2] |= 0x80 // it is a response
	be.PutUint16(dns[6:], 1)
	record := dns[q.size:]
	copy(record, []byte{0xc0, headerSize, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4})
	copy(record[12:], d.Answer[:])
	pseudo := uint32(17) + uint32(len(udp))
	for at := 12; at < 20; at += 2 {
		pseudo += uint32(be.Uint16(b[at:]))
	}
	be.PutUint16(udp[6:], checksum(pseudo, udp))
}

// checksum is that of RFC 1071, over a sum that there is already and b.
func checksum(sum uint32, b []byte) uint16 {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xFFFF {
		sum = sum>>16 + sum&0xFFFF
	}
	return ^uint16(sum)
}
