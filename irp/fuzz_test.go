package irp_test

import (
	"fmt"
	"testing"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// FuzzOperations plays any bytes as the operations of badly behaved drivers. What they break is found or ends
// the run; the simulator itself must not break: no internal error, no Go fault inside of it, no run without
// an end, and the same bytes give the same run.
func FuzzOperations(f *testing.F) {
	for _, s := range fuzzSeeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > fuzzLength {
			return
		}
		first, again := playScript(t, script), playScript(t, script)
		if first != again {
			t.Fatalf("two runs of the same bytes differ: %s and %s", first, again)
		}
	})
}

const (
	fuzzLength = 1 << 10
	fuzzSteps  = 20_000
	fuzzTime   = 100 * ke.Second
	registers  = 4 // objects of each kind
)

// fuzz is the state of the drivers of one run.
type fuzz struct {
	script []byte
	m      *ke.Machine
	driver [2]*irp.DRIVER_OBJECT
	dev    [registers]*irp.DEVICE_OBJECT
	p      [registers]*irp.IRP
	buf    [registers]*irp.Buffer
	mdl    [registers]*irp.MDL
	item   [registers]*irp.IO_WORKITEM
	data   *fuzzData
	old    irql.KIRQL
	handle [registers]irql.KLOCK_QUEUE_HANDLE
	count  int32
	iosb   irp.IO_STATUS_BLOCK
	thread irql.HANDLE
	shared fuzzShared
	more   fuzzWide
	wide   bool
	depth  int
}

// fuzzData is what lies in driver memory.
type fuzzData struct {
	spin    [registers]irql.KSPIN_LOCK
	event   [registers]irql.KEVENT
	fast    [2]irql.FAST_MUTEX
	guarded [2]irql.KGUARDED_MUTEX
	mutex   [2]irql.KMUTEX
	sem     [2]irql.KSEMAPHORE
	timer   [2]irql.KTIMER
	dpc     [2]irql.KDPC
	rundown irql.EX_RUNDOWN_REF
	remove  irp.IO_REMOVE_LOCK
	list    irp.LOOKASIDE_LIST_EX
}

// next is the next byte; there are zeros behind the last one.
func (z *fuzz) next() int {
	if len(z.script) == 0 {
		return 0
	}
	b := z.script[0]
	z.script = z.script[1:]
	return int(b)
}

func (z *fuzz) pick(n int) int { return z.next() % n }

// playScript runs one script to its end and says how it ended.
func playScript(t *testing.T, script []byte) string {
	z := &fuzz{script: script}
	mode := z.next()
	z.wide = mode&wide != 0
	cfg := ke.Config{Processors: 1 + mode&1, MaxSteps: fuzzSteps, MaxTime: fuzzTime, MemPoints: mode&2 != 0,
		Races: mode&8 != 0, TimersRace: mode&16 != 0}
	if mode&4 != 0 {
		cfg.Continue, cfg.Continues = true, func(verify.RuleID) bool { return true }
	}
	if seed := z.next(); seed != 0 {
		cfg.Source = ke.NewRandom(uint64(seed), 1)
	}
	z.m = ke.New(cfg)
	defer z.m.Close()
	end := z.play(t)
	end += fmt.Sprintf(" %016x", z.m.Log().Hash())
	for _, f := range z.m.Findings() {
		end += " " + f.Rule.String() + f.Headline
	}
	return end
}

// play is the life of the machine; what ends it early is given as text.
func (z *fuzz) play(t *testing.T) (end string) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case ke.Misuse:
			end = string(v)
		case ke.DriverPanic:
			if _, raised := v.Value.(irql.Exception); !raised {
				t.Fatalf("%v\n%+v", v, v.Stack)
			}
			end = v.Error()
		default:
			panic(v)
		}
	}()
	for i := range z.driver {
		z.driver[i] = irp.Sim.LoadDriver(z.m, fmt.Sprintf("fuzz%d.sys", i), z.entry(i))
		z.m.Run(nil)
		if z.data == nil || z.m.Dead() {
			return "not loaded"
		}
	}
	for i := range 2 {
		z.m.NewThread("client", nil, func(k *irql.K) {
			ke.Push(k, ke.Frame{Kind: ke.FrameThread, Image: z.driver[i].Image()})
			for len(z.script) > 0 {
				z.step(k, z.p[z.pick(registers)])
			}
			ke.Pop(k)
		})
	}
	z.m.Run(nil)
	for _, drv := range z.driver {
		if !z.m.Dead() && irp.Sim.UnloadDriver(z.m, drv) {
			z.m.Run(nil)
		}
	}
	if !z.m.Dead() {
		z.m.RunEndChecks()
	}
	return "rest"
}

func (z *fuzz) entry(n int) irp.DRIVER_INITIALIZE {
	return func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
		for i := range drv.MajorFunction {
			drv.MajorFunction[i] = z.dispatch
		}
		drv.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) { z.some(k, nil) }
		if n == 0 {
			block := irp.New[fuzzData](k, irp.POOL_FLAG_NON_PAGED, irp.Tag("fuzz"))
			if block == nil {
				return ntstatus.STATUS_INSUFFICIENT_RESOURCES
			}
			z.data = block.Get()
			z.initialise(k)
			z.initialiseShared(k)
			if z.wide {
				z.initialiseWide(k)
			}
		}
		for i := range 2 {
			irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &z.dev[2*n+i])
		}
		if n == 1 && z.dev[0] != nil && z.dev[2] != nil {
			irp.IoAttachDeviceToDeviceStack(k, z.dev[2], z.dev[0])
		}
		return ok
	}
}

// initialise makes most objects ready; what it leaves out is met uninitialised.
func (z *fuzz) initialise(k *irql.K) {
	d := z.data
	for i := range 3 {
		irql.KeInitializeSpinLock(k, &d.spin[i])
		irql.KeInitializeEvent(k, &d.event[i], irql.EVENT_TYPE(i%2), false)
	}
	irql.ExInitializeFastMutex(k, &d.fast[0])
	irql.KeInitializeGuardedMutex(k, &d.guarded[0])
	irql.KeInitializeMutex(k, &d.mutex[0], 0)
	irql.KeInitializeSemaphore(k, &d.sem[0], 0, 3)
	irql.KeInitializeTimer(k, &d.timer[0])
	irql.KeInitializeTimerEx(k, &d.timer[1], irql.SynchronizationTimer)
	irql.KeInitializeDpc(k, &d.dpc[0], z.onDpc, nil)
	irql.ExInitializeRundownProtection(k, &d.rundown)
	irp.IoInitializeRemoveLock(k, &d.remove, irp.Tag("rmlk"), 0, 0)
	irp.ExInitializeLookasideListEx(k, &d.list, nil, nil, irp.NonPagedPoolNx, 0, 64, irp.Tag("look"), 0)
}

// --- routines of the drivers ---

// some plays a few operations in a routine; p is the IRP it was given.
func (z *fuzz) some(k *irql.K, p *irp.IRP) {
	if z.depth > 40 {
		return
	}
	z.depth++
	for n := z.pick(8); n > 0; n-- {
		z.step(k, p)
	}
	z.depth--
}

var fuzzStatuses = [...]ntstatus.NTSTATUS{ok, pending, failed, stop, ntstatus.STATUS_CANCELLED, 0xFFFFFFFF,
	ntstatus.STATUS_BUFFER_OVERFLOW, 0x40000000}

func (z *fuzz) status() ntstatus.NTSTATUS { return fuzzStatuses[z.pick(len(fuzzStatuses))] }

func (z *fuzz) dispatch(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	z.some(k, p)
	return z.status()
}

func (z *fuzz) onCompletion(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, _ any) ntstatus.NTSTATUS {
	z.some(k, p)
	return z.status()
}

func (z *fuzz) onCancel(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
	if z.next()&1 == 0 {
		irp.IoReleaseCancelSpinLock(k, p.CancelIrql())
	}
	z.some(k, p)
}

func (z *fuzz) onDpc(k *irql.K, _ *irql.KDPC, _, _, _ any)    { z.some(k, z.p[0]) }
func (z *fuzz) onWork(k *irql.K, _ *irp.DEVICE_OBJECT, _ any) { z.some(k, z.p[z.pick(registers)]) }
func (z *fuzz) onThread(k *irql.K, _ any)                     { z.some(k, z.p[z.pick(registers)]) }

// step plays one operation. p is the IRP at hand, nil for none.
func (z *fuzz) step(k *irql.K, p *irp.IRP) {
	families := [...]func(k *irql.K, p *irp.IRP, op int){z.irpOp, z.stackOp, z.ownOp, z.levelOp, z.waitOp,
		z.memoryOp, z.mdlOp, z.laterOp, z.deviceOp, z.sharedOp, z.queueOp}
	op := z.next()
	if z.wide && op >= 128 {
		more := [...]func(k *irql.K, p *irp.IRP, op int){z.regionOp, z.spinOp, z.storeOp}
		more[op%len(more)](k, p, (op-128)/len(more))
		return
	}
	families[op%len(families)](k, p, op/len(families))
}
