package fwpm_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// key makes keys of objects.
func key(n uint32) fwps.GUID { return fwps.GUID{Data1: n} }

func provider(k *irql.K, h irql.HANDLE, n, flags uint32) ntstatus.NTSTATUS {
	return fwpm.FwpmProviderAdd0(k, h, &fwpm.FWPM_PROVIDER0{ProviderKey: key(n), DisplayData: named,
		Flags: flags}, nil)
}

func context(change func(c *fwpm.FWPM_PROVIDER_CONTEXT0)) *fwpm.FWPM_PROVIDER_CONTEXT0 {
	c := &fwpm.FWPM_PROVIDER_CONTEXT0{ProviderContextKey: mine, DisplayData: named,
		Type: fwpm.FWPM_GENERAL_CONTEXT, DataBuffer: &fwps.FWP_BYTE_BLOB{Size: 2, Data: []byte("ab")}}
	if change != nil {
		change(c)
	}
	return c
}

func TestFwpmProviders(t *testing.T) {
	run(t, func(k *irql.K) {
		h := open(t, k, nil)
		one, two := key(1), key(2)
		require.Equal(t, ok, provider(k, h, 1, 0))
		assert.Equal(t, ntstatus.STATUS_FWP_ALREADY_EXISTS, provider(k, h, 1, 0))
		assert.Equal(t, ntstatus.STATUS_FWP_INVALID_FLAGS,
			provider(k, h, 2, fwpm.FWPM_PROVIDER_FLAG_DISABLED))
		assert.Equal(t, ntstatus.STATUS_FWP_NULL_DISPLAY_NAME,
			fwpm.FwpmProviderAdd0(k, h, &fwpm.FWPM_PROVIDER0{}, nil))
		var p *fwpm.FWPM_PROVIDER0
		require.Equal(t, ok, fwpm.FwpmProviderGetByKey0(k, h, &one, &p))
		assert.Equal(t, named, p.DisplayData)
		fwpm.FwpmFreeMemory0(k, &p)
		assert.Nil(t, p)
		assert.Equal(t, ntstatus.STATUS_FWP_PROVIDER_NOT_FOUND, fwpm.FwpmProviderGetByKey0(k, h, &two, &p))

		sub := &fwpm.FWPM_SUBLAYER0{SubLayerKey: mine, DisplayData: named, ProviderKey: &two}
		assert.Equal(t, ntstatus.STATUS_FWP_PROVIDER_NOT_FOUND, fwpm.FwpmSubLayerAdd0(k, h, sub, nil))
		sub.ProviderKey = &one
		require.Equal(t, ok, fwpm.FwpmSubLayerAdd0(k, h, sub, nil))
		assert.Equal(t, ntstatus.STATUS_FWP_IN_USE, fwpm.FwpmProviderDeleteByKey0(k, h, &one))
		require.Equal(t, ok, fwpm.FwpmSubLayerDeleteByKey0(k, h, &mine))
		assert.Equal(t, ok, fwpm.FwpmProviderDeleteByKey0(k, h, &one))
		assert.Equal(t, ntstatus.STATUS_FWP_PROVIDER_NOT_FOUND, fwpm.FwpmProviderDeleteByKey0(k, h, &one))
	})
}

func TestFwpmProviderContexts(t *testing.T) {
	run(t, func(k *irql.K) {
		h := open(t, k, nil)
		add := func(change func(c *fwpm.FWPM_PROVIDER_CONTEXT0)) ntstatus.NTSTATUS {
			return fwpm.FwpmProviderContextAdd0(k, h, context(change), nil, nil)
		}
		assert.Equal(t, ntstatus.STATUS_FWP_NULL_POINTER,
			add(func(c *fwpm.FWPM_PROVIDER_CONTEXT0) { c.DataBuffer = nil }))
		assert.Equal(t, ntstatus.STATUS_FWP_INVALID_ENUMERATOR,
			add(func(c *fwpm.FWPM_PROVIDER_CONTEXT0) { c.Type = 99 }))
		assert.Equal(t, ntstatus.STATUS_NOT_SUPPORTED,
			add(func(c *fwpm.FWPM_PROVIDER_CONTEXT0) { c.Type = fwpm.FWPM_IPSEC_KEYING_CONTEXT }))
		require.Equal(t, ok, add(nil))
		assert.Equal(t, ntstatus.STATUS_FWP_ALREADY_EXISTS, add(nil))

		var got *fwpm.FWPM_PROVIDER_CONTEXT0
		require.Equal(t, ok, fwpm.FwpmProviderContextGetByKey0(k, h, &mine, &got))
		assert.Equal(t, "ab", string(got.DataBuffer.Data))
		id := got.ProviderContextId
		require.Equal(t, ok, fwpm.FwpmProviderContextGetById0(k, h, id, &got))

		in := filter(func(f *fwpm.FWPM_FILTER0) { f.Flags = fwpm.FWPM_FILTER_FLAG_HAS_PROVIDER_CONTEXT })
		assert.Equal(t, ntstatus.STATUS_FWP_PROVIDER_CONTEXT_NOT_FOUND,
			fwpm.FwpmFilterAdd0(k, h, in, nil, nil))
		in.ProviderContextKey = mine
		var filterID uint64
		require.Equal(t, ok, fwpm.FwpmFilterAdd0(k, h, in, nil, &filterID))
		assert.Equal(t, ntstatus.STATUS_FWP_IN_USE, fwpm.FwpmProviderContextDeleteById0(k, h, id))
		require.Equal(t, ok, fwpm.FwpmFilterDeleteById0(k, h, filterID))
		assert.Equal(t, ok, fwpm.FwpmProviderContextDeleteByKey0(k, h, &mine))
	})
}

// TestFwpmLifetimes: an object may not refer to one that can vanish earlier. Reference: wfp.md 1.2.
func TestFwpmLifetimes(t *testing.T) {
	const persistent = fwpm.FWPM_FILTER_FLAG_PERSISTENT
	for _, c := range []struct {
		why             string
		dynamic         bool
		sublayer, asked uint32
		want            ntstatus.NTSTATUS
	}{
		{"static in static", false, 0, 0, ok},
		{"persistent in static", false, 0, persistent, ntstatus.STATUS_FWP_LIFETIME_MISMATCH},
		{"persistent in persistent", false, persistent, persistent, ok},
		{"static in persistent", false, persistent, 0, ok},
		{"for the start of the system in static", false, 0, fwpm.FWPM_FILTER_FLAG_BOOTTIME,
			ntstatus.STATUS_FWP_LIFETIME_MISMATCH},
		{"for the start of the system", false, persistent, fwpm.FWPM_FILTER_FLAG_BOOTTIME, ok},
		{"both", false, persistent, persistent | fwpm.FWPM_FILTER_FLAG_BOOTTIME,
			ntstatus.STATUS_FWP_INVALID_FLAGS},
		{"persistent in a dynamic session", true, 0, persistent,
			ntstatus.STATUS_FWP_DYNAMIC_SESSION_IN_PROGRESS},
		{"disabled", false, 0, fwpm.FWPM_FILTER_FLAG_DISABLED, ntstatus.STATUS_FWP_INVALID_FLAGS},
	} {
		run(t, func(k *irql.K) {
			s := &fwpm.FWPM_SESSION0{}
			if c.dynamic {
				s.Flags = fwpm.FWPM_SESSION_FLAG_DYNAMIC
			}
			h := open(t, k, s)
			sub := &fwpm.FWPM_SUBLAYER0{SubLayerKey: mine, DisplayData: named, Flags: c.sublayer}
			require.Equal(t, ok, fwpm.FwpmSubLayerAdd0(k, h, sub, nil))
			assert.Equal(t, c.want, fwpm.FwpmFilterAdd0(k, h, filter(func(f *fwpm.FWPM_FILTER0) {
				f.SubLayerKey, f.Flags = mine, c.asked
			}), nil, nil), c.why)
		})
	}
}

func TestFwpmLifetimes_PersistentOfAnotherProvider(t *testing.T) {
	run(t, func(k *irql.K) {
		h := open(t, k, nil)
		const persistent = 1
		one, two := key(1), key(2)
		require.Equal(t, ok, provider(k, h, 1, persistent))
		require.Equal(t, ok, provider(k, h, 2, persistent))
		sub := &fwpm.FWPM_SUBLAYER0{SubLayerKey: mine, DisplayData: named, Flags: persistent,
			ProviderKey: &one}
		require.Equal(t, ok, fwpm.FwpmSubLayerAdd0(k, h, sub, nil))
		add := func(p *fwps.GUID) ntstatus.NTSTATUS {
			return fwpm.FwpmFilterAdd0(k, h, filter(func(f *fwpm.FWPM_FILTER0) {
				f.SubLayerKey, f.Flags, f.ProviderKey = mine, persistent, p
			}), nil, nil)
		}
		assert.Equal(t, ntstatus.STATUS_FWP_LIFETIME_MISMATCH, add(&two))
		assert.Equal(t, ok, add(&one))
	})
}

func TestFwpmGet_DescribesWhatWasAdded(t *testing.T) {
	run(t, func(k *irql.K) {
		h := open(t, k, nil)
		var id uint32
		require.Equal(t, ok, fwpm.FwpmCalloutAdd0(k, h, &fwpm.FWPM_CALLOUT0{CalloutKey: mine,
			DisplayData: named, ApplicableLayer: layer}, nil, &id))
		var c *fwpm.FWPM_CALLOUT0
		require.Equal(t, ok, fwpm.FwpmCalloutGetById0(k, h, id, &c))
		assert.Equal(t, mine, c.CalloutKey)
		assert.Zero(t, c.Flags&fwpm.FWPM_CALLOUT_FLAG_REGISTERED)
		require.Equal(t, ok, fwpm.FwpmCalloutGetByKey0(k, h, &mine, &c))
		assert.Equal(t, id, c.CalloutId)
		assert.Equal(t, ntstatus.STATUS_FWP_CALLOUT_NOT_FOUND, fwpm.FwpmCalloutGetById0(k, h, id+1, &c))

		var l *fwpm.FWPM_SUBLAYER0
		require.Equal(t, ok, fwpm.FwpmSubLayerGetByKey0(k, h, &fwpm.FWPM_SUBLAYER_UNIVERSAL, &l))
		assert.Equal(t, fwpm.FWPM_SUBLAYER_UNIVERSAL, l.SubLayerKey)

		var fid uint64
		require.Equal(t, ok, fwpm.FwpmFilterAdd0(k, h, filter(nil), nil, &fid))
		var f *fwpm.FWPM_FILTER0
		require.Equal(t, ok, fwpm.FwpmFilterGetById0(k, h, fid, &f))
		assert.Equal(t, fwpm.FWPM_SUBLAYER_UNIVERSAL, f.SubLayerKey)
		assert.Equal(t, fwps.FWP_UINT64, f.EffectiveWeight.Type())
		f.DisplayData.Name = "scribbled on"
		same := f.FilterKey
		require.Equal(t, ok, fwpm.FwpmFilterGetByKey0(k, h, &same, &f))
		assert.Equal(t, named, f.DisplayData)
		assert.Equal(t, ntstatus.STATUS_FWP_FILTER_NOT_FOUND, fwpm.FwpmFilterGetByKey0(k, h, &mine, &f))
	})
}

// TestFwpmFilterEnum0_Pages: a snapshot, in pages. Reference: wfp.md 1.6.
func TestFwpmFilterEnum0_Pages(t *testing.T) {
	run(t, func(k *irql.K) {
		h, other := open(t, k, nil), open(t, k, nil)
		for range 3 {
			require.Equal(t, ok, fwpm.FwpmFilterAdd0(k, h, filter(nil), nil, nil))
		}
		var e irql.HANDLE
		require.Equal(t, ok, fwpm.FwpmFilterCreateEnumHandle0(k, h, nil, &e))
		require.Equal(t, ok, fwpm.FwpmFilterAdd0(k, h, filter(nil), nil, nil))
		var page []*fwpm.FWPM_FILTER0
		var n uint32
		for _, want := range []int{2, 1, 0} {
			require.Equal(t, ok, fwpm.FwpmFilterEnum0(k, h, e, 2, &page, &n))
			assert.Len(t, page, want)
			assert.Equal(t, uint32(want), n)
			fwpm.FwpmFreeMemory0(k, &page)
		}
		assert.Equal(t, ntstatus.STATUS_FWP_WRONG_SESSION, fwpm.FwpmFilterEnum0(k, other, e, 2, &page, &n))
		assert.Equal(t, ntstatus.STATUS_INVALID_HANDLE, fwpm.FwpmCalloutDestroyEnumHandle0(k, h, e))
		assert.Equal(t, ok, fwpm.FwpmFilterDestroyEnumHandle0(k, h, e))
		assert.Equal(t, ntstatus.STATUS_INVALID_HANDLE, fwpm.FwpmFilterEnum0(k, h, e, 2, &page, &n))
		assert.Equal(t, ntstatus.STATUS_FWP_NULL_POINTER, fwpm.FwpmFilterEnum0(k, h, e, 2, nil, &n))
	})
}

// TestFwpmFilterEnum0_Templates selects filters by conditions, weight and kind.
func TestFwpmFilterEnum0_Templates(t *testing.T) {
	on := func(c ...fwpm.FWPM_FILTER_CONDITION0) func(e *fwpm.FWPM_FILTER_ENUM_TEMPLATE0) {
		return func(e *fwpm.FWPM_FILTER_ENUM_TEMPLATE0) {
			e.FilterCondition, e.NumFilterConditions = c, uint32(len(c))
		}
	}
	for _, c := range []struct {
		why    string
		change func(e *fwpm.FWPM_FILTER_ENUM_TEMPLATE0)
		want   []string
		status ntstatus.NTSTATUS
	}{
		{"one layer", func(*fwpm.FWPM_FILTER_ENUM_TEMPLATE0) {}, []string{"all", "https", "block"}, ok},
		{"permits", func(e *fwpm.FWPM_FILTER_ENUM_TEMPLATE0) {
			e.ActionMask = uint32(fwps.FWP_ACTION_BLOCK) &^ uint32(fwps.FWP_ACTION_FLAG_TERMINATING)
		}, []string{"block"}, ok},
		{"no action", func(e *fwpm.FWPM_FILTER_ENUM_TEMPLATE0) { e.ActionMask = 0 }, nil,
			ntstatus.STATUS_FWP_NEVER_MATCH},
		{"https, contained", on(onPort(443)), []string{"all", "https", "block"}, ok},
		{"https, overlapping", func(e *fwpm.FWPM_FILTER_ENUM_TEMPLATE0) {
			on(onPort(443))(e)
			e.EnumType = fwpm.FWP_FILTER_ENUM_OVERLAPPING
		}, []string{"all", "https", "block"}, ok},
		{"http, contained", on(onPort(80)), []string{"all", "block"}, ok},
		{"a port twice", on(onPort(80), onPort(81)), nil, ntstatus.STATUS_FWP_DUPLICATE_CONDITION},
		{"best", func(e *fwpm.FWPM_FILTER_ENUM_TEMPLATE0) {
			e.Flags = fwpm.FWP_FILTER_ENUM_FLAG_BEST_TERMINATING_MATCH
		}, []string{"block"}, ok},
		{"sorted", func(e *fwpm.FWPM_FILTER_ENUM_TEMPLATE0) {
			e.Flags = fwpm.FWP_FILTER_ENUM_FLAG_SORTED
		}, []string{"block", "https", "all"}, ok},
		{"of the start too", func(e *fwpm.FWPM_FILTER_ENUM_TEMPLATE0) {
			e.Flags = fwpm.FWP_FILTER_ENUM_FLAG_INCLUDE_BOOTTIME
		}, []string{"all", "https", "block", "boot"}, ok},
		{"of the start", func(e *fwpm.FWPM_FILTER_ENUM_TEMPLATE0) {
			e.Flags = fwpm.FWP_FILTER_ENUM_FLAG_BOOTTIME_ONLY
		}, []string{"boot"}, ok},
		{"no layer", func(e *fwpm.FWPM_FILTER_ENUM_TEMPLATE0) { e.LayerKey = mine }, nil,
			ntstatus.STATUS_FWP_LAYER_NOT_FOUND},
	} {
		run(t, func(k *irql.K) {
			assert.Equal(t, c.want, enumerated(t, k, c.change, c.status), c.why)
		})
	}
}

// onPort is a condition on the remote port.
func onPort(n uint16) fwpm.FWPM_FILTER_CONDITION0 {
	return fwpm.FWPM_FILTER_CONDITION0{FieldKey: fwpm.FWPM_CONDITION_IP_REMOTE_PORT,
		MatchType:      fwpm.FWP_MATCH_EQUAL,
		ConditionValue: fwpm.FWP_CONDITION_VALUE0{Type: fwps.FWP_UINT16, Uint16: n}}
}

// enumerated adds filters and gives the names of those that a template selects.
func enumerated(t *testing.T, k *irql.K, change func(e *fwpm.FWPM_FILTER_ENUM_TEMPLATE0),
	want ntstatus.NTSTATUS) (names []string) {
	h := open(t, k, nil)
	add := func(name string, change func(f *fwpm.FWPM_FILTER0)) {
		f := filter(change)
		f.DisplayData.Name = name
		require.Equal(t, ok, fwpm.FwpmFilterAdd0(k, h, f, nil, nil))
	}
	add("all", func(f *fwpm.FWPM_FILTER0) { f.Weight = fwps.Uint64Value(1) })
	add("https", func(f *fwpm.FWPM_FILTER0) {
		f.Weight, f.NumFilterConditions = fwps.Uint64Value(2), 1
		f.FilterCondition = []fwpm.FWPM_FILTER_CONDITION0{onPort(443)}
	})
	add("block", func(f *fwpm.FWPM_FILTER0) {
		f.Weight, f.Action.Type = fwps.Uint64Value(3), fwps.FWP_ACTION_BLOCK
	})
	add("boot", func(f *fwpm.FWPM_FILTER0) { f.Flags = fwpm.FWPM_FILTER_FLAG_BOOTTIME })
	add("elsewhere", func(f *fwpm.FWPM_FILTER0) { f.LayerKey = fwpm.FWPM_LAYER_ALE_AUTH_LISTEN_V4 })
	e := &fwpm.FWPM_FILTER_ENUM_TEMPLATE0{LayerKey: layer, ActionMask: 0xFFFFFFFF}
	change(e)
	var handle irql.HANDLE
	require.Equal(t, want, fwpm.FwpmFilterCreateEnumHandle0(k, h, e, &handle))
	if want != ok {
		return nil
	}
	var page []*fwpm.FWPM_FILTER0
	var n uint32
	require.Equal(t, ok, fwpm.FwpmFilterEnum0(k, h, handle, 99, &page, &n))
	for _, f := range page {
		names = append(names, f.DisplayData.Name)
	}
	return names
}

// TestFwpmSubscribe_TellsOthersOfAddsAndDeletes. Reference: wfp.md 1.6.
func TestFwpmSubscribe_TellsOthersOfAddsAndDeletes(t *testing.T) {
	var got []fwpm.FWPM_SUBLAYER_CHANGE0
	run(t, func(k *irql.K) {
		watcher, h := open(t, k, nil), open(t, k, nil)
		want := &fwpm.FWPM_SUBLAYER_SUBSCRIPTION0{Flags: fwpm.FWPM_SUBSCRIPTION_FLAG_NOTIFY_ON_ADD |
			fwpm.FWPM_SUBSCRIPTION_FLAG_NOTIFY_ON_DELETE}
		called := func(k *irql.K, context any, change *fwpm.FWPM_SUBLAYER_CHANGE0) {
			assert.Equal(t, "mine", context)
			assert.Zero(t, irql.KeGetCurrentIrql(k))
			got = append(got, *change)
		}
		var change irql.HANDLE
		subscribe := func(s *fwpm.FWPM_SUBLAYER_SUBSCRIPTION0) ntstatus.NTSTATUS {
			return fwpm.FwpmSubLayerSubscribeChanges0(k, watcher, s, called, "mine", &change)
		}
		assert.Equal(t, ntstatus.STATUS_FWP_NEVER_MATCH, subscribe(&fwpm.FWPM_SUBLAYER_SUBSCRIPTION0{}))
		require.Equal(t, ok, fwpm.FwpmTransactionBegin0(k, watcher, 0))
		assert.Equal(t, ntstatus.STATUS_FWP_TXN_IN_PROGRESS, subscribe(want))
		require.Equal(t, ok, fwpm.FwpmTransactionAbort0(k, watcher))
		require.Equal(t, ok, subscribe(want))

		require.Equal(t, ok, sublayer(k, watcher, key(9)), "its own change is not told")
		require.Equal(t, ok, fwpm.FwpmTransactionBegin0(k, h, 0))
		require.Equal(t, ok, sublayer(k, h, key(1)))
		require.Equal(t, ok, fwpm.FwpmTransactionAbort0(k, h))
		require.Equal(t, ok, sublayer(k, h, mine))
		require.Equal(t, ok, fwpm.FwpmSubLayerDeleteByKey0(k, h, &mine))
		due := int64(-10_000)
		irql.KeDelayExecutionThread(k, irql.KernelMode, false, &due)
		assert.Equal(t, ntstatus.STATUS_FWP_WRONG_SESSION, fwpm.FwpmSubLayerUnsubscribeChanges0(k, h, change))
		assert.Equal(t, ntstatus.STATUS_INVALID_HANDLE,
			fwpm.FwpmFilterUnsubscribeChanges0(k, watcher, change))
		require.Equal(t, ok, fwpm.FwpmSubLayerUnsubscribeChanges0(k, watcher, change))
		require.Equal(t, ok, sublayer(k, h, key(3)))
	})
	assert.Equal(t, []fwpm.FWPM_SUBLAYER_CHANGE0{{ChangeType: fwpm.FWPM_CHANGE_ADD, SubLayerKey: mine},
		{ChangeType: fwpm.FWPM_CHANGE_DELETE, SubLayerKey: mine}}, got)
}
