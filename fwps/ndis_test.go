package fwps_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/fwps"
	"calloutsim/fwps/ndis"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// own is memory of a driver under a chain of MDLs, and the pool of lists to put over it.
type own struct {
	lists  ndis.NDIS_HANDLE
	bufs   ndis.NDIS_HANDLE
	memory []*irp.Buffer
	chain  *irp.MDL
}

func listPool(k *irql.K, size uint32) ndis.NDIS_HANDLE {
	return ndis.NdisAllocateNetBufferListPool(k, 0, &ndis.NET_BUFFER_LIST_POOL_PARAMETERS{
		Header:             ndis.NDIS_OBJECT_HEADER{Type: ndis.NDIS_OBJECT_TYPE_DEFAULT},
		FAllocateNetBuffer: true, DataSize: size, PoolTag: tag})
}

// chained makes a chain of MDLs over texts.
func chained(t *testing.T, k *irql.K, texts ...string) *own {
	o := &own{lists: listPool(k, 0)}
	o.bufs = ndis.NdisAllocateNetBufferPool(k, 0, &ndis.NET_BUFFER_POOL_PARAMETERS{
		Header: ndis.NDIS_OBJECT_HEADER{Type: ndis.NDIS_OBJECT_TYPE_DEFAULT}, PoolTag: tag})
	require.NotZero(t, o.lists)
	require.NotZero(t, o.bufs)
	at := &o.chain
	for _, text := range texts {
		b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, uint64(len(text)), tag)
		b.CopyFrom(0, []byte(text))
		*at = irp.IoAllocateMdl(k, b, uint32(len(text)), false, false, nil)
		irp.MmBuildMdlForNonPagedPool(k, *at)
		o.memory = append(o.memory, b)
		at = &(*at).Next
	}
	return o
}

func (o *own) free(k *irql.K) {
	for m := o.chain; m != nil; {
		next := m.Next
		irp.IoFreeMdl(k, m)
		m = next
	}
	for _, b := range o.memory {
		irp.ExFreePool(k, b)
	}
	ndis.NdisFreeNetBufferPool(k, o.bufs)
	ndis.NdisFreeNetBufferListPool(k, o.lists)
}

// asDriver runs fn in a driver, which must break no rule.
func asDriver(t *testing.T, fn func(k *irql.K)) {
	l := newLab(t)
	d := l.load("ndis.sys", nil)
	d.as(fn)
	l.m.Run(nil)
	l.end(d)
	l.silent()
}

// text is what the data of a buffer says.
func text(k *irql.K, nb *ndis.NET_BUFFER) string {
	n := nb.DataLength()
	if n == 0 {
		return ""
	}
	storage := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, uint64(n), tag)
	s := string(ndis.NdisGetDataBuffer(k, nb, n, storage, 1, 0).Bytes())
	irp.ExFreePool(k, storage)
	return s
}

// TestNetBuffer_MovesItsStart follows the start of the data through a chain.
func TestNetBuffer_MovesItsStart(t *testing.T) {
	asDriver(t, func(k *irql.K) {
		o := chained(t, k, "abc", "defg", "h")
		nbl := ndis.NdisAllocateNetBufferAndNetBufferList(k, o.lists, 0, 0, o.chain, 2, 6)
		nb := nbl.FirstNetBuffer()
		assert.Equal(t, "cdefgh", text(k, nb))
		assert.Nil(t, ndis.NdisGetDataBuffer(k, nb, 2, nil, 1, 0), "not in one piece")
		ndis.NdisAdvanceNetBufferDataStart(k, nb, 2, false, nil)
		assert.Equal(t, "efgh", text(k, nb))
		assert.Equal(t, []uint32{4, 4, 1}, []uint32{nb.DataOffset(), nb.DataLength(), nb.CurrentMdlOffset()})
		assert.Same(t, o.chain.Next, nb.CurrentMdl())
		assert.Equal(t, "efg", string(ndis.NdisGetDataBuffer(k, nb, 3, nil, 1, 0).Bytes()))
		require.Equal(t, ok, ndis.NdisRetreatNetBufferDataStart(k, nb, 4, 0, nil))
		assert.Equal(t, "abcdefgh", text(k, nb))
		// There is no room in front: an MDL more, which goes again.
		require.Equal(t, ok, ndis.NdisRetreatNetBufferListDataStart(k, nbl, 3, 2, nil, nil))
		assert.NotSame(t, o.chain, nb.MdlChain())
		assert.Equal(t, []uint32{2, 11}, []uint32{nb.DataOffset(), nb.DataLength()})
		ndis.NdisAdvanceNetBufferListDataStart(k, nbl, 3, true, nil)
		assert.Same(t, o.chain, nb.MdlChain())
		assert.Equal(t, "abcdefgh", text(k, nb))
		ndis.NdisFreeNetBufferList(k, nbl)
		o.free(k)
	})
}

// TestNetBuffer_HandlersOfTheDriver: the MDL more comes from the driver and goes to it.
func TestNetBuffer_HandlersOfTheDriver(t *testing.T) {
	asDriver(t, func(k *irql.K) {
		o, more := chained(t, k, "data"), chained(t, k, "head")
		nbl := ndis.NdisAllocateNetBufferAndNetBufferList(k, o.lists, 0, 0, o.chain, 0, 4)
		s := ndis.NdisRetreatNetBufferListDataStart(k, nbl, 4, 0, func(_ *irql.K, size *uint32) *irp.MDL {
			assert.Equal(t, uint32(4), *size)
			return more.chain
		}, nil)
		require.Equal(t, ok, s)
		assert.Equal(t, "headdata", text(k, nbl.FirstNetBuffer()))
		given := 0
		ndis.NdisAdvanceNetBufferListDataStart(k, nbl, 4, true, func(_ *irql.K, mdl *irp.MDL) {
			given++
			assert.Same(t, more.chain, mdl)
		})
		assert.Equal(t, 1, given)
		none := func(*irql.K, *uint32) *irp.MDL { return nil }
		s = ndis.NdisRetreatNetBufferListDataStart(k, nbl, 4, 0, none, nil)
		assert.Equal(t, ndis.NDIS_STATUS_RESOURCES, s)
		ndis.NdisFreeNetBufferList(k, nbl)
		o.free(k)
		more.free(k)
	})
}

// TestNetBufferList_ClonesShareMemory: a clone begins where its parent does, and shares its bytes.
func TestNetBufferList_ClonesShareMemory(t *testing.T) {
	asDriver(t, func(k *irql.K) {
		o := chained(t, k, "headdata")
		nbl := ndis.NdisAllocateNetBufferAndNetBufferList(k, o.lists, 0, 0, o.chain, 4, 4)
		clone := ndis.NdisAllocateCloneNetBufferList(k, nbl, 0, 0, 0)
		assert.Same(t, nbl, clone.ParentNetBufferList())
		assert.Equal(t, int32(1), nbl.ChildRefCount())
		assert.Equal(t, "data", text(k, clone.FirstNetBuffer()))
		ndis.NdisRetreatNetBufferListDataStart(k, clone, 4, 0, nil, nil)
		assert.Equal(t, "headdata", text(k, clone.FirstNetBuffer()))
		assert.Equal(t, "data", text(k, nbl.FirstNetBuffer()), "the parent stays where it was")
		ndis.NdisGetDataBuffer(k, clone.FirstNetBuffer(), 8, nil, 1, 0).Store8(4, 'D')
		assert.Equal(t, "Data", text(k, nbl.FirstNetBuffer()))
		ndis.NdisFreeCloneNetBufferList(k, clone, 0)
		assert.Equal(t, int32(0), nbl.ChildRefCount())
		ndis.NdisFreeNetBufferList(k, nbl)
		o.free(k)
	})
}

// TestNetBuffer_CopiesAndMemoryOfThePool copies between a chain and memory that comes with the list.
func TestNetBuffer_CopiesAndMemoryOfThePool(t *testing.T) {
	asDriver(t, func(k *irql.K) {
		o := chained(t, k, "ab", "cd")
		src := ndis.NdisAllocateNetBuffer(k, o.bufs, o.chain, 0, 4)
		with := listPool(k, 8)
		nbl := ndis.NdisAllocateNetBufferAndNetBufferList(k, with, 0, 0, nil, 1, 6)
		dst := nbl.FirstNetBuffer()
		var n uint32
		require.Equal(t, ok, ndis.NdisCopyFromNetBufferToNetBuffer(k, dst, 0, 10, src, 1, &n))
		assert.Equal(t, uint32(3), n)
		require.Equal(t, ok, ndis.NdisCopyFromNetBufferToNetBuffer(k, dst, 3, 2, src, 0, &n))
		assert.Equal(t, "bcdab\x00", text(k, dst))
		assert.Nil(t, ndis.NdisAllocateNetBufferAndNetBufferList(k, with, 0, 0, o.chain, 0, 4),
			"a pool with memory takes no chain")
		ndis.NdisFreeNetBuffer(k, src)
		ndis.NdisFreeNetBufferList(k, nbl)
		ndis.NdisFreeNetBufferListPool(k, with)
		o.free(k)
	})
}

// TestFwpsConstructIpHeader builds a header in front of a UDP header, and replaces one.
func TestFwpsConstructIpHeader(t *testing.T) {
	asDriver(t, func(k *irql.K) {
		udp := "\x00\x35\x30\x39\x00\x0a\x00\x00hi" // 53 to 12345, without a checksum
		o := chained(t, k, udp)
		nbl := ndis.NdisAllocateNetBufferAndNetBufferList(k, o.lists, 0, 0, o.chain, 0, uint64(len(udp)))
		src, dst := address(k, dns.Addr()), address(k, web.Addr())
		build := func(n uint32, from *irp.Buffer) ntstatus.NTSTATUS {
			return fwps.FwpsConstructIpHeaderForTransportPacket0(k, nbl, n, ws2def.AF_INET, from, dst, 17, 0,
				nil, 0, 0, nil, 0, 0)
		}
		require.Equal(t, ok, build(0, src))
		b := text(k, nbl.FirstNetBuffer())
		require.Len(t, b, 20+len(udp))
		assert.Equal(t, "\x45\x00\x00\x1e", b[:4])
		assert.Equal(t, string(dns.Addr().AsSlice())+string(web.Addr().AsSlice()), b[12:20])
		assert.NotEqual(t, "\x00\x00", b[26:28], "the checksum is there now")
		require.Equal(t, ok, build(20, dst))
		b = text(k, nbl.FirstNetBuffer())
		assert.Equal(t, string(web.Addr().AsSlice())+string(web.Addr().AsSlice()), b[12:20])
		assert.Equal(t, "hi", b[28:])
		assert.Equal(t, ntstatus.STATUS_INVALID_PARAMETER, build(0, nil))
		fwps.FwpsFreeNetBufferList0(k, nbl)
		irp.ExFreePool(k, src)
		irp.ExFreePool(k, dst)
		o.free(k)
	})
}

// TestNetBufferLists_WrongHandles: what is no pool, and a pool that is in use or gone, are named.
func TestNetBufferLists_WrongHandles(t *testing.T) {
	for rule, act := range map[string]func(k *irql.K, lists ndis.NDIS_HANDLE){
		"POOL-007": func(k *irql.K, lists ndis.NDIS_HANDLE) {
			ndis.NdisAllocateNetBufferList(k, lists+1, 0, 0)
		},
		"WFP-165": func(k *irql.K, lists ndis.NDIS_HANDLE) {
			nbl := ndis.NdisAllocateNetBufferList(k, lists, 0, 0)
			assert.Equal(t, lists, nbl.NdisPoolHandle())
			assert.Nil(t, ndis.NdisAllocateNetBufferList(k, lists, 3, 0), "not a multiple of 16")
			ndis.NdisFreeNetBufferListPool(k, lists)
		},
		"POOL-013": func(k *irql.K, lists ndis.NDIS_HANDLE) {
			ndis.NdisFreeNetBufferListPool(k, lists)
			ndis.NdisFreeNetBufferListPool(k, lists)
		},
	} {
		l := newLab(t)
		d := l.load("ndis.sys", nil)
		d.as(func(k *irql.K) {
			assert.Zero(t, ndis.NdisAllocateNetBufferListPool(k, 0, nil))
			act(k, listPool(k, 0))
		})
		l.m.Run(nil)
		assert.Equal(t, []string{rule}, l.found())
	}
}

// TestNetBufferList_NextInACircle: a chain that leads back to itself is named and not made.
func TestNetBufferList_NextInACircle(t *testing.T) {
	l := newLab(t)
	d := l.load("ndis.sys", nil)
	d.as(func(k *irql.K) {
		lists := listPool(k, 0)
		a, b := ndis.NdisAllocateNetBufferList(k, lists, 0, 0), ndis.NdisAllocateNetBufferList(k, lists, 0, 0)
		a.SetNext(b)
		b.SetNext(a)
		assert.Nil(t, b.Next())
		ndis.NdisFreeNetBufferList(k, a)
		ndis.NdisFreeNetBufferList(k, b)
		ndis.NdisFreeNetBufferListPool(k, lists)
	})
	l.m.Run(nil)
	l.end(d)
	require.Len(t, l.m.Findings(), 1)
	assert.Equal(t, "livelock", l.m.Findings()[0].Kind)
}

// TestNetBuffer_LongerThanItsMemory: what DataLength says beyond the chain is not there.
func TestNetBuffer_LongerThanItsMemory(t *testing.T) {
	asDriver(t, func(k *irql.K) {
		o := chained(t, k, "abc")
		nbl := ndis.NdisAllocateNetBufferAndNetBufferList(k, o.lists, 0, 0, o.chain, 0, 3)
		nb := nbl.FirstNetBuffer()
		nb.SetDataLength(100)
		storage := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 100, tag)
		assert.Nil(t, ndis.NdisGetDataBuffer(k, nb, 100, storage, 1, 0))
		var n uint32
		require.Equal(t, ok, ndis.NdisCopyFromNetBufferToNetBuffer(k, nb, 0, 100, nb, 50, &n))
		assert.Zero(t, n)
		s := ndis.NdisRetreatNetBufferDataStart(k, nb, 1<<31, 1<<31, nil)
		assert.Equal(t, ndis.NDIS_STATUS_RESOURCES, s)
		irp.ExFreePool(k, storage)
		ndis.NdisFreeNetBufferList(k, nbl)
		o.free(k)
	})
}
