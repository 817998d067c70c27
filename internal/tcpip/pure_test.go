package tcpip

import (
	"math"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"calloutsim/ntstatus"
)

const ids = ntstatus.STATUS_INVALID_DEVICE_STATE

func TestNext_CallsOutOfOrderAreRefusedAndChangeNothing(t *testing.T) {
	for _, c := range []struct {
		s  State
		in Input
	}{
		{Created, CallConnect}, {Created, CallListen}, {Created, CallFin}, {Bound, CallBind}, {Connecting,
			CallConnect},
		{Connected, CallConnect}, {Connected, CallBind}, {LocalFin, CallFin}, {BothFin, CallFin}, {Aborted,
			CallAbort},
		{Listening, CallConnect}, {Closed, CallClose}, {Closed, CallBind},
	} {
		n, s := Next(c.s, c.in)
		assert.Equal(t, ids, s, "%v", c)
		assert.Equal(t, c.s, n, "%v", c)
	}
}

func TestNext_BothWaysToBothFin(t *testing.T) {
	for _, order := range [][]Input{{CallFin, FinArrived}, {FinArrived, CallFin}} {
		s := Connected
		for _, in := range order {
			n, st := Next(s, in)
			require.Equal(t, ntstatus.STATUS_SUCCESS, st)
			s = n
		}
		assert.Equal(t, BothFin, s)
	}
}

func TestNext_ClosedIsFinal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, closed := Created, false
		for _, in := range rapid.SliceOf(rapid.IntRange(0, int(numInputs)-1)).Draw(t, "inputs") {
			n, st := Next(s, Input(in))
			if st != ntstatus.STATUS_SUCCESS && n != s {
				t.Fatalf("%v: refused and yet changed to %v", s, n)
			}
			s = n
			closed = closed || Input(in) == CallClose && st == ntstatus.STATUS_SUCCESS
			if closed && s != Closed {
				t.Fatalf("left closed for %v", s)
			}
		}
	})
}

func b(s string, how Sharing) binding { return binding{netip.MustParseAddrPort(s), how} }

func TestConflict_TableOfAddressSharing(t *testing.T) {
	const (
		ok    = ntstatus.STATUS_SUCCESS
		inuse = ntstatus.STATUS_ADDRESS_ALREADY_EXISTS
		den   = ntstatus.STATUS_ACCESS_DENIED
	)
	w, s := "0.0.0.0:80", "192.0.2.10:80"
	for _, c := range []struct {
		second, first binding
		want          ntstatus.NTSTATUS
	}{
		{b(w, ShareNone), b(w, ShareNone), inuse},
		{b(w, ShareNone), b(s, ShareNone), ok},
		{b(s, ShareNone), b(s, ShareNone), inuse},
		{b(s, ShareNone), b(s, ShareReuse), den},
		{b(s, ShareReuse), b(s, ShareReuse), ok},
		{b(s, ShareReuse), b(s, ShareExclusive), den},
		{b(w, ShareExclusive), b(s, ShareReuse), inuse},
		{b(s, ShareExclusive), b(w, ShareExclusive), den},
		{b("127.0.0.1:80", ShareNone), b(s, ShareNone), ok},
		{b("0.0.0.0:81", ShareNone), b(w, ShareNone), ok},
		{b("[::]:80", ShareNone), b(w, ShareNone), ok},
	} {
		assert.Equal(t, c.want, conflict(c.second, c.first), "%v behind %v", c.second, c.first)
	}
}

func TestPickPort_GoesRoundOnceAndThenGivesUp(t *testing.T) {
	assert.EqualValues(t, firstDynamic, pickPort(0, func(uint16) bool { return false }))
	assert.EqualValues(t, firstDynamic, pickPort(lastDynamic,
		func(p uint16) bool { return p == lastDynamic }))
	assert.EqualValues(t, 0, pickPort(50000, func(uint16) bool { return true }))
}

func TestSizing_OutcomesOfTheQueries(t *testing.T) {
	for _, c := range []struct {
		required, capacity uint64
		transfer           bool
		count              uint64
		s                  ntstatus.NTSTATUS
	}{
		{100, 1024, true, 100, ntstatus.STATUS_SUCCESS},
		{100, 100, true, 100, ntstatus.STATUS_SUCCESS},
		{100, 99, false, 100, ntstatus.STATUS_BUFFER_TOO_SMALL},
		{100, 0, false, 100, ntstatus.STATUS_BUFFER_TOO_SMALL},
		{100, math.MaxUint32 + 1, false, 0, ntstatus.STATUS_INTEGER_OVERFLOW},
	} {
		transfer, count, s := Sizing(c.required, c.capacity)
		assert.Equal(t, c.transfer, transfer, "%+v", c)
		assert.Equal(t, c.count, count, "%+v", c)
		assert.Equal(t, c.s, s, "%+v", c)
	}
}
