package callout

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"calloutsim/sim"
)

var (
	allowed = netip.MustParseAddrPort("192.0.2.1:80") // outside this machine: m.Host says what is there
	blocked = netip.MustParseAddrPort("192.0.2.1:25")
)

// scenario lets a program have a port blocked while others connect, and unloads the driver.
func scenario(m *sim.Machine) {
	m.Host(allowed.Addr(), sim.Echo())
	m.Load("template.sys", new(Driver).DriverEntry)
	m.Process("browser.exe").Dial(allowed)
	m.Process("control.exe").Go("main", func(u *sim.User) {
		dev, err := u.Open(Path)
		if err != nil {
			return
		}
		defer dev.Close()
		port := binary.NativeEndian.AppendUint16(nil, blocked.Port())
		if _, err := dev.Ioctl(IoctlBlock, port, nil); err != nil {
			return
		}
		if s, err := u.Dial(blocked); err == nil {
			m.Errorf("a connection to %v was not blocked", blocked)
			s.Close()
		}
	})
	m.Run() // until nothing can run any more, or the first violation
	m.Unload("template.sys")
}

// unloadRace unloads the driver while a program has its device open, or is about to open it: there is no Run
// in between, so the program runs while Unload does.
func unloadRace(m *sim.Machine) {
	m.MayFail("CreateFile") // the device may be gone
	m.Load("template.sys", new(Driver).DriverEntry)
	m.Process("app.exe").Go("main", func(u *sim.User) {
		if dev, err := u.Open(Path); err == nil {
			dev.Close()
		}
	})
	m.Unload("template.sys")
}

// The boring run: nobody is interrupted, nothing fails.
func TestDriver_BoringRun(t *testing.T) { scenario(sim.New(t)) }

// A driver that nobody opens is loaded and unloaded without a trace.
func TestDriver_Unload(t *testing.T) {
	m := sim.New(t)
	m.Load("template.sys", new(Driver).DriverEntry)
	m.Unload("template.sys")
}

// Many schedules, with failing allocations and what Windows may answer otherwise.
func TestDriver_AnySchedule(t *testing.T) {
	sim.Explore(t, sim.ExploreOptions{Runs: 500}, scenario)
}

func TestDriver_UnloadRace(t *testing.T) {
	sim.Explore(t, sim.ExploreOptions{Runs: 200}, unloadRace)
}

// All schedules that differ in more than the order of steps which do not touch the same thing, with every
// single failure and every other answer of Windows.
func TestDriver_EverySchedule(t *testing.T) {
	for _, fn := range []func(m *sim.Machine){scenario, unloadRace} {
		if r := sim.Explore(t, sim.ExploreOptions{Strategy: "dpor"}, fn); !r.Complete {
			t.Errorf("the search did not come to its end: %s", r.Covered)
		}
	}
}
