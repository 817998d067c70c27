package fwps_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/fwps"
	"calloutsim/fwps/ndis"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// TestTagging_ContextGoesWithThePacket: a context is put on a datagram, found at a later layer, moved to the
// clone of it, found on the packet that the clone becomes, and removed when that leaves the stack
// (wfp.md 16.4).
func TestTagging_ContextGoesWithThePacket(t *testing.T) {
	l := newLab(t)
	l.far("")
	var tag uint64
	var story []string
	notify := func(k *irql.K, event fwps.FWPS_NET_BUFFER_LIST_EVENT_TYPE0, nbl, clone *ndis.NET_BUFFER_LIST,
		layer uint16, context, of uint64) {
		assert.Equal(t, tag, of)
		assert.Equal(t, uint64(7), context)
		if event == fwps.FWPS_NET_BUFFER_LIST_CONTEXT_REMOVED {
			story = append(story, "removed")
			return
		}
		story = append(story, "cloned")
		require.Equal(t, fwps.FWPS_NET_BUFFER_LIST_CLONED_VIA_WFP_API, event)
	}
	look := func(k *irql.K, nbl *ndis.NET_BUFFER_LIST, remove bool) bool {
		var context uint64
		s := fwps.FwpsNetBufferListRetrieveContext0(k, nbl, tag, remove, 0, &context)
		if s == ok {
			assert.Equal(t, uint64(7), context)
		}
		return s == ok
	}
	put := func(i *injector, k *irql.K, nbl *ndis.NET_BUFFER_LIST) {
		require.Equal(t, ok, fwps.FwpsNetBufferListAssociateContext0(k, nbl, fwps.FWPS_LAYER_DATAGRAM_DATA_V4,
			7, tag, &fwps.GUID{Data1: 1}, i.dev, notify, 0))
	}
	i := l.injects("inject.sys", atDatagram, transport, atOut(func(i *injector, a *args) {
		if i.own(a) {
			assert.True(t, look(a.k, a.list(), false), "it has come along with the clone")
			story = append(story, "found")
			return
		}
		tag = fwps.FwpsNetBufferListGetTagForContext0(a.k)
		assert.False(t, look(a.k, a.list(), false))
		put(i, a.k, a.list())
		x := a.takeOut(dns.Addr())
		assert.False(t, look(a.k, x.nbl, false), "it is not copied")
		require.True(t, look(a.k, a.list(), true))
		put(i, a.k, x.nbl)
		i.later(a.k, func(k *irql.K) { i.putOut(k, x) })
	}))
	l.asksDNS("who?")
	assert.Equal(t, []string{"cloned", "found", "removed"}, story)
	l.end(i.driver)
	l.silent()
}

// TestTagging_RemovedByTheDriver: FwpsNetBufferListRemoveContext0 tells notifyFn from a delivery.
func TestTagging_RemovedByTheDriver(t *testing.T) {
	l := newLab(t)
	l.far("")
	told := 0
	i := l.injects("inject.sys", atDatagram, transport, atOut(func(i *injector, a *args) {
		a.permit()
		tag := fwps.FwpsNetBufferListGetTagForContext0(a.k)
		assert.Equal(t, ntstatus.STATUS_NOT_FOUND, fwps.FwpsNetBufferListRemoveContext0(a.k, nil, tag, 0))
		s := fwps.FwpsNetBufferListAssociateContext1(a.k, a.list(), 0, 7, tag, nil, i.dev, told1(&told), 0)
		require.Equal(t, ok, s)
		require.Equal(t, ok, fwps.FwpsNetBufferListRemoveContext0(a.k, nil, tag, 0))
		assert.Zero(t, told, "not in the call")
	}))
	l.asksDNS("who?")
	assert.Equal(t, 1, told)
	l.end(i.driver)
	l.silent()
}

func told1(n *int) fwps.FWPS_NET_BUFFER_LIST_NOTIFY_FN1 {
	return func(*irql.K, fwps.FWPS_NET_BUFFER_LIST_EVENT_TYPE0, *ndis.NET_BUFFER_LIST, *ndis.NET_BUFFER_LIST,
		uint16, uint64, uint64) ntstatus.NTSTATUS {
		*n++
		return ok
	}
}

// tagging puts a context on each datagram, with or without notifyFn.
func tagging(notify fwps.FWPS_NET_BUFFER_LIST_NOTIFY_FN1) func(l *lab) {
	return outgoing(func(i *injector, a *args) {
		a.permit()
		tag := fwps.FwpsNetBufferListGetTagForContext0(a.k)
		fwps.FwpsNetBufferListAssociateContext1(a.k, a.list(), 0, 7, tag, nil, i.dev, notify, 0)
	})
}
