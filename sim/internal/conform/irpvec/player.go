package irpvec

import (
	"errors"
	"fmt"
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// player executes one record.
type player struct {
	m       *ke.Machine
	progs   map[string]program
	main    *irp.DRIVER_OBJECT // of main and D0
	lower   *irp.DRIVER_OBJECT // of D1..D8
	devs    [9]*irp.DEVICE_OBJECT
	regs    [registers]register
	events  [eventCount]*irql.KEVENT
	labels  []label
	async   []*asyncRun
	entered []entry
	log     []string
	fail    string
	bad     error // the record makes no sense
}

// The numbers of things a record may use.
const (
	registers  = 4
	eventCount = 8
)

// malformed is what a routine of the driver panics with at an operation that makes no sense.
type malformed string

// register is one IRP of the scenario with what belongs to it.
type register struct {
	p     *irp.IRP
	iosb  *irp.IO_STATUS_BLOCK
	event *irql.KEVENT
	in    *irp.Buffer
	out   *irp.Buffer
}

type label struct {
	k    *irql.K
	name string
}

type entry struct {
	name string
	n    int
}

type asyncRun struct {
	thread *ke.Thread
	done   bool
}

// activation is one running program.
type activation struct {
	fn       string
	p        *irp.IRP
	last     ntstatus.NTSTATUS
	prevNull bool
	nth      int
	done     bool
	ret      ntstatus.NTSTATUS
	lockIrql irql.KIRQL
}

// Result is what a record's run gave.
type Result struct {
	ID         string
	Want, Got  []string
	Violations []string // as recorded
	Findings   []verify.Finding
	Broke      string // why the run ended early
}

// Play executes one record.
func Play(line []byte) (*Result, error) {
	r, progs, err := parse(line)
	if err != nil {
		return nil, err
	}
	res := &Result{ID: r.ID, Violations: r.Violations}
	for _, e := range r.Trace {
		s, err := canonical(e)
		if err != nil {
			return nil, fmt.Errorf("record %s: %v", r.ID, err)
		}
		res.Want = append(res.Want, s)
	}
	pl := &player{m: ke.New(ke.Config{Continue: true, Continues: all, Events: 64}), progs: progs}
	defer pl.m.Close()
	if pl.play(); pl.bad != nil {
		return nil, fmt.Errorf("record %s, %w", r.ID, pl.bad)
	}
	res.Got, res.Findings, res.Broke = pl.log, pl.m.Findings(), pl.fail
	return res, nil
}

func all(verify.RuleID) bool { return true }

// Run executes one record and returns a readable difference, empty when all events match.
func Run(line []byte) (mismatch string, err error) {
	r, err := Play(line)
	if err != nil {
		return "", err
	}
	return r.Diff(), nil
}

// Diff compares the recorded events with those of the run.
func (r *Result) Diff() string {
	same := len(r.Want) == len(r.Got) && r.Broke == ""
	for i := 0; same && i < len(r.Want); i++ {
		same = r.Want[i] == r.Got[i]
	}
	if same {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", r.ID)
	if r.Broke != "" {
		fmt.Fprintf(&b, "  run ended early: %s\n", r.Broke)
	}
	for i := 0; i < max(len(r.Want), len(r.Got)); i++ {
		w, g := at(r.Want, i), at(r.Got, i)
		if w == g {
			fmt.Fprintf(&b, "    %s\n", w)
			continue
		}
		if w != "" {
			fmt.Fprintf(&b, "  - %s\n", w)
		}
		if g != "" {
			fmt.Fprintf(&b, "  + %s\n", g)
		}
	}
	return b.String()
}

func at(s []string, i int) string {
	if i < len(s) {
		return s[i]
	}
	return ""
}

func (pl *player) play() {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case ke.Misuse:
			pl.fail = string(v)
		case ke.DriverPanic:
			pl.fail = v.Error()
			if what, ok := v.Value.(malformed); ok {
				pl.bad = errors.New(string(what))
			}
		default:
			panic(v)
		}
	}()
	pl.main = irp.Sim.LoadDriver(pl.m, "initiator.sys", pl.mainEntry)
	pl.lower = irp.Sim.LoadDriver(pl.m, "devices.sys", pl.lowerEntry)
	pl.m.Run(nil)
	pl.m.NewThread("main", nil, func(k *ke.K) {
		pl.label(k, "main")
		ke.Push(k, ke.Frame{Kind: ke.FrameThread, Image: pl.main.Image()})
		a := &activation{fn: "main"}
		pl.exec(k, a, pl.progs["main"])
		ke.Pop(k)
	})
	pl.m.Run(nil)
	if len(pl.m.Threads()) > 0 && pl.fail == "" {
		pl.fail = "a thread waits for ever"
	}
}

func (pl *player) mainEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	return irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &pl.devs[0])
}

func (pl *player) lowerEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	for i := range drv.MajorFunction {
		drv.MajorFunction[i] = pl.dispatch
	}
	for i := 1; i < len(pl.devs); i++ {
		irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &pl.devs[i])
	}
	return ntstatus.STATUS_SUCCESS
}

func (pl *player) label(k *irql.K, name string) {
	for i := range pl.labels {
		if pl.labels[i].k == k {
			pl.labels[i].name = name
			return
		}
	}
	pl.labels = append(pl.labels, label{k, name})
}

func (pl *player) labelOf(k *irql.K) string {
	for i := range pl.labels {
		if pl.labels[i].k == k {
			return pl.labels[i].name
		}
	}
	return "?"
}

// enter counts the entries of a routine.
func (pl *player) enter(name string) int {
	for i := range pl.entered {
		if pl.entered[i].name == name {
			pl.entered[i].n++
			return pl.entered[i].n - 1
		}
	}
	pl.entered = append(pl.entered, entry{name, 1})
	return 0
}

func (pl *player) deviceName(dev *irp.DEVICE_OBJECT) any {
	for i, d := range pl.devs {
		if d == dev && dev != nil {
			return fmt.Sprintf("D%d", i)
		}
	}
	return nil
}

func (pl *player) dispatch(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	name := fmt.Sprintf("dispatch.%v", pl.deviceName(dev))
	f := fields{}
	f.add("ev", "enter")
	f.add("fn", name)
	f.add("thread", pl.labelOf(k))
	f.add("device", pl.deviceName(dev))
	pl.irpFields(k, &f, p)
	pl.aside(k, func() { f.add("major", int(irp.IoGetCurrentIrpStackLocation(k, p).MajorFunction())) })
	pl.emit(&f)
	return pl.routine(k, name, p)
}

func (pl *player) routine(k *irql.K, name string, p *irp.IRP) ntstatus.NTSTATUS {
	a := &activation{fn: name, p: p, nth: pl.enter(name)}
	pl.exec(k, a, pl.progs[name])
	pl.emitLeave(name, &a.ret)
	return a.ret
}

// completion makes the completion routine of a name.
func (pl *player) completion(name string) irp.IO_COMPLETION_ROUTINE {
	name = "completion." + name
	return func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP, _ any) ntstatus.NTSTATUS {
		f := fields{}
		f.add("ev", "enter")
		f.add("fn", name)
		f.add("thread", pl.labelOf(k))
		f.add("device", pl.deviceName(dev))
		pl.irpFields(k, &f, p)
		pl.emit(&f)
		return pl.routine(k, name, p)
	}
}

// cancelRoutine makes the cancel routine of a name.
func (pl *player) cancelRoutine(name string) irp.DRIVER_CANCEL {
	name = "cancel." + name
	return func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) {
		f := fields{}
		f.add("ev", "enter")
		f.add("fn", name)
		f.add("thread", pl.labelOf(k))
		f.add("device", pl.deviceName(dev))
		pl.irpFields(k, &f, p)
		pl.emit(&f)
		a := &activation{fn: name, p: p, nth: pl.enter(name)}
		pl.exec(k, a, pl.progs[name])
		pl.emitLeave(name, nil)
	}
}

// aside runs recorder code, which belongs to nobody.
func (pl *player) aside(k *irql.K, fn func()) {
	ke.Push(k, ke.Frame{Kind: ke.FrameSystem})
	fn()
	ke.Pop(k)
}

// asHolder runs fn as code of the driver that holds p now, if it is not the one that runs anyway.
func (pl *player) asHolder(k *irql.K, p *irp.IRP, fn func()) {
	img := irp.Sim.Holder(p)
	if img == nil || img == ke.Acting(k) {
		fn()
		return
	}
	ke.Push(k, ke.Frame{Kind: ke.FrameThread, Image: img})
	fn()
	ke.Pop(k)
}
