package fwps_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/fwps/ndis"
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// atStream is STREAM_V4.
var atStream = atAuth.at(fwpm.FWPM_LAYER_STREAM_V4)

const streamLayer = fwps.FWPS_LAYER_STREAM_V4

var whole = pin("env/TcpStream/indicate", 0)

func (a *args) io() *fwps.FWPS_STREAM_CALLOUT_IO_PACKET0 {
	return a.data.(*fwps.FWPS_STREAM_CALLOUT_IO_PACKET0)
}

// text is the data that is indicated.
func (a *args) text() string {
	d := a.io().StreamData
	var n uint64
	b := irp.ExAllocatePool2(a.k, irp.POOL_FLAG_NON_PAGED, d.DataLength+1, tag)
	fwps.FwpsCopyStreamDataToBuffer0(a.k, d, b, d.DataLength, &n)
	text := string(b.Bytes()[:n])
	irp.ExFreePoolWithTag(a.k, b, tag)
	return text
}

// received reports whether a call is about what the server receives; the client's end is let on.
func (a *args) received() bool {
	inbound := a.in.IncomingValue(fwps.FWPS_FIELD_STREAM_V4_DIRECTION).Value().Uint32() ==
		uint32(fwps.FWP_DIRECTION_INBOUND)
	if inbound && a.io().StreamData.Flags&fwps.FWPS_STREAM_FLAG_RECEIVE != 0 {
		return true
	}
	a.permit()
	return false
}

// ends reports whether the end of the stream is indicated.
func (a *args) ends() bool {
	return a.io().StreamData.Flags&fwps.FWPS_STREAM_FLAG_RECEIVE_DISCONNECT != 0
}

// editor is a driver with a callout at STREAM and an injection handle.
func (l *lab) editor(w where, fn func(i *injector, a *args)) *injector {
	return l.injects("edit.sys", w, fwps.FWPS_INJECTION_TYPE_STREAM, func(i *injector, a *args) {
		if a.received() {
			fn(i, a)
		}
	})
}

// sends lets the client send pieces, a millisecond apart, and finish; it gives what the server receives.
func (l *lab) sends(pieces ...string) (got string) {
	l.program("server.exe", func(k *irql.K, p *ke.Process) {
		listener := l.listener(k, p)
		l.program("client.exe", func(k *irql.K, p *ke.Process) {
			c := l.socket(k, p)
			require.Equal(l.t, ok, c.Connect(k, server))
			for _, piece := range pieces {
				c.Send(k, []byte(piece))
				delay(k, 1)
			}
			c.Shutdown(k, 1)
			c.Recv(k, make([]byte, 1))
			c.Close(k)
		})
		s, st := listener.Accept(k)
		require.Equal(l.t, ok, st)
		b := make([]byte, 100)
		for {
			n, st := s.Recv(k, b)
			if st != ok || n == 0 {
				break
			}
			got += string(b[:n])
		}
		s.Close(k)
		listener.Close(k)
	})
	l.m.Run(nil)
	return got
}

// S32 of wfp.md 24: a callout permits half of a segment, and is asked about the rest.
func TestScenario_S32_HalfASegment(t *testing.T) {
	l := newLab(t, whole)
	var seen []string
	i := l.editor(atStream, func(_ *injector, a *args) {
		a.permit()
		if seen = append(seen, a.text()); a.io().StreamData.DataLength > 3 {
			a.io().CountBytesEnforced = 3
		}
	})
	assert.Equal(t, "abcdef", l.sends("abcdef"))
	assert.Equal(t, []string{"abcdef", "def", ""}, seen)
	l.end(i.driver)
	l.silent()
}

// edits injects text from classifyFn, in front of what it is asked about.
func (i *injector) edits(a *args, text string) ntstatus.NTSTATUS {
	o := chained(i.l.t, a.k, text)
	var nbl *ndis.NET_BUFFER_LIST
	require.Equal(i.l.t, ok, fwps.FwpsAllocateNetBufferAndNetBufferList0(a.k, o.lists, 0, 0, o.chain, 0,
		uint64(len(text)), &nbl))
	return fwps.FwpsStreamInjectAsync0(a.k, i.handle, 0, 0, a.meta.FlowHandle(), i.hooks[0].id, streamLayer,
		fwps.FWPS_STREAM_FLAG_RECEIVE, nbl, uint64(len(text)),
		func(k *irql.K, _ any, nbl *ndis.NET_BUFFER_LIST, _ bool) {
			i.done++
			fwps.FwpsFreeNetBufferList0(k, nbl)
			o.free(k)
		}, nil)
}

// S36 of wfp.md 24: permits two bytes, puts others in the place of two, permits the rest.
func TestScenario_S36_InlineEdit(t *testing.T) {
	l := newLab(t, whole)
	var seen []string
	i := l.editor(atStream, func(i *injector, a *args) {
		a.permit()
		if a.ends() {
			return
		}
		seen = append(seen, a.text())
		switch len(seen) {
		case 1:
			a.io().CountBytesEnforced = 2
		case 2:
			assert.Equal(t, ok, i.edits(a, "XYZ"))
			a.out.ActionType = fwps.FWP_ACTION_BLOCK
			a.io().CountBytesEnforced = 2
		}
	})
	assert.Equal(t, "abXYZef", l.sends("abcdef"))
	assert.Equal(t, []string{"abcdef", "cdef", "ef"}, seen)
	assert.Equal(t, 1, i.done)
	l.end(i.driver)
	l.silent()
}

// S37 and S38 of wfp.md 24: ten bytes are wanted after four, and the peer sends more, or finishes.
func TestScenario_S37S38_NeedMoreData(t *testing.T) {
	for _, more := range []bool{true, false} {
		l := newLab(t, whole)
		var seen []string
		var flags uint32
		i := l.editor(atStream, func(_ *injector, a *args) {
			a.permit()
			if a.ends() {
				return
			}
			seen = append(seen, a.text())
			flags = a.out.Flags
			if a.io().StreamData.DataLength == 4 && flags == 0 {
				a.out.ActionType = fwps.FWP_ACTION_NONE
				a.io().StreamAction = fwps.FWPS_STREAM_ACTION_NEED_MORE_DATA
				a.io().CountBytesRequired = 10
			}
		})
		if more {
			assert.Equal(t, "abcdefghij", l.sends("abcd", "efghij"))
			assert.Equal(t, []string{"abcd", "abcdefghij"}, seen)
		} else {
			assert.Equal(t, "abcd", l.sends("abcd"))
			assert.Equal(t, []string{"abcd", "abcd"}, seen)
			assert.Equal(t, fwps.FWPS_CLASSIFY_OUT_FLAG_NO_MORE_DATA, flags)
		}
		l.end(i.driver)
		l.silent()
	}
}

// S39 of wfp.md 24: what comes in is deferred, more comes, then the driver goes on.
func TestScenario_S39_Defer(t *testing.T) {
	l := newLab(t, whole)
	var seen []string
	i := l.editor(atStream, func(i *injector, a *args) {
		a.permit()
		if a.ends() {
			return
		}
		if seen = append(seen, a.text()); len(seen) > 1 {
			return
		}
		a.io().StreamAction = fwps.FWPS_STREAM_ACTION_DEFER
		flow, flags := a.meta.FlowHandle(), a.io().StreamData.Flags
		a.d.later(a.k, func(k *irql.K) {
			delay(k, 50)
			assert.Len(t, seen, 1, "nothing is indicated meanwhile")
			assert.Equal(t, ok, fwps.FwpsStreamContinue0(k, flow, i.hooks[0].id, streamLayer, flags))
		})
	})
	assert.Equal(t, "abcdef", l.sends("abc", "def"))
	assert.Equal(t, []string{"abc", "abcdef"}, seen)
	l.end(i.driver)
	l.silent()
}

// S40 of wfp.md 24: an out-of-band callout clones and blocks all, and injects the clones from a worker, the
// end too. A lighter callout sees what is injected.
func TestScenario_S40_OutOfBand(t *testing.T) {
	l := newLab(t, whole)
	var light string
	o := l.load("looks.sys", func(k *irql.K, d *driver) {
		d.hook(k, atStream.weighing(0x80), func(a *args) {
			if a.received() {
				light += a.text()
				a.permit()
			}
		})
	})
	i := l.editor(atStream, outOfBand)
	assert.Equal(t, "abcdef", l.sends("abc", "def"))
	assert.Equal(t, "abcdef", light)
	assert.Equal(t, 3, i.done)
	l.end(i.driver, o)
	l.silent()
}

// outOfBand clones and blocks what is indicated, and injects it from a work item.
func outOfBand(i *injector, a *args) {
	var clone *ndis.NET_BUFFER_LIST
	d := a.io().StreamData
	require.Equal(i.l.t, ok, fwps.FwpsCloneStreamData0(a.k, d, 0, 0, 0, &clone))
	a.out.ActionType = fwps.FWP_ACTION_BLOCK
	flow, flags, n := a.meta.FlowHandle(), d.Flags, d.DataLength
	a.d.later(a.k, func(k *irql.K) {
		s := fwps.FwpsStreamInjectAsync0(k, i.handle, 0, 0, flow, i.hooks[0].id, streamLayer, flags, clone, n,
			i.freed, nil)
		if s != ok {
			fwps.FwpsDiscardClonedStreamData0(k, clone, 0, false)
		}
	})
}

// A callout lets a connection be; another resets one. Reference: wfp.md 15.
func TestStream_AllowAndDrop(t *testing.T) {
	for action, want := range map[fwps.FWPS_STREAM_ACTION_TYPE]string{
		fwps.FWPS_STREAM_ACTION_ALLOW_CONNECTION: "abcdef", fwps.FWPS_STREAM_ACTION_DROP_CONNECTION: ""} {
		l := newLab(t, whole)
		calls := 0
		i := l.editor(atStream, func(_ *injector, a *args) {
			calls++
			a.permit()
			a.io().StreamAction = action
		})
		assert.Equal(t, want, l.sends("abc", "def"))
		assert.Equal(t, 1, calls)
		l.end(i.driver)
		l.silent()
	}
}

// The filters of a stream go while it stands: what comes then passes, and nothing is lost. Reference: wfp.md
// 14, 15.
func TestStream_FilterDeletedUnderTraffic(t *testing.T) {
	l := newLab(t, whole)
	i := l.editor(atStream, func(_ *injector, a *args) { a.permit() })
	q := l.quiet()
	assert.Equal(t, ok, l.says(q.client, q.server))
	l.end(i.driver)
	assert.Equal(t, ok, l.says(q.client, q.server))
	assert.Equal(t, ok, l.says(q.server, q.client))
	q.end(l)
	assert.Empty(t, tcpip.On(l.m).Endpoints())
	l.silent()
}

// Whatever the schedule, and wherever bytes are cut, the stream that leaves is the one that came: one callout
// takes it in parts, a heavier one waits for more. Reference: wfp.md 15.2.
func TestStream_NoScheduleLosesAByte(t *testing.T) {
	everySchedule(t, "stream", func(l *lab) {
		light := l.editor(atStream.weighing(0x80), func(_ *injector, a *args) {
			a.permit()
			if n := a.io().StreamData.DataLength; n > 1 {
				a.io().CountBytesEnforced = n - 1
			}
		})
		heavy := l.load("waits.sys", func(k *irql.K, d *driver) {
			d.hook(k, atStream, func(a *args) {
				a.permit()
				if a.received() && a.out.Flags == 0 && a.io().StreamData.DataLength < 3 {
					a.out.ActionType = fwps.FWP_ACTION_NONE
					a.io().StreamAction = fwps.FWPS_STREAM_ACTION_NEED_MORE_DATA
					a.io().CountBytesRequired = 3
				}
			})
		})
		require.Equal(t, "abcdefgh", l.sends("abc", "defgh"))
		l.end(light.driver, heavy)
		l.silent()
	})
}
