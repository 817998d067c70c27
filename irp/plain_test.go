package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
)

// synchronous waits for a request twice, with an event and a status block from where.
func synchronous(t *testing.T, where func(k *irql.K) (*irql.KEVENT, *irp.IO_STATUS_BLOCK)) []string {
	t.Helper()
	l := newLab(t, ke.Config{})
	d := l.stack(pends(ok))[0]
	l.run(func(k *irql.K) {
		for range 2 {
			event, iosb := where(k)
			irp.IoCallDriver(k, d.dev, ioctl(k, d.dev, event, iosb))
			waitFor(k, event)
		}
	})
	l.silent()
	return l.m.PlainMemory()
}

// TestPlainMemory_IsNotedOnceForEachLine: what C has in a local variable, or in pool, and Go keeps for as
// long as anybody points to it.
func TestPlainMemory_IsNotedOnceForEachLine(t *testing.T) {
	notes := synchronous(t, func(*irql.K) (*irql.KEVENT, *irp.IO_STATUS_BLOCK) {
		var event irql.KEVENT
		return &event, new(irp.IO_STATUS_BLOCK)
	})
	require.Len(t, notes, 2)
	assert.Regexp(t, `^harness_test.go:\d+: the I/O status block of its request lies in plain Go memory`,
		notes[0])
	assert.Regexp(t, `^harness_test.go:\d+: the event it waits for lies in plain Go memory`, notes[1])

	type report struct {
		event irql.KEVENT
		iosb  irp.IO_STATUS_BLOCK
	}
	assert.Empty(t, synchronous(t, func(k *irql.K) (*irql.KEVENT, *irp.IO_STATUS_BLOCK) {
		r := irp.New[report](k, irp.POOL_FLAG_NON_PAGED, tag)
		return &r.Get().event, &r.Get().iosb
	}))
}

// An event that outlives the routine which waits for it may lie anywhere: in a device extension, say.
func TestPlainMemory_OfTheDriver(t *testing.T) {
	l := newLab(t, ke.Config{})
	var ready irql.KEVENT
	l.run(func(k *irql.K) { irql.KeInitializeEvent(k, &ready, irql.NotificationEvent, true) })
	l.run(func(k *irql.K) { waitFor(k, &ready) })
	l.silent()
	assert.Empty(t, l.m.PlainMemory())
}
