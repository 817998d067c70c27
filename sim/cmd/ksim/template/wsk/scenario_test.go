package wsk

import (
	"net/netip"
	"testing"

	"calloutsim/sim"
	"calloutsim/wsk/ws2def"
)

var server = netip.MustParseAddrPort("192.0.2.1:7") // outside this machine: m.Host says what is there

// scenario lets a program ask the server through the driver, and unloads the driver. With failures it may get
// no answer; a wrong one it must not get.
func scenario(m *sim.Machine) {
	m.Host(server.Addr(), sim.Echo())
	d := &Driver{Server: ws2def.SOCKADDR_IN{Sin_family: ws2def.AF_INET,
		Sin_port: ws2def.Htons(server.Port()), Sin_addr: ws2def.IN_ADDR(server.Addr().As4())}}
	m.Load("template.sys", d.DriverEntry)
	m.Process("app.exe").Go("main", func(u *sim.User) {
		dev, err := u.Open(Path)
		if err != nil {
			return
		}
		defer dev.Close()
		var answer [16]byte
		n, err := dev.Ioctl(IoctlAsk, []byte("hello"), answer[:])
		if got := string(answer[:n]); err == nil && (n == 0 || got != "hello"[:min(n, 5)]) {
			m.Errorf("the answer is %q", got)
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
// single failure and every other answer of Windows: a conversation over a network has too many for that.
func TestDriver_EverySchedule(t *testing.T) {
	if r := sim.Explore(t, sim.ExploreOptions{Strategy: "dpor"}, unloadRace); !r.Complete {
		t.Errorf("the search did not come to its end: %s", r.Covered)
	}
}
