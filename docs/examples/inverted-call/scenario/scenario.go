// Package scenario lets programs talk to the driver of inverted-call.
package scenario

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	invertedcall "calloutsim/docs/examples/inverted-call"
	"calloutsim/ntstatus"
	"calloutsim/sim"
)

// events is how many events app.exe writes, and outstanding how many requests helper.exe keeps.
const (
	events      = 4
	outstanding = 3
)

// Calls loads the driver, lets the programs run and unloads it.
func Calls(d invertedcall.Defect) func(m *sim.Machine) {
	return func(m *sim.Machine) {
		driver := &invertedcall.Driver{Defect: d}
		m.Load("inverted.sys", driver.DriverEntry)
		watcher := m.Process("watcher.exe")
		watcher.Go("main", func(u *sim.User) { watch(m, u) })
		m.Run()
		var got []uint64
		m.Process("helper.exe").Go("main", func(u *sim.User) { got = listen(m, u) })
		m.Process("app.exe").Go("main", func(u *sim.User) { tell(m, u) })
		m.Run()
		m.Unload("inverted.sys")
		if want := []uint64{1, 2, 3, 4}; !m.Ended() && !slices.Equal(got, want) {
			m.Errorf("helper.exe received %v, not %v", got, want)
		}
	}
}

// noMemory reports whether a call failed because the system was short of memory.
func noMemory(err error) bool {
	var e *sim.DeviceError
	return errors.As(err, &e) && e.Status == ntstatus.STATUS_INSUFFICIENT_RESOURCES
}

// aborted reports whether a request was cancelled.
func aborted(err error) bool {
	var e *sim.DeviceError
	return errors.As(err, &e) && e.Status == ntstatus.STATUS_CANCELLED
}

// open opens the device; when memory is short it tries again.
func open(m *sim.Machine, u *sim.User) *sim.Device {
	for {
		d, err := u.Open(invertedcall.Path)
		if err == nil {
			return d
		}
		if !noMemory(err) {
			m.Fatalf("%v", err)
		}
		u.Sleep(time.Millisecond)
	}
}

// request is an outstanding request for an event and the room for it.
type request struct {
	room [invertedcall.EventSize]byte
	op   *sim.Pending
}

// ask makes the request outstanding.
func (r *request) ask(u *sim.User, d *sim.Device) {
	for {
		r.op = d.StartIoctl(invertedcall.IoctlNextEvent, nil, r.room[:])
		if r.op.Status() != ntstatus.STATUS_INSUFFICIENT_RESOURCES {
			return
		}
		u.Sleep(time.Millisecond)
	}
}

// listen keeps requests outstanding until it has received all events, closes its handle and collects what is
// left.
func listen(m *sim.Machine, u *sim.User) (got []uint64) {
	d := open(m, u)
	var ring [outstanding]request
	for i := range ring {
		ring[i].ask(u, d)
	}
	last := 0
	for i := 0; len(got) < events; i = (i + 1) % outstanding {
		r := &ring[i]
		if n, err := r.op.Wait(); err != nil || n != invertedcall.EventSize {
			m.Errorf("a request ended with %d bytes and %v", n, err)
			return got
		}
		got = append(got, binary.LittleEndian.Uint64(r.room[:]))
		if last = i; len(got) < events {
			r.ask(u, d)
		}
	}
	if err := d.Close(); err != nil {
		m.Errorf("%v", err)
	}
	for i := range ring {
		if i == last {
			continue
		}
		if _, err := ring[i].op.Wait(); !aborted(err) {
			m.Errorf("a request outlived its handle and ended with %v", err)
		}
	}
	return got
}

// tell writes the events.
func tell(m *sim.Machine, u *sim.User) {
	d := open(m, u)
	for n := uint64(1); n <= events; {
		_, err := d.Write(binary.LittleEndian.AppendUint64(nil, n))
		switch {
		case err == nil:
			n++
		case noMemory(err):
			u.Sleep(time.Millisecond)
		default:
			m.Errorf("%v", err)
			return
		}
	}
	if err := d.Close(); err != nil {
		m.Errorf("%v", err)
	}
}

// watch has one request cancelled by a second thread and ends with another one outstanding, its handle open.
func watch(m *sim.Machine, u *sim.User) {
	d := open(m, u)
	var one, two request
	one.ask(u, d)
	u.Process().Go("stop", func(u *sim.User) {
		if err := one.op.For(u).Cancel(); err != nil {
			m.Errorf("%v", err)
		}
	})
	two.ask(u, d)
	if _, err := one.op.Wait(); !aborted(err) {
		m.Errorf("a cancelled request ended with %v", err)
	}
}

// Race loads the driver and lets a program cancel its only request while another one writes an event. Whoever
// is quicker, the request ends once.
func Race(d invertedcall.Defect) func(m *sim.Machine) {
	return func(m *sim.Machine) {
		driver := &invertedcall.Driver{Defect: d}
		m.Load("inverted.sys", driver.DriverEntry)
		m.Process("helper.exe").Go("main", func(u *sim.User) {
			d := open(m, u)
			var r request
			r.ask(u, d)
			m.Process("app.exe").Go("main", func(u *sim.User) {
				if d, err := u.Open(invertedcall.Path); err == nil {
					_, _ = d.Write(make([]byte, invertedcall.EventSize)) // memory may be short
				}
			})
			_ = r.op.Cancel() // it finds nothing if the event was quicker
			if n, err := r.op.Wait(); !aborted(err) && (err != nil || n != invertedcall.EventSize) {
				m.Errorf("the request ended with %d bytes and %v", n, err)
			}
		})
		m.Run()
		m.Unload("inverted.sys")
	}
}

// Scenarios gives the conversation as it should be and with each of the defects.
func Scenarios() []sim.Scenario {
	return []sim.Scenario{
		{Name: "inverted-call", Title: "a helper process keeps requests outstanding, the driver " +
			"completes one per event",
			Doc: "Follow one irp# from the helper's DeviceIoControl into the queue and out of the DPC; " +
				"then look at what IRP_MJ_CLEANUP and the end of a thread do with those that are left.",
			Run: Calls(invertedcall.None)},
		{Name: "inverted-call-cleanup", Title: "IRP_MJ_CLEANUP leaves the requests of the file object " +
			"in the queue",
			Doc: "The helper waits for ever, the file object never goes, and the driver cannot be unloaded.",
			Run: Calls(invertedcall.CleanupForgets), Expect: []string{"IRP-040"}},
		{Name: "inverted-call-cancel", Title: "requests are completed without taking their cancel " +
			"routine back",
			Doc: "Whoever cancels such a request meanwhile has it completed twice.",
			Run: Calls(invertedcall.CancelRoutineLeft), Expect: []string{"IRP-020"}},
		{Name: "inverted-call-race", Title: "a request is completed although its cancel routine has " +
			"been called",
			Doc: "IoSetCancelRoutine gives NULL: IoCancelIrp has taken the routine, and the request " +
				"belongs to it. The DPC comes between that and the routine's lock.",
			Run: Race(invertedcall.CancelAnswerIgnored), Expect: []string{"IRP-005"}, Sometimes: true},
	}
}
