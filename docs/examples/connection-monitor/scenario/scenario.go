// Package scenario lets the driver of connection-monitor watch programs that talk.
package scenario

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	connectionmonitor "calloutsim/docs/examples/connection-monitor"
	"calloutsim/ntstatus"
	"calloutsim/sim"
)

var server = netip.AddrPortFrom(netip.MustParseAddr("192.0.2.10"), 80)

// World is the story with everybody in it; look at it after the run.
type World struct {
	Monitor *connectionmonitor.Monitor
	Loaded  bool
	Reports int   // that watcher.exe has got
	Err     error // of client.exe
}

// Story loads the driver, lets the programs talk, asks for reports, and unloads the driver while a connection
// is open.
func Story(d connectionmonitor.Defect) func(m *sim.Machine) {
	return func(m *sim.Machine) { Play(m, d) }
}

// Play is Story for those who look at the world afterwards.
func Play(m *sim.Machine, d connectionmonitor.Defect) *World {
	w := &World{Monitor: &connectionmonitor.Monitor{Defect: d}, Err: errNotDone}
	m.Load("monitor.sys", w.Monitor.DriverEntry)
	w.Loaded = true
	m.Process("server.exe").Serve(server)
	m.Process("idle.exe").Go("main", func(u *sim.User) { u.Dial(server) }) // stays connected if it can
	m.Process("client.exe").Go("main", func(u *sim.User) { w.Err = talk(u) })
	m.Process("watcher.exe").Go("main", func(u *sim.User) { w.watch(m, u) })
	m.Run()
	m.Unload("monitor.sys")
	return w
}

var errNotDone = errors.New("the program did not get to its end")

// talk says something, reads it back and hangs up.
func talk(u *sim.User) error {
	s, err := u.Dial(server)
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.Send([]byte("hello")); err != nil {
		return err
	}
	_, err = s.Recv(make([]byte, 16))
	return err
}

// watch asks for reports.
func (w *World) watch(m *sim.Machine, u *sim.User) {
	d := open(m, u)
	for range 3 {
		var b [connectionmonitor.ReportSize]byte
		n, err := d.Ioctl(connectionmonitor.IoctlReport, nil, b[:])
		switch {
		case noMemory(err):
			continue
		case err != nil || n != len(b):
			m.Errorf("a report has %d bytes and %v", n, err)
		case binary.LittleEndian.Uint32(b[:]) < binary.LittleEndian.Uint32(b[4:]):
			m.Errorf("more connections are closed than there are: % x", b)
		}
		w.Reports++
	}
	if err := d.Close(); err != nil {
		m.Errorf("%v", err)
	}
}

// noMemory reports whether a call failed because the system was short of memory.
func noMemory(err error) bool {
	var e *sim.DeviceError
	return errors.As(err, &e) && e.Status == ntstatus.STATUS_INSUFFICIENT_RESOURCES
}

// open opens the device; when memory is short it tries again.
func open(m *sim.Machine, u *sim.User) *sim.Device {
	for {
		d, err := u.Open(connectionmonitor.Path)
		if err == nil {
			return d
		}
		if !noMemory(err) {
			m.Fatalf("%v", err)
		}
		u.Sleep(time.Millisecond)
	}
}

// Race lets a connection end while a program asks for a report: whoever is quicker, the record is freed once,
// when nobody looks at it.
func Race(d connectionmonitor.Defect) func(m *sim.Machine) {
	return func(m *sim.Machine) {
		driver := &connectionmonitor.Monitor{Defect: d}
		m.Load("monitor.sys", driver.DriverEntry)
		far := netip.MustParseAddrPort("203.0.113.5:80")
		m.Host(far.Addr(), sim.Echo())
		m.Process("client.exe").Go("main", func(u *sim.User) {
			s, err := u.Dial(far)
			if err != nil {
				return
			}
			m.Process("watcher.exe").Go("main", func(u *sim.User) {
				var b [connectionmonitor.ReportSize]byte
				if d, err := u.Open(connectionmonitor.Path); err == nil {
					d.Ioctl(connectionmonitor.IoctlReport, nil, b[:])
				}
			})
			s.Close()
		})
		m.Run()
		if !m.Ended() && driver.Seen != driver.Ended {
			m.Errorf("%d flows were seen, %d have ended", driver.Seen, driver.Ended)
		}
	}
}

// Unload lets a connection end while the driver is unloaded: whoever is quicker, flowDeleteFn is called once.
func Unload(d connectionmonitor.Defect) func(m *sim.Machine) {
	return func(m *sim.Machine) {
		driver := &connectionmonitor.Monitor{Defect: d}
		m.Load("monitor.sys", driver.DriverEntry)
		far := netip.MustParseAddrPort("203.0.113.5:80")
		m.Host(far.Addr(), sim.Echo())
		m.Process("client.exe").Go("main", func(u *sim.User) {
			if s, err := u.Dial(far); err == nil {
				u.Sleep(time.Second)
				s.Close()
			}
		})
		m.RunFor(time.Second)
		m.Unload("monitor.sys")
		if !m.Ended() && driver.Seen != driver.Ended {
			m.Errorf("%d flows were seen, %d have ended", driver.Seen, driver.Ended)
		}
	}
}

// Scenarios gives the story as it should be and with each of its defects.
func Scenarios() []sim.Scenario {
	list := []sim.Scenario{{Name: "connection-monitor",
		Title: "a callout keeps a context on every flow",
		Doc: "Follow flow# from ALE_FLOW_ESTABLISHED to flowDeleteFn, and see who else looks at the record " +
			"meanwhile.",
		Run: Story(connectionmonitor.None)}}
	for _, d := range defects {
		list = append(list, sim.Scenario{Name: "connection-monitor-" + string(d.defect), Title: d.title,
			Doc: d.doc, Run: Story(d.defect), Expect: []string{d.rule}, Sometimes: d.sometimes})
	}
	return list
}

// defects are the mistakes and the rule that must name each.
var defects = []struct {
	defect    connectionmonitor.Defect
	rule      string
	sometimes bool
	title     string
	doc       string
}{
	{connectionmonitor.NoReference, "WFP-147", false,
		"a report looks at records without a reference",
		"The flow may end between the look at the list and the look at the record."},
	{connectionmonitor.RemovedUnderLock, "WFP-140", false,
		"contexts are removed under the lock that flowDeleteFn takes",
		"FwpsFlowRemoveContext0 calls flowDeleteFn on the same stack."},
	{connectionmonitor.FreedAfterRemove, "WFP-139", false,
		"a context is freed behind FwpsFlowRemoveContext0", "flowDeleteFn has freed it already."},
	{connectionmonitor.BusyIgnored, "WFP-142", false,
		"the driver unloads although unregistering was busy",
		"The flow of idle.exe still has a context, and the engine code that is gone."},
	{connectionmonitor.FreedAtClosure, "WFP-138", false,
		"a record is freed when the program closes its socket",
		"The flow still has it, and flowDeleteFn gets it."},
}
