package sim

import (
	"testing"

	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// count is what the ordered scenarios do with the memory they share.
func count(b *irp.Buffer) { b.Store32(4, b.Load32(4)+1) }

// ordered are scenarios in which something orders every two accesses.
var ordered = map[string]func(m *Machine){
	"spin lock": func(m *Machine) {
		var lock irql.KSPIN_LOCK
		prepare(m, func(k *ke.K) { irql.KeInitializeSpinLock(k, &lock) })
		withPool(m, func(k *ke.K, b *irp.Buffer) {
			var old irql.KIRQL
			irql.KeAcquireSpinLock(k, &lock, &old)
			count(b)
			irql.KeReleaseSpinLock(k, &lock, old)
		})
	},
	"fast mutex": func(m *Machine) {
		var mutex irql.FAST_MUTEX
		prepare(m, func(k *ke.K) { irql.ExInitializeFastMutex(k, &mutex) })
		withPool(m, func(k *ke.K, b *irp.Buffer) {
			irql.ExAcquireFastMutex(k, &mutex)
			count(b)
			irql.ExReleaseFastMutex(k, &mutex)
		})
	},
	"mutex": func(m *Machine) {
		var mutex irql.KMUTEX
		prepare(m, func(k *ke.K) { irql.KeInitializeMutex(k, &mutex, 0) })
		withPool(m, func(k *ke.K, b *irp.Buffer) {
			irql.KeEnterCriticalRegion(k)
			irql.KeWaitForSingleObject(k, &mutex, irql.Executive, irql.KernelMode, false, nil)
			count(b)
			irql.KeReleaseMutex(k, &mutex, false)
			irql.KeLeaveCriticalRegion(k)
		})
	},
	"semaphore": func(m *Machine) {
		var sem irql.KSEMAPHORE
		prepare(m, func(k *ke.K) { irql.KeInitializeSemaphore(k, &sem, 1, 1) })
		withPool(m, func(k *ke.K, b *irp.Buffer) {
			irql.KeWaitForSingleObject(k, &sem, irql.Executive, irql.KernelMode, false, nil)
			count(b)
			irql.KeReleaseSemaphore(k, &sem, 0, 1, false)
		})
	},
	"event": func(m *Machine) {
		var done irql.KEVENT
		prepare(m, func(k *ke.K) { irql.KeInitializeEvent(k, &done, irql.NotificationEvent, false) })
		first := true
		withPool(m, func(k *ke.K, b *irp.Buffer) {
			if !first {
				irql.KeWaitForSingleObject(k, &done, irql.Executive, irql.KernelMode, false, nil)
				count(b)
				return
			}
			first = false
			count(b)
			irql.KeSetEvent(k, &done, 0, false)
		})
	},
	"synchronization event as a lock": func(m *Machine) {
		var free irql.KEVENT
		prepare(m, func(k *ke.K) { irql.KeInitializeEvent(k, &free, irql.SynchronizationEvent, true) })
		withPool(m, func(k *ke.K, b *irp.Buffer) {
			irql.KeWaitForSingleObject(k, &free, irql.Executive, irql.KernelMode, false, nil)
			count(b)
			irql.KeSetEvent(k, &free, 0, false)
		})
	},
	"interlocked counter": func(m *Machine) {
		var n irql.Var[int32]
		twice(m, func(k *ke.K) {
			irql.InterlockedIncrement(k, &n)
			irql.InterlockedCompareExchange(k, &n, 5, 1)
			n.Load(k)
		})
	},
	"reference count": func(m *Machine) {
		refs := int32(2)
		withPool(m, func(k *ke.K, b *irp.Buffer) {
			b.Load32(0)
			if irql.InterlockedDecrement(k, &refs) == 0 {
				b.Store32(0, 1)
				irp.ExFreePoolWithTag(k, b, testTag)
			}
		})
	},
	"disjoint bytes and reads": func(m *Machine) {
		at := 0
		withPool(m, func(k *ke.K, b *irp.Buffer) {
			mine := at
			at += 4
			b.Load64(40)
			b.Store32(mine, 1)
			b.Load64(40)
		})
	},
	"thread made and waited for": func(m *Machine) {
		prepare(m, func(k *ke.K) {
			b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 64, testTag)
			count(b)
			t := ke.Of(k).NewThread("child", nil, func(k *ke.K) { count(b) })
			ke.Wait(k, []*ke.Object{&t.Object}, false, nil, "the child")
			count(b)
		})
	},
	"DPC": func(m *Machine) {
		var done irql.KEVENT
		d := &irql.KDPC{}
		prepare(m, func(k *ke.K) {
			b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 64, testTag)
			irql.KeInitializeEvent(k, &done, irql.NotificationEvent, false)
			irql.KeInitializeDpc(k, d, func(k *ke.K, _ *irql.KDPC, _, _, _ any) {
				count(b)
				irql.KeSetEvent(k, &done, 0, false)
			}, nil)
			count(b)
			irql.KeInsertQueueDpc(k, d, nil, nil)
			irql.KeWaitForSingleObject(k, &done, irql.Executive, irql.KernelMode, false, nil)
			count(b)
		})
	},
	"DPC flushed": func(m *Machine) {
		d := &irql.KDPC{}
		prepare(m, func(k *ke.K) {
			b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 64, testTag)
			irql.KeInitializeDpc(k, d, func(k *ke.K, _ *irql.KDPC, _, _, _ any) { count(b) }, nil)
			irql.KeInsertQueueDpc(k, d, nil, nil)
			irql.KeFlushQueuedDpcs(k)
			count(b)
		})
	},
	"timer": func(m *Machine) {
		var timer irql.KTIMER
		d := &irql.KDPC{}
		prepare(m, func(k *ke.K) {
			b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 64, testTag)
			irql.KeInitializeTimer(k, &timer)
			irql.KeInitializeDpc(k, d, func(k *ke.K, _ *irql.KDPC, _, _, _ any) { count(b) }, nil)
			count(b)
			irql.KeSetTimer(k, &timer, -10_000, d)
			irql.KeWaitForSingleObject(k, &timer, irql.Executive, irql.KernelMode, false, nil)
			irql.KeFlushQueuedDpcs(k)
			count(b)
		})
	},
	"delivery": func(m *Machine) {
		ch := m.Kernel().NewChannel("wire")
		prepare(m, func(k *ke.K) {
			b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 64, testTag)
			count(b)
			for range 2 {
				m.Kernel().Post(ch, ke.Delivery{Text: "segment", IRQL: &siteTest,
					Run: func(*ke.K) { count(b) }})
			}
		})
	},
	"APC": func(m *Machine) {
		var t *ke.Thread
		withPool(m, func(k *ke.K, b *irp.Buffer) {
			if t == nil {
				t = ke.ThreadOf(k)
				irql.KeDelayExecutionThread(k, 0, false, interval(-10_000))
				return
			}
			count(b)
			ke.Of(k).QueueAPC(t, func(*ke.K) { count(b) })
		})
	},
	"work item": func(m *Machine) {
		m.LoadStatus("work.sys", workItem)
		m.Run()
	},
	"test between two runs": func(m *Machine) {
		var b *irp.Buffer
		prepare(m, func(k *ke.K) {
			b = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 64, testTag)
			count(b)
		})
		b.Store32(4, 1)
		prepare(m, func(*ke.K) { count(b) })
	},
}

var siteTest = ke.Site{Name: "env/test/irql", Alts: []string{"dispatch", "passive"}}

// workItem is a driver whose DriverEntry and work item take turns with a block.
func workItem(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	var dev *irp.DEVICE_OBJECT
	s := irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &dev)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 64, testTag)
	item := irp.IoAllocateWorkItem(k, dev)
	var done irql.KEVENT
	irql.KeInitializeEvent(k, &done, irql.NotificationEvent, false)
	count(b)
	irp.IoQueueWorkItem(k, item, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ any) {
		count(b)
		irql.KeSetEvent(k, &done, 0, false)
	}, irp.DelayedWorkQueue, nil)
	irql.KeWaitForSingleObject(k, &done, irql.Executive, irql.KernelMode, false, nil)
	count(b)
	irp.ExFreePoolWithTag(k, b, testTag)
	irp.IoFreeWorkItem(k, item)
	irp.IoDeleteDevice(k, dev)
	return ntstatus.STATUS_SUCCESS
}

func TestRaces_NeverReportedWhereSomethingOrders(t *testing.T) {
	for name, fn := range ordered {
		t.Run(name, func(t *testing.T) {
			runs(t, fn, func(run uint64, m *Machine) {
				require.NotContains(t, m.Rules(), ke.DataRace, "run %d", run)
				require.False(t, m.Ended(), "run %d: %v", run, m.Rules())
			})
		})
	}
}

func TestRaces_ChangeNothingElse(t *testing.T) {
	k := &ke.Machine{}
	defer k.Close()
	for seed := uint64(1); seed <= 20; seed++ {
		plain := hashOf(t, k, Options{Seed: seed}, nil, true)
		watched := hashOf(t, k, Options{Seed: seed, Races: true}, nil, true)
		watched.Options = plain.Options
		require.Equal(t, plain, watched)
	}
}
