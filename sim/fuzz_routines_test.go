package sim

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// FuzzRoutines plays any bytes as calls of any routine of irql and irp, in threads and, through the callbacks
// that the calls leave behind, in DPCs, timers, work items, completion routines and the like. FuzzWsk and
// FuzzFwps do the same with sockets and with callouts. What the bytes break is found or ends the run; the
// simulator itself must not break, and the same bytes give the same run.
func FuzzRoutines(f *testing.F) { fuzzRoutines(f, "irql.", "irp.") }

func FuzzWsk(f *testing.F) { fuzzRoutines(f, "wsk.", "irp.Io", "irp.Mm") }

func FuzzFwps(f *testing.F) { fuzzRoutines(f, "fwps.", "fwpm.", "irp.Io") }

func fuzzRoutines(f *testing.F, packages ...string) {
	for start := range byte(12) {
		s := []byte{start, start}
		for i := range 400 {
			s = append(s, byte(i*i)*7+start*byte(i)+byte(i>>3)*11)
		}
		f.Add(s)
	}
	calls := fuzzCalls(packages)
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 1<<10 {
			return
		}
		first, again := playCalls(t, calls, script), playCalls(t, calls, script)
		if first != again {
			t.Fatalf("two runs of the same bytes differ: %s and %s", first, again)
		}
	})
}

// fuzzCall is a routine, or a member of an object.
type fuzzCall struct {
	name string
	fn   reflect.Value
}

// fuzzCalls are the routines of the packages and the members of all types.
func fuzzCalls(packages []string) (calls []fuzzCall) {
	chosen := func(name string) bool {
		for _, p := range packages {
			if strings.HasPrefix(name, p) {
				return true
			}
		}
		return false
	}
	for _, r := range everyDDI {
		fn := reflect.ValueOf(r.fn)
		if chosen(r.name) && forDrivers(fn.Type()) && fn.Type().NumIn() > 0 &&
			fn.Type().In(0) == reflect.TypeFor[*irql.K]() && !systemsOwn[r.name] {
			calls = append(calls, fuzzCall{r.name, fn})
		}
	}
	for _, v := range everyType {
		typ := reflect.TypeOf(v)
		for i := range typ.NumMethod() {
			m := typ.Method(i)
			_, byValue := typ.Elem().MethodByName(m.Name)
			if name := typ.String()[1:]; chosen(name) && !byValue && forDrivers(m.Type) && byDriver(m) &&
				!systemsOwn[m.Name] {
				calls = append(calls, fuzzCall{name + "." + m.Name, m.Func})
			}
		}
	}
	return calls
}

// systemsOwn are functions that only the packages above call.
var systemsOwn = map[string]bool{"irql.Yield": false, "Gone": true, "StackGone": true,
	"Reference": true, "Dereference": true, "Busy": true, "WasOpen": true, "RefusesDevice": true}

// fuzzer is the state of one run.
type fuzzer struct {
	nothing
	fuzzNet
	calls  []fuzzCall
	script []byte
	seen   []reflect.Value // objects that a call gave or was given
	tables []fuzzCall      // members of dispatch tables that were seen
	depth  int
}

func (z *fuzzer) next() int {
	if len(z.script) == 0 {
		return 0
	}
	b := z.script[0]
	z.script = z.script[1:]
	return int(b)
}

func (z *fuzzer) pick(n int) int { return z.next() % n }

// playCalls plays one script to its end and says how it ended.
func playCalls(t *testing.T, calls []fuzzCall, script []byte) (end string) {
	z := &fuzzer{calls: calls, script: script}
	mode := z.next()
	o := Options{Collect: true, Continue: mode&0x70 != 0, Processors: 1 + mode&1, Races: mode&4 != 0,
		TimersRace: mode&8 != 0, Seed: uint64(z.next()), MaxSteps: 20_000, MaxTime: 100 * time.Second}
	var hash uint64
	out, err := RunScenario(Scenario{Name: "fuzz", Run: func(m *Machine) {
		defer func() { hash = m.Hash() }()
		if _, s := m.LoadStatus("fuzz.sys", z.entry); !ntstatus.NT_SUCCESS(s) || m.Ended() {
			return
		}
		img := m.ke.Images()[0]
		for range 2 {
			m.ke.NewThread("client", nil, func(k *irql.K) {
				ke.Push(k, ke.Frame{Kind: ke.FrameThread, Image: img, Fn: 1})
				for len(z.script) > 0 {
					z.step(k)
				}
				ke.Pop(k)
			})
		}
		server := netip.MustParseAddrPort("10.0.0.1:80")
		m.Process("client.exe").Dial(server)
		m.run(nil)
		if !m.Ended() {
			m.Process("late.exe").Dial(server)
			m.run(nil)
		}
		if !m.Ended() {
			m.Unload("fuzz.sys")
		}
	}}, RunOptions{Options: o})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	switch {
	case out.Fault != nil:
		t.Fatalf("%.6000s", fmt.Sprint(out.Fault))
	case out.Machine.panicked != nil && !isException(out.Machine.panicked.Value):
		t.Fatalf("%v\n%+v", out.Machine.panicked, out.Machine.panicked.Stack)
	}
	for _, f := range out.Machine.ke.Findings() {
		end += " " + f.Name() + f.Headline
		if f.Kind == ke.NullDereference && (f.Driver != "fuzz.sys" || len(f.Stack)+len(f.Places) == 0) {
			t.Fatalf("not at a line of the driver: %s %v", f.Headline, f.Stack)
		}
	}
	return fmt.Sprintf("%016x%s", hash, end)
}

func (z *fuzzer) entry(k *irql.K, drv *irp.DRIVER_OBJECT, path string) ntstatus.NTSTATUS {
	if s := z.nothing.entry(k, drv, path); !ntstatus.NT_SUCCESS(s) {
		return s
	}
	for i := range drv.MajorFunction {
		drv.MajorFunction[i] = func(k *irql.K, d *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
			z.see(reflect.ValueOf(p))
			z.some(k)
			if z.next()&3 != 0 {
				irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
			}
			return fuzzStatuses[z.pick(len(fuzzStatuses))]
		}
	}
	drv.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) { z.some(k) }
	z.depth = starting
	z.listen(k)
	z.filter(k)
	z.depth = 0
	return ntstatus.STATUS_SUCCESS
}

var fuzzStatuses = [...]ntstatus.NTSTATUS{ntstatus.STATUS_SUCCESS, ntstatus.STATUS_PENDING,
	ntstatus.STATUS_MORE_PROCESSING_REQUIRED, ntstatus.STATUS_UNSUCCESSFUL, ntstatus.STATUS_CANCELLED,
	0xFFFFFFFF, ntstatus.STATUS_BUFFER_OVERFLOW, 0x40000000}

// some plays a few calls in a callback.
func (z *fuzzer) some(k *irql.K) {
	if z.depth > 20 {
		return
	}
	z.depth++
	for n := z.pick(6); n > 0; n-- {
		z.step(k)
	}
	z.depth--
}

// step plays one call. Two bytes choose it: there are more routines than one can name.
func (z *fuzzer) step(k *irql.K) {
	n := z.next()<<8 | z.next()
	c := z.calls[n%len(z.calls)]
	if len(z.tables) > 0 && n>>8&7 < 3 {
		c = z.tables[n%len(z.tables)]
	}
	if c.fn.IsNil() {
		return
	}
	t := c.fn.Type()
	args := make([]reflect.Value, 0, t.NumIn())
	for i := range t.NumIn() {
		if t.In(i) == reflect.TypeFor[*irql.K]() {
			args = append(args, reflect.ValueOf(k))
			continue
		}
		args = append(args, z.argument(k, t.In(i)))
	}
	for _, v := range c.fn.Call(args) {
		z.see(v)
	}
	for _, v := range args {
		if v.Kind() == reflect.Pointer && !v.IsNil() {
			switch v.Elem().Kind() {
			case reflect.Pointer, reflect.Interface, reflect.Uint64, reflect.Uint32, reflect.Uint8:
				z.see(v.Elem()) // what an out-parameter was filled with
			}
		}
	}
}

// TestRoutines_AnyScript plays random scripts of the fuzz targets, which do not need the fuzzer for that.
func TestRoutines_AnyScript(t *testing.T) {
	scripts := 100
	if s := os.Getenv("SIM_SCRIPTS"); s != "" {
		scripts, _ = strconv.Atoi(s)
	}
	start, _ := strconv.ParseUint(os.Getenv("SIM_START"), 10, 64)
	for _, target := range [][]string{
		{"irql.", "irp."}, {"wsk.", "irp.Io", "irp.Mm"}, {"fwps.", "fwpm.", "irp.Io"},
	} {
		calls := fuzzCalls(target)
		for n := range scripts {
			r := rand.New(rand.NewPCG(start+uint64(n), 1))
			script := make([]byte, 2+r.IntN(600))
			for i := range script {
				script[i] = byte(r.Uint32())
			}
			t.Run(fmt.Sprintf("%s%d", target[0], start+uint64(n)), func(t *testing.T) {
				if first, again := playCalls(t, calls, script), playCalls(t, calls, script); first != again {
					t.Errorf("two runs of the same bytes differ: %s and %s", first, again)
				}
			})
		}
	}
}
