package fwps_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/internal/tcpip"
	"calloutsim/irql"
)

// TestSetPolicy_KeepsWhatIsWantedInStep follows the bits of the stations through additions, deletions and
// transactions that end either way.
func TestSetPolicy_KeepsWhatIsWantedInStep(t *testing.T) {
	l := newLab(t)
	wanted := func(k *irql.K) (out []tcpip.Layer) {
		for s := tcpip.Layer(1); s < tcpip.Layers; s++ {
			require.False(t, tcpip.Of(k).Wants(s, true), "nobody filters IPv6")
			if tcpip.Of(k).Wants(s, false) {
				out = append(out, s)
			}
		}
		return out
	}
	var auth, flow uint64
	d := l.load("plain.sys", func(k *irql.K, d *driver) {
		assert.Empty(t, wanted(k))
		d.sublayer(k, atAuth)
		assert.Empty(t, wanted(k))
		require.Equal(t, ok, d.addFilter(k, atAuth.doing(fwps.FWP_ACTION_PERMIT, 0), nil, &auth))
		assert.Equal(t, []tcpip.Layer{tcpip.AuthConnect}, wanted(k))

		require.Equal(t, ok, fwpm.FwpmTransactionBegin0(k, d.engine, 0))
		require.Equal(t, ok, d.addFilter(k, atFlow.doing(fwps.FWP_ACTION_PERMIT, 0), nil, &flow))
		require.Equal(t, ok, fwpm.FwpmFilterDeleteById0(k, d.engine, auth))
		assert.Equal(t, []tcpip.Layer{tcpip.AuthConnect}, wanted(k), "not committed yet")
		require.Equal(t, ok, fwpm.FwpmTransactionCommit0(k, d.engine))
		assert.Equal(t, []tcpip.Layer{tcpip.FlowEstablished}, wanted(k))

		require.Equal(t, ok, fwpm.FwpmTransactionBegin0(k, d.engine, 0))
		require.Equal(t, ok, fwpm.FwpmFilterDeleteById0(k, d.engine, flow))
		require.Equal(t, ok, fwpm.FwpmTransactionAbort0(k, d.engine))
		assert.Equal(t, []tcpip.Layer{tcpip.FlowEstablished}, wanted(k))
	})
	l.end(d)
	l.m.NewThread("looks", nil, func(k *irql.K) {
		assert.Empty(t, wanted(k), "a dynamic session takes its filters along")
	})
	l.m.Run(nil)
	l.silent()
}

// TestWants_ALayerNobodyFiltersIsSilent plays a connection past filters of other layers.
func TestWants_ALayerNobodyFiltersIsSilent(t *testing.T) {
	l := newLab(t)
	d := l.load("plain.sys", func(k *irql.K, d *driver) {
		d.plain(k, atFlow.doing(fwps.FWP_ACTION_PERMIT, 0))
	})
	before := len(l.m.Choices())
	c := l.connect()
	require.Equal(t, 1, c.answers)
	require.True(t, c.answer.Permit)
	require.Empty(t, fwps.Sim.Dump(l.m, 0), "no classification")
	require.Len(t, l.m.Choices(), before)
	l.end(d)
}
