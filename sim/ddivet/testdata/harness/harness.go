// Package harness uses the simulator as tests do; nothing here is a driver's.
package harness

import (
	"sync"
	"time"

	"calloutsim/ntstatus"
	"calloutsim/sim"
)

var lock sync.Mutex

// Scenario may look at clocks and maps.
func Scenario(m *sim.Machine, programs map[string]func(u *sim.User)) {
	lock.Lock()
	defer lock.Unlock()
	for name, main := range programs {
		m.Process(name).Go("main", main)
	}
	start := time.Now()
	m.Run()
	if time.Since(start) > time.Second || ntstatus.STATUS_SUCCESS != 0 {
		go func() {}()
	}
}
