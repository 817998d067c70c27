package fwpm_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/internal/ke"
	"calloutsim/internal/subsystems"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

const ok = ntstatus.STATUS_SUCCESS

var (
	layer = fwpm.FWPM_LAYER_ALE_AUTH_CONNECT_V4
	named = fwpm.FWPM_DISPLAY_DATA0{Name: "test"}
	mine  = fwps.GUID{Data1: 1}
)

// run plays fn in a system thread and returns the machine.
func run(t *testing.T, fns ...func(k *irql.K)) *ke.Machine {
	t.Helper()
	m := ke.New(ke.Config{Subsystems: subsystems.All(), Events: -1})
	t.Cleanup(m.Close)
	for _, fn := range fns {
		m.NewThread("test", nil, fn)
	}
	m.Run(nil)
	return m
}

func open(t *testing.T, k *irql.K, s *fwpm.FWPM_SESSION0) (h irql.HANDLE) {
	require.Equal(t, ok, fwpm.FwpmEngineOpen0(k, "", fwpm.RPC_C_AUTHN_WINNT, nil, s, &h))
	return h
}

func sublayer(k *irql.K, h irql.HANDLE, key fwps.GUID) ntstatus.NTSTATUS {
	return fwpm.FwpmSubLayerAdd0(k, h, &fwpm.FWPM_SUBLAYER0{SubLayerKey: key, DisplayData: named}, nil)
}

func filter(change func(f *fwpm.FWPM_FILTER0)) *fwpm.FWPM_FILTER0 {
	f := &fwpm.FWPM_FILTER0{DisplayData: named, LayerKey: layer,
		Action: fwpm.FWPM_ACTION0{Type: fwps.FWP_ACTION_PERMIT}}
	if change != nil {
		change(f)
	}
	return f
}

func TestFwpmTransaction_CommitAndAbort(t *testing.T) {
	run(t, func(k *irql.K) {
		h := open(t, k, nil)
		require.Equal(t, ok, fwpm.FwpmTransactionBegin0(k, h, 0))
		require.Equal(t, ok, fwpm.FwpmFilterAdd0(k, h, filter(nil), nil, nil))
		assert.Empty(t, fwps.Sim.Policy(k).Filters(), "not in force before the commit")
		require.Equal(t, ok, fwpm.FwpmTransactionAbort0(k, h))
		assert.Empty(t, fwps.Sim.Policy(k).Filters())
		require.Equal(t, ok, fwpm.FwpmTransactionBegin0(k, h, 0))
		require.Equal(t, ok, fwpm.FwpmFilterAdd0(k, h, filter(nil), nil, nil))
		require.Equal(t, ntstatus.STATUS_FWP_LAYER_NOT_FOUND,
			fwpm.FwpmFilterAdd0(k, h, filter(func(f *fwpm.FWPM_FILTER0) { f.LayerKey = mine }), nil, nil))
		require.Equal(t, ok, fwpm.FwpmTransactionCommit0(k, h))
		assert.Len(t, fwps.Sim.Policy(k).Filters(), 1, "a failing call inside does not abort the transaction")
		require.Equal(t, ok, fwpm.FwpmEngineClose0(k, h))
		assert.Equal(t, ntstatus.STATUS_INVALID_HANDLE, fwpm.FwpmEngineClose0(k, h))
	})
}

func TestFwpmTransaction_CloseAborts(t *testing.T) {
	run(t, func(k *irql.K) {
		h := open(t, k, nil)
		require.Equal(t, ok, fwpm.FwpmTransactionBegin0(k, h, 0))
		require.Equal(t, ok, fwpm.FwpmFilterAdd0(k, h, filter(nil), nil, nil))
		require.Equal(t, ok, fwpm.FwpmEngineClose0(k, h))
		assert.Empty(t, fwps.Sim.Policy(k).Filters())
		h = open(t, k, nil)
		require.Equal(t, ok, fwpm.FwpmTransactionBegin0(k, h, 0), "the lock is free")
	})
}

func TestFwpmTransaction_OneAtATime(t *testing.T) {
	var got []ntstatus.NTSTATUS
	m := run(t, func(k *irql.K) {
		h := open(t, k, nil)
		require.Equal(t, ok, fwpm.FwpmTransactionBegin0(k, h, 0))
		due := int64(-20 * ke.Second)
		irql.KeDelayExecutionThread(k, irql.KernelMode, false, &due)
		fwpm.FwpmTransactionCommit0(k, h)
	}, func(k *irql.K) {
		h := open(t, k, nil)
		got = append(got, sublayer(k, h, mine))
		patient := open(t, k, &fwpm.FWPM_SESSION0{TxnWaitTimeoutInMSec: 0xFFFFFFFF})
		got = append(got, sublayer(k, patient, mine))
	})
	assert.Equal(t, []ntstatus.NTSTATUS{ntstatus.STATUS_FWP_TIMEOUT, ok}, got)
	assert.Empty(t, m.Findings())
}

func TestFwpmTransaction_ReadersShare(t *testing.T) {
	run(t, func(k *irql.K) {
		a, b := open(t, k, nil), open(t, k, nil)
		require.Equal(t, ok, fwpm.FwpmTransactionBegin0(k, a, fwpm.FWPM_TXN_READ_ONLY))
		require.Equal(t, ok, fwpm.FwpmTransactionBegin0(k, b, fwpm.FWPM_TXN_READ_ONLY))
		assert.Equal(t, ntstatus.STATUS_FWP_INCOMPATIBLE_TXN, sublayer(k, a, mine))
	})
}

func TestFwpmEngineClose0_DynamicObjectsVanish(t *testing.T) {
	run(t, func(k *irql.K) {
		h := open(t, k, &fwpm.FWPM_SESSION0{Flags: fwpm.FWPM_SESSION_FLAG_DYNAMIC})
		static := open(t, k, nil)
		require.Equal(t, ok, sublayer(k, h, mine))
		in := filter(func(f *fwpm.FWPM_FILTER0) { f.SubLayerKey = mine })
		assert.Equal(t, ntstatus.STATUS_FWP_LIFETIME_MISMATCH, fwpm.FwpmFilterAdd0(k, static, in, nil, nil))
		require.Equal(t, ok, fwpm.FwpmFilterAdd0(k, h, in, nil, nil))
		require.Equal(t, ok, fwpm.FwpmFilterAdd0(k, static, filter(nil), nil, nil))
		assert.Equal(t, ntstatus.STATUS_FWP_WRONG_SESSION, fwpm.FwpmSubLayerDeleteByKey0(k, static, &mine))
		assert.Equal(t, ntstatus.STATUS_FWP_IN_USE, fwpm.FwpmSubLayerDeleteByKey0(k, h, &mine))
		require.Equal(t, ok, fwpm.FwpmEngineClose0(k, h))
		assert.Len(t, fwps.Sim.Policy(k).Filters(), 1)
		assert.Nil(t, fwps.Sim.Policy(k).Sublayer(mine))
	})
}

// addCase is a filter and what FwpmFilterAdd0 says about it.
type addCase struct {
	why  string
	make func(f *fwpm.FWPM_FILTER0)
	want ntstatus.NTSTATUS
}

func (c *addCase) try(t *testing.T) {
	run(t, func(k *irql.K) {
		h := open(t, k, nil)
		var id uint64
		assert.Equal(t, c.want, fwpm.FwpmFilterAdd0(k, h, filter(c.make), nil, &id), c.why)
		assert.Equal(t, c.want == ok, id != 0, c.why)
	})
}

func TestFwpmFilterAdd0_Statuses(t *testing.T) {
	for _, c := range []addCase{
		{"plain", nil, ok},
		{"no name", func(f *fwpm.FWPM_FILTER0) { f.DisplayData.Name = "" },
			ntstatus.STATUS_FWP_NULL_DISPLAY_NAME},
		{"no sublayer", func(f *fwpm.FWPM_FILTER0) { f.SubLayerKey = mine },
			ntstatus.STATUS_FWP_SUBLAYER_NOT_FOUND},
		{"weight range 16", func(f *fwpm.FWPM_FILTER0) { f.Weight = fwps.Uint8Value(16) },
			ntstatus.STATUS_FWP_INVALID_WEIGHT},
		{"weight of 16 bits", func(f *fwpm.FWPM_FILTER0) { f.Weight = fwps.Uint16Value(1) },
			ntstatus.STATUS_FWP_INVALID_WEIGHT},
		{"exact weight", func(f *fwpm.FWPM_FILTER0) { f.Weight = fwps.Uint64Value(77) }, ok},
		{"continue", func(f *fwpm.FWPM_FILTER0) { f.Action.Type = fwps.FWP_ACTION_CONTINUE },
			ntstatus.STATUS_FWP_INVALID_ACTION_TYPE},
		{"permit if unregistered without callout", func(f *fwpm.FWPM_FILTER0) {
			f.Flags = fwpm.FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED
		}, ntstatus.STATUS_FWP_INVALID_FLAGS},
	} {
		c.try(t)
	}
}

func TestFwpmFilterAdd0_StatusesOfConditions(t *testing.T) {
	condition := func(key fwps.GUID, m fwpm.FWP_MATCH_TYPE,
		v fwpm.FWP_CONDITION_VALUE0) fwpm.FWPM_FILTER_CONDITION0 {
		return fwpm.FWPM_FILTER_CONDITION0{FieldKey: key, MatchType: m, ConditionValue: v}
	}
	conditions := func(c ...fwpm.FWPM_FILTER_CONDITION0) func(f *fwpm.FWPM_FILTER0) {
		return func(f *fwpm.FWPM_FILTER0) { f.FilterCondition, f.NumFilterConditions = c, uint32(len(c)) }
	}
	tcp := fwpm.FWP_CONDITION_VALUE0{Type: fwps.FWP_UINT8, Uint8: 6}
	port := func(n uint16) fwpm.FWPM_FILTER_CONDITION0 {
		return condition(fwpm.FWPM_CONDITION_IP_REMOTE_PORT, fwpm.FWP_MATCH_EQUAL,
			fwpm.FWP_CONDITION_VALUE0{Type: fwps.FWP_UINT16, Uint16: n})
	}
	span := func(low, high uint16) fwpm.FWPM_FILTER_CONDITION0 {
		return condition(fwpm.FWPM_CONDITION_IP_REMOTE_PORT, fwpm.FWP_MATCH_RANGE, fwpm.FWP_CONDITION_VALUE0{
			Type:       fwps.FWP_RANGE_TYPE,
			RangeValue: &fwpm.FWP_RANGE0{ValueLow: fwps.Uint16Value(low), ValueHigh: fwps.Uint16Value(high)}})
	}
	net := func(addr, mask uint32) fwpm.FWPM_FILTER_CONDITION0 {
		return condition(fwpm.FWPM_CONDITION_IP_REMOTE_ADDRESS, fwpm.FWP_MATCH_EQUAL,
			fwpm.FWP_CONDITION_VALUE0{
				Type: fwps.FWP_V4_ADDR_MASK, V4AddrMask: &fwps.FWP_V4_ADDR_AND_MASK{Addr: addr, Mask: mask}})
	}
	proto := fwpm.FWPM_CONDITION_IP_PROTOCOL
	for _, c := range []addCase{
		{"protocol and port", conditions(condition(proto, fwpm.FWP_MATCH_EQUAL, tcp), port(443)), ok},
		{"two ports side by side", conditions(port(80), port(443)), ok},
		{"two ports apart", conditions(port(80), condition(proto, fwpm.FWP_MATCH_EQUAL, tcp), port(443)),
			ntstatus.STATUS_FWP_DUPLICATE_CONDITION},
		{"unknown field", conditions(condition(mine, fwpm.FWP_MATCH_EQUAL, tcp)),
			ntstatus.STATUS_FWP_CONDITION_NOT_FOUND},
		{"wrong type", conditions(condition(proto, fwpm.FWP_MATCH_EQUAL,
			fwpm.FWP_CONDITION_VALUE0{Type: fwps.FWP_UINT32})), ntstatus.STATUS_FWP_TYPE_MISMATCH},
		{"wrong comparison", conditions(condition(proto, fwpm.FWP_MATCH_PREFIX, tcp)),
			ntstatus.STATUS_FWP_MATCH_TYPE_MISMATCH},
		{"no comparison", conditions(condition(proto, 99, tcp)), ntstatus.STATUS_FWP_INVALID_ENUMERATOR},
		{"range", conditions(span(1, 1023)), ok},
		{"range backwards", conditions(span(9, 1)), ntstatus.STATUS_FWP_INVALID_RANGE},
		{"network", conditions(net(0x0A000000, 0xFF000000)), ok},
		{"mask with a hole", conditions(net(0x0A000000, 0xFF00FF00)), ntstatus.STATUS_FWP_INVALID_NET_MASK},
		{"more conditions than there are", func(f *fwpm.FWPM_FILTER0) { f.NumFilterConditions = 1 },
			ntstatus.STATUS_FWP_INVALID_PARAMETER},
		{"an IPv6 mask on an IPv4 address", conditions(condition(fwpm.FWPM_CONDITION_IP_REMOTE_ADDRESS,
			fwpm.FWP_MATCH_EQUAL, fwpm.FWP_CONDITION_VALUE0{Type: fwps.FWP_V6_ADDR_MASK,
				V6AddrMask: &fwps.FWP_V6_ADDR_AND_MASK{PrefixLength: 8}})),
			ntstatus.STATUS_FWP_TYPE_MISMATCH},
		{"nobody knows it", conditions(condition(fwpm.FWPM_CONDITION_IP_LOCAL_ADDRESS, fwpm.FWP_MATCH_EQUAL,
			fwpm.FWP_CONDITION_VALUE0{})), ok},
		{"more than nobody knows", conditions(condition(fwpm.FWPM_CONDITION_IP_LOCAL_ADDRESS,
			fwpm.FWP_MATCH_GREATER, fwpm.FWP_CONDITION_VALUE0{})), ntstatus.STATUS_FWP_MATCH_TYPE_MISMATCH},
		{"an end of a path", conditions(condition(fwpm.FWPM_CONDITION_ALE_APP_ID, fwpm.FWP_MATCH_PREFIX,
			blob("exe"))), ok},
		{"a path without regard to case", conditions(condition(fwpm.FWPM_CONDITION_ALE_APP_ID,
			fwpm.FWP_MATCH_EQUAL_CASE_INSENSITIVE, blob("exe"))), ntstatus.STATUS_FWP_MATCH_TYPE_MISMATCH},
		{"flags of a path", conditions(condition(fwpm.FWPM_CONDITION_ALE_APP_ID,
			fwpm.FWP_MATCH_FLAGS_ANY_SET, blob("exe"))), ntstatus.STATUS_FWP_MATCH_TYPE_MISMATCH},
		{"a descriptor with pointers", conditions(condition(fwpm.FWPM_CONDITION_ALE_USER_ID,
			fwpm.FWP_MATCH_EQUAL, sd(0))), ntstatus.STATUS_INVALID_SECURITY_DESCR},
		{"a field of another layer", conditions(condition(fwpm.FWPM_CONDITION_INTERFACE_MAC_ADDRESS,
			fwpm.FWP_MATCH_EQUAL, tcp)), ntstatus.STATUS_FWP_CONDITION_NOT_FOUND},
		{"blob missing", conditions(condition(fwpm.FWPM_CONDITION_ALE_APP_ID, fwpm.FWP_MATCH_EQUAL,
			fwpm.FWP_CONDITION_VALUE0{Type: fwps.FWP_BYTE_BLOB_TYPE})), ntstatus.STATUS_FWP_NULL_POINTER},
	} {
		c.try(t)
	}
}

// blob is a value of bytes.
func blob(text string) fwpm.FWP_CONDITION_VALUE0 {
	return fwpm.FWP_CONDITION_VALUE0{Type: fwps.FWP_BYTE_BLOB_TYPE,
		ByteBlob: &fwps.FWP_BYTE_BLOB{Size: uint32(len(text)), Data: []byte(text)}}
}

// sd is a security descriptor with these control bits in the second byte.
func sd(control byte) fwpm.FWP_CONDITION_VALUE0 {
	b := make([]byte, 20)
	b[0], b[3] = 1, control
	return fwpm.FWP_CONDITION_VALUE0{Type: fwps.FWP_SECURITY_DESCRIPTOR_TYPE,
		Sd: &fwps.FWP_BYTE_BLOB{Size: 20, Data: b}}
}

// TestFwpmFilterAdd0_ValueNobodyWorksOut tells of a condition that the simulator cannot meet.
func TestFwpmFilterAdd0_ValueNobodyWorksOut(t *testing.T) {
	add := func(key fwps.GUID, v fwpm.FWP_CONDITION_VALUE0) *ke.Machine {
		return run(t, func(k *irql.K) {
			f := filter(func(f *fwpm.FWPM_FILTER0) {
				f.NumFilterConditions, f.FilterCondition = 1, []fwpm.FWPM_FILTER_CONDITION0{{FieldKey: key,
					MatchType: fwpm.FWP_MATCH_EQUAL, ConditionValue: v}}
			})
			assert.Equal(t, ok, fwpm.FwpmFilterAdd0(k, open(t, k, nil), f, nil, nil))
		})
	}
	found := add(fwpm.FWPM_CONDITION_ALE_USER_ID, sd(0x80)).Findings()
	require.Len(t, found, 1)
	assert.Equal(t, irp.NotModelled, found[0].Kind)
	assert.Contains(t, found[0].Headline, "ALE_USER_ID at ALE_AUTH_CONNECT_V4: access tokens are not")
	assert.Empty(t, add(fwpm.FWPM_CONDITION_ALE_USER_ID, fwpm.FWP_CONDITION_VALUE0{}).Findings())
}

func TestFwpmObjects_KeysAndDeletion(t *testing.T) {
	run(t, func(k *irql.K) {
		h := open(t, k, nil)
		callout := &fwpm.FWPM_CALLOUT0{CalloutKey: mine, DisplayData: named, ApplicableLayer: layer}
		var id uint32
		require.Equal(t, ok, fwpm.FwpmCalloutAdd0(k, h, callout, nil, &id))
		assert.Equal(t, ntstatus.STATUS_FWP_ALREADY_EXISTS, fwpm.FwpmCalloutAdd0(k, h, callout, nil, nil))
		assert.Equal(t, ntstatus.STATUS_FWP_CALLOUT_NOT_FOUND, fwpm.FwpmCalloutDeleteById0(k, h, id+1))
		assert.Equal(t, ok, fwpm.FwpmCalloutDeleteById0(k, h, id))
		assert.Equal(t, ntstatus.STATUS_FWP_CALLOUT_NOT_FOUND, fwpm.FwpmCalloutDeleteByKey0(k, h, &mine))

		require.Equal(t, ok, sublayer(k, h, mine))
		assert.Equal(t, ntstatus.STATUS_FWP_ALREADY_EXISTS, sublayer(k, h, mine))
		assert.Equal(t, ok, fwpm.FwpmSubLayerDeleteByKey0(k, h, &mine))
		assert.Equal(t, ntstatus.STATUS_FWP_SUBLAYER_NOT_FOUND, fwpm.FwpmSubLayerDeleteByKey0(k, h, &mine))
		assert.Equal(t, ntstatus.STATUS_FWP_BUILTIN_OBJECT,
			fwpm.FwpmSubLayerDeleteByKey0(k, h, &fwpm.FWPM_SUBLAYER_UNIVERSAL))

		keyed := filter(func(f *fwpm.FWPM_FILTER0) { f.FilterKey = mine })
		require.Equal(t, ok, fwpm.FwpmFilterAdd0(k, h, keyed, nil, nil))
		assert.Equal(t, ntstatus.STATUS_FWP_ALREADY_EXISTS, fwpm.FwpmFilterAdd0(k, h, keyed, nil, nil))
		assert.Equal(t, ok, fwpm.FwpmFilterDeleteByKey0(k, h, &mine))
		assert.Equal(t, ntstatus.STATUS_FWP_FILTER_NOT_FOUND, fwpm.FwpmFilterDeleteById0(k, h, 1))
	})
}

func TestFwpmEngineOpen0_OnlyThisMachine(t *testing.T) {
	run(t, func(k *irql.K) {
		var h irql.HANDLE
		assert.Equal(t, ntstatus.STATUS_INVALID_PARAMETER, fwpm.FwpmEngineOpen0(k, "server", 10, nil, nil,
			&h))
		assert.Equal(t, ntstatus.STATUS_INVALID_PARAMETER, fwpm.FwpmEngineOpen0(k, "", 1, nil, nil, &h))
		assert.Equal(t, ntstatus.STATUS_FWP_NULL_POINTER, fwpm.FwpmEngineOpen0(k, "", 10, nil, nil, nil))
	})
}
