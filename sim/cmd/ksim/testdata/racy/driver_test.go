package racy

import (
	"testing"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/sim"
)

// explore runs a scenario of the driver under many schedules.
func explore(t *testing.T, scenario func(d *driver, m *sim.Machine)) {
	sim.Explore(t, sim.ExploreOptions{Runs: 300}, func(m *sim.Machine) {
		d := &driver{}
		if _, s := m.LoadStatus("racy.sys", d.DriverEntry); !ntstatus.NT_SUCCESS(s) {
			return // out of memory
		}
		scenario(d, m)
		m.Run()
	})
}

// one runs fn in a thread, two in each of two threads.
func one(t *testing.T, fn func(d *driver, k *irql.K)) {
	explore(t, func(d *driver, m *sim.Machine) { m.Thread("a", func(k *irql.K) { fn(d, k) }) })
}

func two(t *testing.T, fn func(d *driver, k *irql.K)) {
	explore(t, func(d *driver, m *sim.Machine) {
		m.Thread("a", func(k *irql.K) { fn(d, k) })
		m.Thread("b", func(k *irql.K) { fn(d, k) })
	})
}

func TestRacy(t *testing.T) {
	t.Run("threads", func(t *testing.T) { two(t, func(d *driver, k *irql.K) { d.count++ }) })
	t.Run("raised level", func(t *testing.T) {
		two(t, func(d *driver, k *irql.K) {
			var old irql.KIRQL
			irql.KeRaiseIrql(k, irql.DISPATCH_LEVEL, &old)
			d.count++
			irql.KeLowerIrql(k, old)
		})
	})
	t.Run("DPC and who queues it", func(t *testing.T) {
		one(t, func(d *driver, k *irql.K) {
			irql.KeInitializeDpc(k, &d.dpc, d.countAndSet, nil)
			irql.KeInsertQueueDpc(k, &d.dpc, nil, nil)
			d.count++
		})
	})
	t.Run("DPC and who it interrupts", func(t *testing.T) {
		explore(t, func(d *driver, m *sim.Machine) {
			m.Thread("a", func(k *irql.K) {
				irql.KeInitializeDpc(k, &d.dpc, d.countAndSet, nil)
				irql.KeInsertQueueDpc(k, &d.dpc, nil, nil)
			})
			m.Thread("b", func(k *irql.K) { d.count++ })
		})
	})
	t.Run("work items", func(t *testing.T) {
		one(t, func(d *driver, k *irql.K) {
			for range 2 {
				d.inWorkItem(k, func(*irql.K) { d.count++ })
			}
		})
	})
	t.Run("timer and its thread", func(t *testing.T) {
		one(t, func(d *driver, k *irql.K) {
			irql.KeInitializeDpc(k, &d.dpc, d.countAndSet, nil)
			irql.KeSetTimer(k, &d.timer, -10_000, &d.dpc)
			d.count++
		})
	})
	t.Run("store beside an interlocked operation", func(t *testing.T) {
		explore(t, func(d *driver, m *sim.Machine) {
			m.Thread("a", func(k *irql.K) { irql.InterlockedIncrement(k, &d.refs) })
			m.Thread("b", func(k *irql.K) { d.refs = 1 })
		})
	})
	t.Run("one side without the lock", func(t *testing.T) {
		explore(t, func(d *driver, m *sim.Machine) {
			m.Thread("a", func(k *irql.K) {
				irql.ExAcquireFastMutex(k, &d.fast)
				d.count++
				irql.ExReleaseFastMutex(k, &d.fast)
			})
			m.Thread("b", func(k *irql.K) { d.count++ })
		})
	})
}

func TestOrdered(t *testing.T) {
	locks := map[string]func(d *driver, k *irql.K){
		"spin lock": func(d *driver, k *irql.K) {
			var old irql.KIRQL
			irql.KeAcquireSpinLock(k, &d.spin, &old)
			d.count++
			irql.KeReleaseSpinLock(k, &d.spin, old)
		},
		"shared spin lock": func(d *driver, k *irql.K) {
			old := irql.ExAcquireSpinLockShared(k, &d.shared)
			_ = d.count
			irql.ExReleaseSpinLockShared(k, &d.shared, old)
			old = irql.ExAcquireSpinLockExclusive(k, &d.shared)
			d.count++
			irql.ExReleaseSpinLockExclusive(k, &d.shared, old)
		},
		"fast mutex": func(d *driver, k *irql.K) {
			irql.ExAcquireFastMutex(k, &d.fast)
			d.count++
			irql.ExReleaseFastMutex(k, &d.fast)
		},
		"mutex": func(d *driver, k *irql.K) {
			irql.KeEnterCriticalRegion(k)
			d.wait(k, &d.mutex)
			d.count++
			irql.KeReleaseMutex(k, &d.mutex, false)
			irql.KeLeaveCriticalRegion(k)
		},
		"semaphore": func(d *driver, k *irql.K) {
			d.wait(k, &d.semaphore)
			d.count++
			irql.KeReleaseSemaphore(k, &d.semaphore, 0, 1, false)
		},
		"ERESOURCE": func(d *driver, k *irql.K) {
			irql.KeEnterCriticalRegion(k)
			irql.ExAcquireResourceSharedLite(k, &d.resource, true)
			_ = d.count
			irql.ExReleaseResourceLite(k, &d.resource)
			irql.ExAcquireResourceExclusiveLite(k, &d.resource, true)
			d.count++
			irql.ExReleaseResourceLite(k, &d.resource)
			irql.KeLeaveCriticalRegion(k)
		},
		"interlocked counter": func(d *driver, k *irql.K) { irql.InterlockedIncrement(k, &d.refs) },
		"reference count": func(d *driver, k *irql.K) {
			_ = d.count
			if irql.InterlockedIncrement(k, &d.refs) == 2 {
				d.count++
			}
		},
	}
	for name, fn := range locks {
		t.Run(name, func(t *testing.T) { two(t, fn) })
	}
	t.Run("rundown", func(t *testing.T) {
		explore(t, func(d *driver, m *sim.Machine) {
			m.Thread("a", func(k *irql.K) {
				if irql.ExAcquireRundownProtection(k, &d.rundown) {
					d.count++
					irql.ExReleaseRundownProtection(k, &d.rundown)
				}
			})
			m.Thread("b", func(k *irql.K) {
				irql.ExWaitForRundownProtectionRelease(k, &d.rundown)
				d.count++
			})
		})
	})
	t.Run("event", func(t *testing.T) {
		explore(t, func(d *driver, m *sim.Machine) {
			m.Thread("a", func(k *irql.K) { d.countAndSet(k, nil, nil, nil, nil) })
			m.Thread("b", func(k *irql.K) {
				d.wait(k, &d.done)
				d.count++
			})
		})
	})
	t.Run("thread made and waited for", func(t *testing.T) {
		one(t, func(d *driver, k *irql.K) {
			var h irql.HANDLE
			var thread any
			d.count++
			irql.PsCreateSystemThread(k, &h, irql.THREAD_ALL_ACCESS, nil, 0, nil, func(*irql.K, any) { d.count++ },
				nil)
			if h == 0 {
				return
			}
			irp.ObReferenceObjectByHandle(k, h, irql.THREAD_ALL_ACCESS, irp.PsThreadType, irql.KernelMode,
				&thread, nil)
			irp.ZwClose(k, h)
			d.wait(k, thread)
			d.count++
			irp.ObDereferenceObject(k, thread)
		})
	})
	t.Run("DPC", func(t *testing.T) {
		one(t, func(d *driver, k *irql.K) {
			irql.KeInitializeDpc(k, &d.dpc, d.countAndSet, nil)
			d.count++
			irql.KeInsertQueueDpc(k, &d.dpc, nil, nil)
			d.wait(k, &d.done)
			d.count++
		})
	})
	t.Run("DPC flushed", func(t *testing.T) {
		one(t, func(d *driver, k *irql.K) {
			irql.KeInitializeDpc(k, &d.dpc, d.countAndSet, nil)
			d.count++
			irql.KeInsertQueueDpc(k, &d.dpc, nil, nil)
			irql.KeFlushQueuedDpcs(k)
			d.count++
		})
	})
	t.Run("timer", func(t *testing.T) {
		one(t, func(d *driver, k *irql.K) {
			irql.KeInitializeDpc(k, &d.dpc, d.countAndSet, nil)
			d.count++
			irql.KeSetTimer(k, &d.timer, -10_000, &d.dpc)
			d.wait(k, &d.timer)
			irql.KeFlushQueuedDpcs(k)
			d.count++
		})
	})
	t.Run("work item", func(t *testing.T) {
		one(t, func(d *driver, k *irql.K) {
			d.count++
			if d.inWorkItem(k, func(k *irql.K) { d.countAndSet(k, nil, nil, nil, nil) }) {
				d.wait(k, &d.done)
			}
			d.count++
		})
	})
	t.Run("completion", func(t *testing.T) { one(t, (*driver).request) })
	t.Run("test between two runs", func(t *testing.T) {
		explore(t, func(d *driver, m *sim.Machine) {
			m.Thread("a", func(k *irql.K) { d.count++ })
			m.Run()
			d.count++
			m.Thread("b", func(k *irql.K) { d.count++ })
			m.RunUntil(func() bool { return d.count == 3 })
			d.count++
		})
	})
	t.Run("test that looks while a DPC interrupts", func(t *testing.T) {
		explore(t, func(d *driver, m *sim.Machine) {
			n := 0
			pause := int64(-2_500)
			m.Thread("a", func(k *irql.K) { // interrupted by a DPC of which it knows nothing
				for range 40 {
					n++
					irql.Yield(k)
					if n%4 == 0 {
						irql.KeDelayExecutionThread(k, irql.KernelMode, false, &pause)
					}
				}
			})
			m.Thread("b", func(k *irql.K) {
				irql.KeInitializeDpc(k, &d.dpc, func(k *irql.K, _ *irql.KDPC, _, _, _ any) {
					for range 10 {
						irql.KeReadStateTimer(k, &d.timer)
					}
				}, nil)
				for range 8 {
					irql.KeSetTimer(k, &d.timer, pause, &d.dpc)
					d.wait(k, &d.timer)
				}
				irql.KeFlushQueuedDpcs(k)
			})
			m.Thread("c", func(k *irql.K) {
				for range 40 {
					irql.Yield(k)
				}
			})
			m.RunUntil(func() bool { return n > 38 })
			m.Run()
		})
	})
}
