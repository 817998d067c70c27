// Package ndis has NET_BUFFER_LISTs: what a callout gets as layerData where packets pass, and what it
// injects.
//
// Modelled: lists, buffers, their pools, where the data of a buffer begins and how that moves, clones that
// share memory with their parent, and whose a list is: indicated to a callout, a driver's, or on its way
// through the stack after an injection. Data is memory of internal/pool under MDLs of package irp. Not
// modelled: offload and other out of band information, contexts of lists, fragments (the functions for
// forwarded ones are in fwps), miniports and protocol drivers.
//
// Lists have no exported fields: the C field is a method of the same name, which checks that the list may be
// looked at now. What C assigns has a method that begins with Set.
package ndis

import (
	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// NDIS_HANDLE names a pool or another object of NDIS.
type NDIS_HANDLE uint64

// NDIS_STATUS is an NTSTATUS by another name.
type NDIS_STATUS = ntstatus.NTSTATUS

// The statuses that drivers know by names of NDIS.
const (
	NDIS_STATUS_SUCCESS   = ntstatus.STATUS_SUCCESS
	NDIS_STATUS_RESOURCES = ntstatus.STATUS_INSUFFICIENT_RESOURCES
)

// What an NDIS_OBJECT_HEADER says about the structure behind it.
const (
	NDIS_OBJECT_TYPE_DEFAULT                               uint8  = 0x80
	NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1             uint8  = 1
	NET_BUFFER_POOL_PARAMETERS_REVISION_1                  uint8  = 1
	NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1 uint16 = 16
	NDIS_SIZEOF_NET_BUFFER_POOL_PARAMETERS_REVISION_1      uint16 = 12
)

// NDIS_OBJECT_HEADER says what kind of structure it begins.
type NDIS_OBJECT_HEADER struct {
	Type     uint8
	Revision uint8
	Size     uint16
}

// NET_BUFFER_LIST_POOL_PARAMETERS says what the lists of a pool are like. With DataSize, which needs
// FAllocateNetBuffer, each list comes with a buffer and memory for its data.
type NET_BUFFER_LIST_POOL_PARAMETERS struct {
	Header             NDIS_OBJECT_HEADER
	ProtocolId         uint8
	FAllocateNetBuffer bool
	ContextSize        uint16
	PoolTag            uint32
	DataSize           uint32
	Flags              uint32
}

// NET_BUFFER_POOL_PARAMETERS says what the buffers of a pool are like.
type NET_BUFFER_POOL_PARAMETERS struct {
	Header   NDIS_OBJECT_HEADER
	PoolTag  uint32
	DataSize uint32
}

// The handlers that give and take the MDLs of NdisRetreatNetBufferDataStart.
type (
	NET_BUFFER_ALLOCATE_MDL_HANDLER func(k *irql.K, bufferSize *uint32) *irp.MDL
	NET_BUFFER_FREE_MDL_HANDLER     func(k *irql.K, mdl *irp.MDL)
)

var state = ke.NewSlot(newSubsystem)

// subsystem is what one machine knows about lists.
type subsystem struct {
	m       *ke.Machine
	objects []any              // what handles name
	lists   []*NET_BUFFER_LIST // of drivers, and indicated ones that somebody holds
}

func newSubsystem(m *ke.Machine) *subsystem {
	s := &subsystem{m: m}
	m.AtUnload(s.checkUnload)
	m.AtEnd(s.checkEnd)
	return s
}

// handleBase is where handle values begin; they are the same in every run of one seed.
const handleBase = 0xffff_9d00_0000_0000

func (s *subsystem) handle(obj any) NDIS_HANDLE {
	s.objects = append(s.objects, obj)
	return NDIS_HANDLE(handleBase + 0x10*uint64(len(s.objects)))
}

// find returns what a handle names, nil for a number that is none.
func (s *subsystem) find(h NDIS_HANDLE) any {
	n := (uint64(h) - handleBase) / 0x10
	if uint64(h) < handleBase || n == 0 || n > uint64(len(s.objects)) || h%0x10 != 0 {
		return nil
	}
	return s.objects[n-1]
}
