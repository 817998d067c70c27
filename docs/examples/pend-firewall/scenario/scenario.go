// Package scenario lets programs meet the firewall of pend-firewall and its service.
package scenario

import (
	"errors"
	"net/netip"
	"time"

	pendfirewall "calloutsim/docs/examples/pend-firewall"
	"calloutsim/ntstatus"
	"calloutsim/sim"
)

var (
	local = netip.MustParseAddr("192.0.2.10")
	web   = netip.AddrPortFrom(local, 80)
	mail  = netip.AddrPortFrom(local, 25)
)

// World is the story with everybody in it; look at it after the run.
type World struct {
	Firewall               *pendfirewall.Firewall
	Loaded                 bool
	Browser, Malware, Late error // what their connects came to
}

var errNotDone = errors.New("the program did not get to its end")

// Story loads the driver, starts the service and three clients, and unloads the driver.
func Story(d pendfirewall.Defect) func(m *sim.Machine) { return func(m *sim.Machine) { Play(m, d) } }

// Play is Story for those who look at the world afterwards.
func Play(m *sim.Machine, d pendfirewall.Defect) *World {
	w := &World{Firewall: &pendfirewall.Firewall{Defect: d}, Browser: errNotDone, Malware: errNotDone,
		Late: errNotDone}
	m.Load("ask.sys", w.Firewall.DriverEntry)
	w.Loaded = true
	m.Process("server.exe").Serve(web)
	m.Process("mail.exe").Serve(mail)
	service := m.Process("service.exe")
	service.Go("main", func(u *sim.User) {
		dev := open(m, u)
		m.Process("browser.exe").Go("main", func(u *sim.User) { w.Browser = connect(u, web) })
		m.Process("malware.exe").Go("main", func(u *sim.User) { w.Malware = connect(u, mail) })
		serve(m, u, dev)
		m.Process("late.exe").Go("main", func(u *sim.User) { w.Late = connect(u, web) })
		ask(m, u, dev) // it hears of the question and goes
		if err := dev.Close(); err != nil {
			m.Errorf("%v", err)
		}
	})
	m.Run()
	m.Unload("ask.sys")
	return w
}

// connect connects and hangs up.
func connect(u *sim.User, to netip.AddrPort) error {
	s, err := u.Dial(to)
	if err != nil {
		return err
	}
	return s.Close()
}

// failed reports whether a call failed with a status.
func failed(err error, s ntstatus.NTSTATUS) bool {
	var e *sim.DeviceError
	return errors.As(err, &e) && e.Status == s
}

// open opens the device; when memory is short it tries again.
func open(m *sim.Machine, u *sim.User) *sim.Device {
	for {
		d, err := u.Open(pendfirewall.Path)
		if err == nil {
			return d
		}
		if !failed(err, ntstatus.STATUS_INSUFFICIENT_RESOURCES) {
			m.Fatalf("%v", err)
		}
		u.Sleep(time.Millisecond)
	}
}

// patience is how long the service waits for a question: where memory is short, a connect is blocked without
// one.
const patience = time.Second

// ask waits for a question; false when none comes.
func ask(m *sim.Machine, u *sim.User, d *sim.Device) (id, port uint32, ok bool) {
	var b [pendfirewall.QuestionSize]byte
	for {
		op := d.StartIoctl(pendfirewall.IoctlNext, nil, b[:])
		if !op.WaitFor(patience) {
			_ = op.Cancel()
		}
		n, err := op.Wait()
		switch {
		case failed(err, ntstatus.STATUS_INSUFFICIENT_RESOURCES):
			u.Sleep(time.Millisecond)
			continue
		case failed(err, ntstatus.STATUS_CANCELLED):
			return 0, 0, false
		case err != nil || n != len(b):
			m.Errorf("a question has %d bytes and %v", n, err)
			return 0, 0, false
		}
		id, _, port = pendfirewall.Question(b[:])
		return id, port, true
	}
}

// serve answers two questions, each of them twice: who is at the keyboard may click again.
func serve(m *sim.Machine, u *sim.User, d *sim.Device) {
	for range 2 {
		id, port, ok := ask(m, u, d)
		if !ok {
			return
		}
		for range 2 {
			for failed(answer(d, id, port == 80), ntstatus.STATUS_INSUFFICIENT_RESOURCES) {
				u.Sleep(time.Millisecond)
			}
		}
	}
}

// answer answers a question; that it was answered already is no mistake of the service.
func answer(d *sim.Device, id uint32, permit bool) error {
	_, err := d.Ioctl(pendfirewall.IoctlAnswer, pendfirewall.Answer(id, permit), nil)
	return err
}

// Race lets a program connect, to a port where nobody listens, while the service takes the question and
// answers it: the answer may come before classifyFn has returned.
func Race(d pendfirewall.Defect) func(m *sim.Machine) {
	return func(m *sim.Machine) {
		driver := &pendfirewall.Firewall{Defect: d}
		m.Load("ask.sys", driver.DriverEntry)
		m.Process("service.exe").Go("main", func(u *sim.User) {
			dev := open(m, u)
			m.Process("browser.exe").Go("main", func(u *sim.User) { _ = connect(u, web) })
			var b [pendfirewall.QuestionSize]byte
			if _, err := dev.Ioctl(pendfirewall.IoctlNext, nil, b[:]); err == nil {
				_ = answer(dev, 1, false)
			}
		})
		m.Run()
		if !m.Ended() && driver.Blocked != 1 {
			m.Errorf("%d connects were blocked", driver.Blocked)
		}
	}
}

// Scenarios gives the story as it should be and with each of its defects.
func Scenarios() []sim.Scenario {
	list := []sim.Scenario{{Name: "pend-firewall",
		Title: "a firewall holds connects until a service has answered",
		Doc: "Follow classify# from the pend to the reauthorisation, and irp# from the service into the " +
			"queue and back.",
		Run: Story(pendfirewall.None)}}
	for _, d := range defects {
		list = append(list, sim.Scenario{Name: "pend-firewall-" + string(d.defect), Title: d.title,
			Doc: d.doc, Run: Story(d.defect), Expect: d.rules, Sometimes: d.sometimes})
	}
	return list
}

// defects are the mistakes and the rule that must name each.
var defects = []struct {
	defect    pendfirewall.Defect
	rules     []string
	sometimes bool
	title     string
	doc       string
}{
	{pendfirewall.StoredTooLate, []string{"WFP-130"}, true,
		"the decision is stored behind FwpsCompleteOperation0",
		"The reauthorisation may come before the routine returns, and finds nothing."},
	{pendfirewall.CompletedTwice, []string{"WFP-129"}, false,
		"a question that is answered twice is completed twice",
		"Whoever completes must have made the decision."},
	{pendfirewall.CompletedUnderLock, []string{"WFP-080"}, false,
		"the operation is completed with the lock held that classifyFn takes",
		"classifyFn may be entered from inside FwpsCompleteOperation0."},
	{pendfirewall.NeverCompleted, []string{"WFP-129"}, false, "what a service leaves unanswered is forgotten",
		"The connect of late.exe hangs for ever."},
	{pendfirewall.AbsorbMissing, []string{"WFP-128"}, false, "classifyFn pends and returns a plain block",
		"FWPS_CLASSIFY_OUT_FLAG_ABSORB belongs to the pend."},
}
