package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// keeping is a driver that keeps what it gets, cancelable, and does nothing at IRP_MJ_CLEANUP.
type keeping struct {
	lock      irql.KSPIN_LOCK // guards kept
	kept      []*irp.IRP
	cancelled int
}

func (d *keeping) load(m *Machine) {
	loadEcho(m, irp.DO_BUFFERED_IO, d.keep)
	m.Thread("echo.sys", func(k *ke.K) { irql.KeInitializeSpinLock(k, &d.lock) })
	m.Run()
}

func (d *keeping) keep(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	irp.IoMarkIrpPending(k, p)
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	d.kept = append(d.kept, p)
	irp.IoSetCancelRoutine(k, p, d.cancel)
	irql.KeReleaseSpinLock(k, &d.lock, old)
	return ntstatus.STATUS_PENDING
}

func (d *keeping) cancel(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
	irp.IoReleaseCancelSpinLock(k, p.CancelIrql())
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	if i := slices.Index(d.kept, p); i >= 0 {
		d.kept = slices.Delete(d.kept, i, i+1)
	}
	irql.KeReleaseSpinLock(k, &d.lock, old)
	d.cancelled++
	done(k, p, ntstatus.STATUS_CANCELLED, 0)
}

// answer ends a request with a text, in a thread of the driver, unless its cancel routine does.
func (d *keeping) answer(m *Machine, text string) {
	m.Thread("echo.sys", func(k *ke.K) {
		var old irql.KIRQL
		irql.KeAcquireSpinLock(k, &d.lock, &old)
		var p *irp.IRP
		if len(d.kept) > 0 && irp.IoSetCancelRoutine(k, d.kept[0], nil) != nil {
			p, d.kept = d.kept[0], nil
		}
		irql.KeReleaseSpinLock(k, &d.lock, old)
		if p != nil {
			p.AssociatedIrp().SystemBuffer.CopyFrom(0, []byte(text))
			done(k, p, ntstatus.STATUS_SUCCESS, len(text))
		}
	})
}

// TestCompletionPort_PacketOfAPendedRequest: with the key of the device, and the bytes copied back.
func TestCompletionPort_PacketOfAPendedRequest(t *testing.T) {
	m := New(t)
	d := &keeping{}
	d.load(m)
	got := false
	m.Process("app.exe").Go("main", func(u *User) {
		h := openEcho(m, u, OpenOptions{})
		c := u.CreateIoCompletionPort()
		require.NoError(m, h.Associate(c, 17))
		_, ok := u.GetQueuedCompletionStatus(c, time.Millisecond)
		assert.False(t, ok, "nothing yet")
		b := make([]byte, 8)
		r := h.StartRead(b, 0)
		p, ok := u.GetQueuedCompletionStatus(c, -1)
		assert.True(t, ok && p.Of(r) && p.Err == nil)
		assert.EqualValues(t, 17, p.Key)
		assert.Equal(t, "abc", string(b[:p.Bytes]))
		u.PostQueuedCompletionStatus(c, 4, 5)
		p, ok = u.GetQueuedCompletionStatus(c, 0)
		assert.True(t, ok && !p.Of(r) && p.Key == 4 && p.Bytes == 5)
		h.Close()
		got = true
	})
	m.Run()
	d.answer(m, "abc")
	m.Run()
	assert.True(t, got)
}

// TestCompletionPort_OfWhatEndsAtOnce: a success puts a packet, an error that the call returned does not.
func TestCompletionPort_OfWhatEndsAtOnce(t *testing.T) {
	for _, s := range []ntstatus.NTSTATUS{ntstatus.STATUS_SUCCESS, ntstatus.STATUS_UNSUCCESSFUL} {
		m := New(t)
		loadEcho(m, irp.DO_BUFFERED_IO, answers(false, s, 0))
		asProgram(t, m, func(u *User) {
			h := openEcho(m, u, OpenOptions{})
			c := u.CreateIoCompletionPort()
			require.NoError(m, h.Associate(c, 1))
			r := h.StartRead(make([]byte, 8), 0)
			assert.Equal(t, s, r.Status())
			p, ok := u.GetQueuedCompletionStatus(c, 0)
			assert.Equal(t, ntstatus.NT_SUCCESS(s), ok)
			assert.Equal(t, ok, p.Of(r))
			h.Close()
		})
	}
}

// TestCompletionPort_WhatItExcludes: a second port, a synchronous handle, routines to be called.
func TestCompletionPort_WhatItExcludes(t *testing.T) {
	m := New(t)
	loadEcho(m, irp.DO_BUFFERED_IO, answers(false, ntstatus.STATUS_SUCCESS, 0))
	asProgram(t, m, func(u *User) {
		const invalid = ntstatus.STATUS_INVALID_PARAMETER
		c := u.CreateIoCompletionPort()
		h := openEcho(m, u, OpenOptions{})
		require.NoError(m, h.Associate(c, 1))
		assert.ErrorContains(t, h.Associate(c, 1), invalid.String())
		r := h.StartReadEx(make([]byte, 8), 0, func(*User, int, error) { t.Error("called") })
		assert.Equal(t, invalid, r.Status())
		s := openEcho(m, u, OpenOptions{Synchronous: true})
		assert.ErrorContains(t, s.Associate(c, 1), invalid.String())
		s.Close()
		h.Close()
	})
}

// TestCompletionPort_RequestOutlivesItsThread: it is in the list of the file object, so the end of the thread
// that made it does not cancel it.
func TestCompletionPort_RequestOutlivesItsThread(t *testing.T) {
	m := New(t)
	d := &keeping{}
	d.load(m)
	p := m.Process("app.exe")
	b := make([]byte, 8)
	var h *Device
	var c *CompletionPort
	p.Go("starts", func(u *User) {
		h = openEcho(m, u, OpenOptions{})
		c = u.CreateIoCompletionPort()
		require.NoError(m, h.Associate(c, 1))
		h.StartRead(b, 0)
	})
	stays := p.Go("stays", func(u *User) {
		u.Sleep(time.Second)
		packet, _ := u.GetQueuedCompletionStatus(c, -1)
		assert.Equal(t, "late", string(b[:packet.Bytes]))
		h.For(u).Close()
	})
	m.Run()
	assert.Zero(t, d.cancelled)
	d.answer(m, "late")
	m.Run()
	assert.True(t, stays.Ended())
}

// TestCompletionPort_CancelledAfterCleanup: what the driver left at IRP_MJ_CLEANUP is cancelled then, and its
// packet comes.
func TestCompletionPort_CancelledAfterCleanup(t *testing.T) {
	m := New(t)
	d := &keeping{}
	d.load(m)
	asProgram(t, m, func(u *User) {
		h := openEcho(m, u, OpenOptions{})
		c := u.CreateIoCompletionPort()
		require.NoError(m, h.Associate(c, 1))
		r := h.StartRead(make([]byte, 8), 0)
		h.Close()
		packet, ok := u.GetQueuedCompletionStatus(c, time.Second)
		assert.True(t, ok && packet.Of(r))
		assert.Equal(t, ntstatus.STATUS_CANCELLED, packet.Err.(*DeviceError).Status)
	})
	assert.Equal(t, 1, d.cancelled)
	assert.Empty(t, m.Rules())
}

// TestCompletionPort_CancelAgainstTheEnd: cancelling and ending at once, in every order.
func TestCompletionPort_CancelAgainstTheEnd(t *testing.T) {
	var pins []Pin
	for _, site := range []string{"IoCreateDevice", "OpenDevice", "UserRequest", "SystemBuffer"} {
		pins = append(pins, Pin{Site: "fault/" + site, Alternative: "0"})
	}
	o := ExploreOptions{Runs: 300, Strategy: "random", Options: Options{Pins: pins}}
	r := Explore(t, o, func(m *Machine) {
		d := &keeping{}
		d.load(m)
		p := m.Process("app.exe")
		p.Go("main", func(u *User) {
			h := openEcho(m, u, OpenOptions{})
			c := u.CreateIoCompletionPort()
			require.NoError(m, h.Associate(c, 1))
			r := h.StartRead(make([]byte, 8), 0)
			p.Go("cancels", func(u *User) { r.For(u).Cancel() })
			d.answer(m, "abc")
			packet, ok := u.GetQueuedCompletionStatus(c, -1)
			assert.True(m, ok && packet.Of(r))
			h.Close()
		})
		m.Run()
	})
	assert.Empty(t, r.Failures)
}
