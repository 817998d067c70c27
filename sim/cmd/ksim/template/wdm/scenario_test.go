package wdm

import (
	"encoding/binary"
	"errors"
	"testing"

	"calloutsim/ntstatus"
	"calloutsim/sim"
)

// scenario lets a program wait, which a second thread of it cancels, while another program signals; then the
// driver is unloaded. It must do with every schedule and every failure, so it asks for little: whatever
// happened, the request ended once, with the message or cancelled.
func scenario(m *sim.Machine) {
	d := new(Driver) // everything new in each run
	m.Load("template.sys", d.DriverEntry)
	waiter := m.Process("waiter.exe")
	waiter.Go("main", func(u *sim.User) {
		dev, err := u.Open(Path)
		if err != nil {
			return
		}
		defer dev.Close()
		var message [messageSize]byte
		wait := dev.StartIoctl(IoctlWait, nil, message[:])
		waiter.Go("canceller", func(u *sim.User) { wait.For(u).Cancel() })
		n, err := wait.Wait()
		switch {
		case err == nil && n == messageSize && binary.LittleEndian.Uint32(message[:]) == 7:
		case has(err, ntstatus.STATUS_CANCELLED), has(err, ntstatus.STATUS_INSUFFICIENT_RESOURCES):
		default:
			m.Errorf("the wait ended with %d bytes %v and %v", n, message, err)
		}
	})
	m.Process("signaller.exe").Go("main", func(u *sim.User) {
		dev, err := u.Open(Path)
		if err != nil {
			return
		}
		defer dev.Close()
		dev.Ioctl(IoctlSignal, binary.LittleEndian.AppendUint32(nil, 7), nil) // perhaps nobody waits
	})
	m.Run() // until nothing can run any more, or the first violation
	m.Unload("template.sys")
}

// has reports whether a request of a program ended with a status.
func has(err error, s ntstatus.NTSTATUS) bool {
	var e *sim.DeviceError
	return errors.As(err, &e) && e.Status == s
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

// All schedules that differ in more than the order of steps which do not touch the same thing; of the small
// scenario those with every single failure as well.
func TestDriver_EverySchedule(t *testing.T) {
	everySchedule(t, sim.ExploreOptions{Strategy: "dpor", Faults: -1, Answers: -1}, scenario)
	everySchedule(t, sim.ExploreOptions{Strategy: "dpor"}, unloadRace)
}

func everySchedule(t *testing.T, o sim.ExploreOptions, fn func(m *sim.Machine)) {
	if r := sim.Explore(t, o, fn); !r.Complete {
		t.Errorf("the search did not come to its end: %s", r.Covered)
	}
}
