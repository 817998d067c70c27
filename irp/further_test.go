package irp_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
)

// furtherLocks are routines for locks, DPCs and levels, right and wrong, on things that s holds.
func furtherLocks(s *furtherThings) []named[func(k *irql.K)] {
	return []named[func(k *irql.K)]{
		{"pulse", func(k *irql.K) { irql.KePulseEvent(k, &s.event, 0, false) }},
		{"pulse and wait", func(k *irql.K) { irql.KePulseEvent(k, &s.event, 0, true) }},
		{"mutant", func(k *irql.K) { irql.KeInitializeMutant(k, &s.mutant, true) }},
		{"wait for mutant", func(k *irql.K) { s.wait(k, &s.mutant) }},
		{"release mutant", func(k *irql.K) { irql.KeReleaseMutant(k, &s.mutant, 0, false, false) }},
		{"abandon mutant", func(k *irql.K) { irql.KeReleaseMutant(k, &s.mutant, 0, true, false) }},
		{"wait for mutex", func(k *irql.K) { s.wait(k, &s.mutex) }},
		{"abandon mutex", func(k *irql.K) { irql.KeReleaseMutant(k, &s.mutex, 0, true, true) }},
		{"resource", func(k *irql.K) { irql.ExEnterCriticalRegionAndAcquireResourceShared(k, &s.resource) }},
		{"behind", func(k *irql.K) {
			irql.ExEnterCriticalRegionAndAcquireSharedWaitForExclusive(k, &s.resource)
		}},
		{"owner", func(k *irql.K) { irql.ExSetResourceOwnerPointer(k, &s.resource, 3) }},
		{"bad owner", func(k *irql.K) { irql.ExSetResourceOwnerPointerEx(k, &s.resource, 4, 1) }},
		{"release for owner", func(k *irql.K) { irql.ExReleaseResourceForThreadLite(k, &s.resource, 3) }},
		{"release for me", func(k *irql.K) {
			irql.ExReleaseResourceForThreadLite(k, &s.resource, irql.ExGetCurrentResourceThread(k))
		}},
		{"leave", func(k *irql.K) { irql.ExReleaseResourceAndLeaveCriticalRegion(k, &s.resource) }},
		{"fast", func(k *irql.K) { irql.ExEnterCriticalRegionAndAcquireFastMutexUnsafe(k, &s.fast) }},
		{"unfast", func(k *irql.K) { irql.ExReleaseFastMutexUnsafeAndLeaveCriticalRegion(k, &s.fast) }},
		{"synch", func(k *irql.K) { irql.KeRaiseIrqlToSynchLevel(k) }},
		{"raise", func(k *irql.K) { irql.KfRaiseIrql(k, irql.APC_LEVEL) }},
		{"lower", func(k *irql.K) { irql.KfLowerIrql(k, irql.PASSIVE_LEVEL) }},
		{"lock", func(k *irql.K) { irql.KeAcquireSpinLockForDpc(k, &s.lock) }},
		{"unlock", func(k *irql.K) { irql.KeReleaseSpinLockForDpc(k, &s.lock, irql.PASSIVE_LEVEL) }},
		{"synch lock", func(k *irql.K) { irql.KeAcquireSpinLockRaiseToSynch(k, &s.lock) }},
		{"plain unlock", func(k *irql.K) { irql.KeReleaseSpinLock(k, &s.lock, irql.DISPATCH_LEVEL) }},
		{"acquire", func(k *irql.K) { irql.ExAcquireRundownProtectionEx(k, &s.rundown, 3) }},
		{"release", func(k *irql.K) { irql.ExReleaseRundownProtectionEx(k, &s.rundown, 2) }},
		{"threaded", func(k *irql.K) {
			irql.KeInitializeThreadedDpc(k, &s.dpc, func(*irql.K, *irql.KDPC, any, any, any) {}, nil)
		}},
		{"queue", func(k *irql.K) { irql.KeInsertQueueDpc(k, &s.dpc, nil, nil) }},
		{"remove", func(k *irql.K) { irql.KeRemoveQueueDpc(k, &s.dpc) }},
		{"flush", irql.KeFlushQueuedDpcs},
	}
}

// furtherCalls are the others.
func furtherCalls(s *furtherThings) []named[func(k *irql.K)] {
	return []named[func(k *irql.K)]{
		{"generic", func(k *irql.K) {
			irql.KeGenericCallDpc(k, func(k *irql.K, _ *irql.KDPC, _, done, barrier any) {
				irql.KeSignalCallDpcSynchronize(k, barrier)
				irql.KeSignalCallDpcDone(k, done)
			}, nil)
		}},
		{"generic not done", func(k *irql.K) {
			irql.KeGenericCallDpc(k, func(*irql.K, *irql.KDPC, any, any, any) {}, nil)
		}},
		{"print", func(k *irql.K) { irql.DbgPrint(k, "%ws %d %", "x") }},
		{"assert", func(k *irql.K) { irql.NT_ASSERT(k, false) }},
		{"previous mode", func(k *irql.K) { irql.ExGetPreviousMode(k) }},
		{"barrier", irql.KeMemoryBarrier},
		{"yield", irql.YieldProcessor},
		{"cache aware", func(k *irql.K) { s.aware = cacheAware(k) }},
		{"acquire aware", func(k *irql.K) { irp.ExAcquireRundownProtectionCacheAware(k, s.aware) }},
		{"free aware", func(k *irql.K) { irp.ExFreeCacheAwareRundownProtection(k, s.aware) }},
		{"callback", func(k *irql.K) { s.object = callbackObject(k, "", true) }},
		{"register", func(k *irql.K) {
			s.reg = irp.ExRegisterCallback(k, s.object, func(*irql.K, any, any, any) {}, nil)
		}},
		{"notify", func(k *irql.K) { irp.ExNotifyCallback(k, s.object, 1, 2) }},
		{"unregister", func(k *irql.K) { irp.ExUnregisterCallback(k, s.reg) }},
		{"event", func(k *irql.K) { s.named = irp.IoCreateNotificationEvent(k, "x", &s.handle) }},
		{"close", func(k *irql.K) { irp.ZwClose(k, s.handle) }},
		{"set named", func(k *irql.K) { irql.KeSetEvent(k, s.named, 0, false) }},
		{"watch", func(k *irql.K) { irp.PsSetCreateProcessNotifyRoutine(k, onProcess, false) }},
		{"unwatch", func(k *irql.K) { irp.PsSetCreateProcessNotifyRoutine(k, onProcess, true) }},
		{"watch images", func(k *irql.K) { irp.PsSetLoadImageNotifyRoutine(k, onImage) }},
		{"unwatch images", func(k *irql.K) { irp.PsRemoveLoadImageNotifyRoutine(k, onImage) }},
		{"process", func(k *irql.K) { irp.Sim.ProcessCreated(k, s.process) }},
		{"name", func(k *irql.K) {
			var name *irp.Typed[irp.UNICODE_STRING]
			irp.SeLocateProcessImageName(k, irp.IoGetCurrentProcess(k), &name)
		}},
		{"copy", func(k *irql.K) { irp.RtlCopyMemory(k, s.buffer, s.buffer.Slice(1, 7), 9) }},
		{"equal", func(k *irql.K) { irp.RtlEqualMemory(k, s.buffer, s.buffer, 100) }},
		{"text", func(k *irql.K) { irp.RtlEqualUnicodeString(k, ustr(k, "a"), ustr(k, "A"), true) }},
	}
}

// furtherThings are what furtherCalls work on; some are not initialised.
type furtherThings struct {
	event    irql.KEVENT
	mutant   irql.KMUTANT
	mutex    irql.KMUTEX
	resource irql.ERESOURCE
	fast     irql.FAST_MUTEX
	lock     irql.KSPIN_LOCK
	rundown  irql.EX_RUNDOWN_REF
	dpc      irql.KDPC
	aware    *irp.EX_RUNDOWN_REF_CACHE_AWARE
	object   *irp.CALLBACK_OBJECT
	reg      any
	named    *irql.KEVENT
	handle   irql.HANDLE
	process  *ke.Process
	buffer   *irp.Buffer
}

func (s *furtherThings) init(k *irql.K) {
	irql.KeInitializeEvent(k, &s.event, irql.NotificationEvent, true)
	irql.KeInitializeMutant(k, &s.mutant, false)
	irql.KeInitializeMutex(k, &s.mutex, 0)
	irql.ExInitializeResourceLite(k, &s.resource)
	irql.ExInitializeFastMutex(k, &s.fast)
	irql.KeInitializeSpinLock(k, &s.lock)
	irql.ExInitializeRundownProtection(k, &s.rundown)
	irql.KeInitializeDpc(k, &s.dpc, func(*irql.K, *irql.KDPC, any, any, any) {}, nil)
	s.buffer = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 8, irp.Tag("Test"))
}

func (s *furtherThings) wait(k *irql.K, object any) {
	due := int64(-10)
	irql.KeWaitForSingleObject(k, object, irql.Executive, irql.KernelMode, false, &due)
}

// TestFurtherRoutines_NoMistakeIsACrash makes random calls in threads and DPCs at any level, in runs that go
// on after violations: what a driver does wrong is a finding, never a crash of the simulator.
func TestFurtherRoutines_NoMistakeIsACrash(t *testing.T) {
	for i := range 300 {
		furtherRun(t, i)
	}
}

func furtherRun(t *testing.T, number int) {
	r, told := ke.NewRandom(17, uint64(number)), ""
	n := func(k int) int { return int(r.Next() % uint64(k)) }
	defer func() {
		v := recover()
		if e, ok := v.(ke.DriverPanic); ok { // what Windows raises, too
			_, raised := e.Value.(irql.Exception)
			assert.True(t, raised, "run %d: %s: %v", number, told, e.Value)
		} else if v != nil {
			t.Errorf("run %d: %s: %v", number, told, v)
		}
	}()
	l := newLab(t, ke.Config{Continue: true, Source: ke.NewRandom(18, uint64(number)), MaxSteps: 20000})
	defer l.m.Close()
	s := &furtherThings{process: l.m.NewProcess("app.exe", false)}
	calls := slices.Concat(furtherLocks(s), furtherCalls(s))
	some := func(k *irql.K) {
		for range 1 + n(6) {
			c := calls[n(len(calls))]
			told += fmt.Sprint(c.name, "; ")
			c.do(k)
		}
	}
	l.as(l.image, func(k *irql.K) {
		s.init(k)
		for range 2 {
			l.as(l.image, some)
		}
		d := &irql.KDPC{}
		irql.KeInitializeDpc(k, d, func(k *irql.K, _ *irql.KDPC, _, _, _ any) { some(k) }, nil)
		irql.KeInsertQueueDpc(k, d, nil, nil)
		some(k)
	})
	l.m.Run(nil)
}
