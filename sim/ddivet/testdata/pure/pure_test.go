package pure

import (
	"sync/atomic"
	"testing"
	"time"

	"calloutsim/irql"
	"calloutsim/sim"
)

// A test may do as it likes; its callbacks are a driver's.
func TestCallbacks(t *testing.T) {
	var runs atomic.Int32
	done := make(chan bool, 1)
	start := time.Now()
	m := sim.New(t)
	m.Process("app.exe").Go("main", func(u *sim.User) { done <- true })
	work := func(k *irql.K, _ any) {
		runs.Add(1)
		done <- true // want `puredriver: channel in a driver`
	}
	_ = work
	t.Log(time.Since(start))
}
