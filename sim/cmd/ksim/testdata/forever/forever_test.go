package forever

import (
	"testing"
	"time"

	"calloutsim/sim"
)

// TestForever ends its run, but not itself.
func TestForever(t *testing.T) {
	if testing.Short() {
		t.Skip("never ends")
	}
	m := sim.New(t)
	m.Run()
	time.Sleep(time.Hour)
}
