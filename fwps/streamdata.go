package fwps

import (
	"fmt"

	"calloutsim/fwps/ndis"
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// FWPS_STREAM_ACTION_TYPE is what a stream callout wants besides its action.
type FWPS_STREAM_ACTION_TYPE uint32

// The stream actions.
const (
	FWPS_STREAM_ACTION_NONE             FWPS_STREAM_ACTION_TYPE = 0
	FWPS_STREAM_ACTION_NEED_MORE_DATA   FWPS_STREAM_ACTION_TYPE = 1
	FWPS_STREAM_ACTION_DROP_CONNECTION  FWPS_STREAM_ACTION_TYPE = 2
	FWPS_STREAM_ACTION_DEFER            FWPS_STREAM_ACTION_TYPE = 3
	FWPS_STREAM_ACTION_ALLOW_CONNECTION FWPS_STREAM_ACTION_TYPE = 4
)

// Flags of stream data.
const (
	FWPS_STREAM_FLAG_RECEIVE            uint32 = 0x1
	FWPS_STREAM_FLAG_RECEIVE_EXPEDITED  uint32 = 0x2
	FWPS_STREAM_FLAG_RECEIVE_DISCONNECT uint32 = 0x4
	FWPS_STREAM_FLAG_RECEIVE_ABORT      uint32 = 0x8
	FWPS_STREAM_FLAG_RECEIVE_PUSH       uint32 = 0x10
	FWPS_STREAM_FLAG_SEND               uint32 = 0x10000
	FWPS_STREAM_FLAG_SEND_EXPEDITED     uint32 = 0x20000
	FWPS_STREAM_FLAG_SEND_NODELAY       uint32 = 0x40000
	FWPS_STREAM_FLAG_SEND_DISCONNECT    uint32 = 0x80000
	FWPS_STREAM_FLAG_SEND_ABORT         uint32 = 0x100000
)

// FWPS_STREAM_DATA_OFFSET0 is where in the chain the data begins.
type FWPS_STREAM_DATA_OFFSET0 struct {
	NetBufferList *ndis.NET_BUFFER_LIST
	NetBuffer     *ndis.NET_BUFFER
	Mdl           *irp.MDL
	MdlOffset     uint32
}

// FWPS_STREAM_DATA0 is data of a stream: a chain of lists without headers.
type FWPS_STREAM_DATA0 struct {
	Flags              uint32
	DataOffset         FWPS_STREAM_DATA_OFFSET0
	DataLength         uint64
	NetBufferListChain *ndis.NET_BUFFER_LIST
}

// FWPS_STREAM_CALLOUT_IO_PACKET0 is layerData at STREAM: what is indicated, and what the callout wants. The
// engine lends it for the duration of the call.
type FWPS_STREAM_CALLOUT_IO_PACKET0 struct {
	StreamData         *FWPS_STREAM_DATA0
	MissedBytes        uint64
	CountBytesRequired uint64
	CountBytesEnforced uint64
	StreamAction       FWPS_STREAM_ACTION_TYPE
}

// FwpsCopyStreamDataToBuffer0 copies stream data, as much as there is and at most bytesToCopy.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: buffer is the caller's and holds bytesToCopy bytes.
// Rules: WFP-001, WFP-054.
// Reference: fwpsk/nf-fwpsk-fwpscopystreamdatatobuffer0.
func FwpsCopyStreamDataToBuffer0(k *irql.K, calloutStreamData *FWPS_STREAM_DATA0, buffer *irp.Buffer,
	bytesToCopy uint64, bytesCopied *uint64) {
	ke.Enter(k, ddi.FwpsCopyStreamDataToBuffer0)
	ke.Point(k, ke.Reads(calloutStreamData.NetBufferListChain.ID()))
	n := 0
	for nbl := calloutStreamData.NetBufferListChain; nbl != nil; nbl = nbl.Next() {
		for _, b := range ndis.Sim.Data(k, nbl) {
			b = b[:min(uint64(len(b)), bytesToCopy-uint64(n))]
			buffer.CopyFrom(n, b)
			n += len(b)
		}
	}
	*bytesCopied = uint64(n)
}

// streamStage finds the stage of a callout on a flow, in the direction that flags name.
func (e *engine) streamStage(k *ke.K, f *tcpip.Flow, callout uint32, flags uint32) *stage {
	in, out := f.Gates()
	g := in
	if flags&FWPS_STREAM_FLAG_SEND != 0 {
		g = out
	}
	r := e.registeredID(callout)
	if g == nil || r == nil {
		return nil
	}
	for _, st := range e.gateOf(g).stages {
		if keyOf(st.filter) == r.key {
			return st
		}
	}
	return nil
}

func isStream(layer uint16) bool {
	return layer == FWPS_LAYER_STREAM_V4 || layer == FWPS_LAYER_STREAM_V6
}

// FwpsStreamContinue0 goes on with a stream that a callout has deferred: what was deferred is indicated
// again, with what has come meanwhile.
//
// IRQL: <= DISPATCH_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_INVALID_PARAMETER for a stream that is not deferred, or with other flags
// than the deferred data had; STATUS_FWP_INVALID_PARAMETER at another layer; STATUS_NOT_FOUND for a flow that
// has ended.
// Rules: WFP-001, WFP-145, WFP-151, WFP-157.
// Reference: fwpsk/nf-fwpsk-fwpsstreamcontinue0.
func FwpsStreamContinue0(k *irql.K, flowId uint64, calloutId uint32, layerId uint16,
	streamFlags uint32) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.FwpsStreamContinue0)
	e := state.Of(k)
	ke.Point(k, ke.Reads(e.id))
	s := e.streamContinue(k, flowId, calloutId, layerId, streamFlags)
	ke.CallStatus(k, ddi.FwpsStreamContinue0, 0, uint32(s))
	return s
}

func (e *engine) streamContinue(k *ke.K, id uint64, callout uint32, layer uint16,
	flags uint32) ntstatus.NTSTATUS {
	if cl := callOf(k); cl != nil && isStream(cl.c.layer) {
		cl.found(k, verify.WFP_151, "FwpsStreamContinue0 is called in a classifyFn", "")
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	if !isStream(layer) {
		return ntstatus.STATUS_FWP_INVALID_PARAMETER
	}
	f := e.flowFor(k, id, "FwpsStreamContinue0")
	if f == nil {
		return ntstatus.STATUS_NOT_FOUND
	}
	in, _ := f.Gates()
	if in == nil {
		return ntstatus.STATUS_NOT_FOUND
	}
	defer ke.Leave(k, in.Enter(k))
	st := e.streamStage(k, f, callout, FWPS_STREAM_FLAG_RECEIVE)
	if st == nil || st.deferred == 0 || st.deferred != flags {
		ke.Collect(k, verify.Finding{Rule: verify.WFP_157, Obj: f.ID.String(),
			Headline: fmt.Sprintf("FwpsStreamContinue0 with flags %#x for a stream that is not deferred "+
				"with them", flags)})
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	st.deferred = 0
	in.Post("stream goes on", st.of.run)
	return ntstatus.STATUS_SUCCESS
}
