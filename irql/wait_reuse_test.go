package irql_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/irql"
)

// A wait block array that lies outside of the run, and was in use when that run was given up, is free in the
// next one.
func TestKeWaitForMultipleObjects_BlocksOfAnEarlierRunAreFree(t *testing.T) {
	var blocks [2]irql.KWAIT_BLOCK
	m := ke.New(ke.Config{})
	defer m.Close()
	waits := func(state bool) {
		m.NewThread("waiter", nil, func(k *ke.K) {
			var a, b irql.KEVENT
			irql.KeInitializeEvent(k, &a, irql.NotificationEvent, state)
			irql.KeInitializeEvent(k, &b, irql.NotificationEvent, state)
			irql.KeWaitForMultipleObjects(k, 2, []any{&a, &b}, irql.WaitAll, irql.Executive, irql.KernelMode,
				false, nil, blocks[:])
		})
		m.Run(nil)
	}
	waits(false)
	m.Reset(ke.Config{})
	m.NewThread("first", nil, func(*ke.K) {})
	waits(true)
	assert.Empty(t, m.Findings())
}
