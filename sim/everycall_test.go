package sim

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// caller is where a routine is called with nothing.
type caller struct {
	name string
	from func(k *irql.K, d *nothing, fn func(k *irql.K))
}

var callers = []caller{
	{"thread", func(k *irql.K, _ *nothing, fn func(k *irql.K)) { fn(k) }},
	{"raised thread", func(k *irql.K, _ *nothing, fn func(k *irql.K)) {
		var old irql.KIRQL
		irql.KeRaiseIrql(k, irql.DISPATCH_LEVEL, &old)
		fn(k)
	}},
	{"DPC", func(k *irql.K, d *nothing, fn func(k *irql.K)) {
		irql.KeInitializeDpc(k, &d.dpc, func(k *irql.K, _ *irql.KDPC, _, _, _ any) { fn(k) }, nil)
		irql.KeInsertQueueDpc(k, &d.dpc, nil, nil)
	}},
	{"completion routine", func(k *irql.K, d *nothing, fn func(k *irql.K)) {
		p := irp.IoAllocateIrp(k, 2, false)
		irp.IoSetCompletionRoutine(k, p, func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP,
			_ any) ntstatus.NTSTATUS {
			fn(k)
			return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
		}, nil, true, true, true)
		irp.IoCallDriver(k, d.device, p)
	}},
}

// nothing is a driver that calls routines with arguments that are NULL, zero, ended or of the wrong kind.
type nothing struct {
	device *irp.DEVICE_OBJECT
	dpc    irql.KDPC
	wsk    wskClient
}

func (d *nothing) entry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	for i := range drv.MajorFunction {
		drv.MajorFunction[i] = func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
			return ntstatus.STATUS_SUCCESS
		}
	}
	return irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &d.device)
}

// play makes one call in a machine of its own and judges what came of it: findings at lines of the driver, or
// nothing; no fault of the simulator, no Go panic, no misuse of the harness, no run without an end.
func (c caller) play(t *testing.T, what string, goesOn bool, call func(k *irql.K, d *nothing)) {
	c.playAfter(t, what, goesOn, nil, call)
}

// playAfter is play with something that is prepared before, at PASSIVE_LEVEL.
func (c caller) playAfter(t *testing.T, what string, goesOn bool, prepare, call func(k *irql.K, d *nothing)) {
	d := &nothing{}
	if os.Getenv("SIM_TRACE") != "" {
		fmt.Println(what, c.name, goesOn)
	}
	out, err := RunScenario(Scenario{Name: "nothing", Run: func(m *Machine) {
		if _, s := m.LoadStatus("oops.sys", d.entry); !ntstatus.NT_SUCCESS(s) {
			m.Fatalf("not loaded")
		}
		m.run(nil)
		img := m.ke.Images()[0]
		m.ke.NewThread("thread", nil, func(k *irql.K) {
			ke.Push(k, ke.Frame{Kind: ke.FrameThread, Image: img, Fn: 1})
			if prepare != nil {
				prepare(k, d)
			}
			c.from(k, d, func(k *irql.K) { call(k, d) })
			ke.Pop(k)
		})
		m.run(nil)
	}}, RunOptions{Options: Options{Collect: true, Continue: goesOn, Notes: true, MaxSteps: 20_000,
		MaxTime: time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	says := fmt.Sprintf("%s in a %s, continue %v", what, c.name, goesOn)
	switch {
	case out.Fault != nil:
		fault := fmt.Sprint(out.Fault)
		t.Errorf("%s: fault of the simulator: %.3000s", says, fault)
		return
	case out.Machine.panicked != nil && isException(out.Machine.panicked.Value):
		return // raised, as the routine's page says, and not caught
	case out.Machine.panicked != nil:
		t.Errorf("%s: panic %v\n%+v", says, out.Machine.panicked, out.Machine.panicked.Stack)
		return
	}
	if os.Getenv("SIM_TRACE") != "" {
		for _, f := range out.Machine.ke.Findings() {
			fmt.Println(what, "FOUND", f.Name(), f.Headline)
		}
		if len(out.Machine.ke.Findings()) == 0 {
			fmt.Println(what, "SILENT", c.name)
		}
	}
	for _, m := range out.Messages {
		if strings.Contains(m, "a periodic timer") || strings.Contains(m, "a timer keeps the machine") ||
			strings.Contains(m, "for no object") || strings.Contains(m, "the Record of the entry") {
			continue
		}
		t.Errorf("%s: %s", says, m)
	}
	for _, f := range out.Machine.ke.Findings() {
		if f.Kind == ke.NullDereference && (f.Driver != "oops.sys" || len(f.Stack) == 0) ||
			len(f.Stack) > 0 && f.Stack[0].File != "" && !strings.HasSuffix(f.Stack[0].File, "_test.go") {
			t.Errorf("%s: %s %s is not at a line of the driver: %v", says, f.Name(), f.Headline, f.Stack)
		}
	}
}

func isException(v any) bool {
	_, is := v.(irql.Exception)
	return is
}

// ourOwn reports whether a parameter is one that no driver can have: the routine is for the packages above.
func ourOwn(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() == reflect.Func {
		for i := range t.NumIn() {
			if ourOwn(t.In(i)) {
				return true
			}
		}
	}
	return strings.Contains(t.PkgPath(), "/internal/") && t != reflect.TypeFor[ke.K]() &&
		t.Name() != "Buffer" && t.Name() != "Process" && !strings.HasPrefix(t.Name(), "Typed[")
}

func forDrivers(t reflect.Type) bool {
	for i := range t.NumIn() {
		if ourOwn(t.In(i)) {
			return false
		}
	}
	return true
}

// value gives an argument by the kind of call that is made.
type value func(k *irql.K, d *nothing, t reflect.Type) reflect.Value

func null(_ *irql.K, _ *nothing, t reflect.Type) reflect.Value { return reflect.Zero(t) }

// zero gives objects that no routine has initialised, routines that do nothing, and numbers that are not 0.
func zero(_ *irql.K, _ *nothing, t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.Pointer:
		return reflect.New(t.Elem())
	case reflect.Func:
		return reflect.MakeFunc(t, func([]reflect.Value) (out []reflect.Value) {
			for i := range t.NumOut() {
				out = append(out, reflect.Zero(t.Out(i)))
			}
			return out
		})
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Int:
		v.SetInt(2)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uint:
		v.SetUint(2)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("x")
	}
	return v
}

// arguments makes those of fn: argument number odd by other, the others by usual.
func arguments(k *irql.K, d *nothing, fn reflect.Type, usual value, odd int, other value) []reflect.Value {
	var args []reflect.Value
	n := fn.NumIn()
	if fn.IsVariadic() {
		n--
	}
	for i := range n {
		switch t := fn.In(i); {
		case t == reflect.TypeFor[*irql.K]():
			args = append(args, reflect.ValueOf(k))
		case i == odd:
			args = append(args, other(k, d, t))
		default:
			args = append(args, usual(k, d, t))
		}
	}
	return args
}

// playAll makes the calls of one routine: with every argument of each sort, and with one of another.
func (c caller) playAll(t *testing.T, name string, fn reflect.Value, goesOn bool) {
	call := func(how string, usual value, odd int, other value) {
		c.play(t, name+" "+how, goesOn, func(k *irql.K, d *nothing) {
			fn.Call(arguments(k, d, fn.Type(), usual, odd, other))
		})
	}
	call("with NULL", null, -1, nil)
	call("with objects that are zero", zero, -1, nil)
	call("with objects", good, -1, nil)
	call("with objects that have ended", ended, -1, nil)
	for i := range fn.Type().NumIn() {
		switch fn.Type().In(i).Kind() {
		case reflect.Pointer, reflect.Func, reflect.Slice, reflect.Interface:
			if fn.Type().In(i) == reflect.TypeFor[*irql.K]() {
				continue
			}
			call(fmt.Sprintf("with objects, argument %d NULL", i), good, i, null)
			call(fmt.Sprintf("with objects, argument %d zero", i), good, i, zero)
			call(fmt.Sprintf("with objects, argument %d ended", i), good, i, ended)
		}
	}
}

// thorough says that tests do all that they can do; .ci/run asks for it.
var thorough = os.Getenv("SIM_THOROUGH") != ""

// TestEveryRoutine_CalledWithNothing calls every routine of the DDI packages with arguments that are NULL,
// never initialised, or gone.
func TestEveryRoutine_CalledWithNothing(t *testing.T) {
	for _, r := range everyDDI {
		fn := reflect.ValueOf(r.fn)
		if !forDrivers(fn.Type()) {
			continue
		}
		if only := os.Getenv("SIM_ONLY"); only != "" && !strings.Contains(r.name, only) {
			continue
		}
		for i, c := range callers {
			if testing.Short() && i > 0 {
				break
			}
			c.playAll(t, r.name, fn, true)
			if i == 0 || thorough { // what a run that ends does, one that goes on has done before
				c.playAll(t, r.name, fn, false)
			}
		}
	}
}

// TestEveryMember_OfNothing calls every method of every type of the DDI packages on NULL, on a value that no
// routine has initialised, and on what has ended.
func TestEveryMember_OfNothing(t *testing.T) {
	sorts := []struct {
		name string
		of   value
	}{
		{"NULL", null}, {"an object that is zero", zero}, {"an object", good},
		{"an object that has ended", ended},
	}
	for _, v := range everyType {
		typ := reflect.TypeOf(v)
		for i := range typ.NumMethod() {
			method := typ.Method(i)
			_, byValue := typ.Elem().MethodByName(method.Name)
			if !forDrivers(method.Type) || !byDriver(method) {
				continue
			}
			for _, c := range callers[:2] {
				for n, s := range sorts {
					if n == 0 && byValue {
						continue // Go dereferences before the call
					}
					name := fmt.Sprintf("%v.%s of %s", typ, method.Name, s.name)
					for args, sort := range []value{null, zero} {
						call := func(k *irql.K, d *nothing) {
							method.Func.Call(arguments(k, d, method.Type, sort, 0, s.of))
						}
						c.play(t, fmt.Sprintf("%s, arguments %d", name, args), n == 0, call)
					}
				}
			}
		}
	}
}

// byDriver reports whether a driver calls the method: those with results of our own kinds are for the
// packages above.
func byDriver(m reflect.Method) bool {
	for i := range m.Type.NumOut() {
		if ourOwn(m.Type.Out(i)) {
			return false
		}
	}
	return true
}
