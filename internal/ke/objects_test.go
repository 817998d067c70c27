package ke

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
)

func object(kind ObjectKind, signal int32) *Object { return &Object{Kind: kind, Signal: signal} }

// Reference: irp.md 15.
func TestWait_SatisfiedWaitConsumesBySort(t *testing.T) {
	m := newMachine(t, Config{})
	m.NewThread("a", nil, func(k *K) {
		zero := int64(0)
		for _, c := range []struct {
			kind        ObjectKind
			before      int32
			after       int32
			second      ntstatus.NTSTATUS
			description string
		}{
			{NotificationEvent, 1, 1, ntstatus.STATUS_SUCCESS, "notification event stays"},
			{SynchronizationEvent, 1, 0, ntstatus.STATUS_TIMEOUT, "synchronization event resets"},
			{SemaphoreObject, 2, 1, ntstatus.STATUS_SUCCESS, "semaphore counts down"},
			{MutexObject, 1, 0, ntstatus.STATUS_SUCCESS, "mutex is recursive"},
			{NotificationTimer, 1, 1, ntstatus.STATUS_SUCCESS, "notification timer stays"},
			{SynchronizationTimer, 1, 0, ntstatus.STATUS_TIMEOUT, "synchronization timer resets"},
		} {
			o := object(c.kind, c.before)
			assert.Equal(t, ntstatus.STATUS_SUCCESS, Wait(k, []*Object{o}, false, &zero, "test"),
				c.description)
			assert.Equal(t, c.after, o.Signal, c.description)
			assert.Equal(t, c.second, Wait(k, []*Object{o}, false, &zero, "test"), c.description)
		}
	})
	m.Run(nil)
}

func TestWait_AllTakesNothingUntilAllAreThere(t *testing.T) {
	m := newMachine(t, Config{})
	a, b := object(SynchronizationEvent, 1), object(SynchronizationEvent, 0)
	done := false
	m.NewThread("waiter", nil, func(k *K) {
		assert.Equal(t, ntstatus.STATUS_SUCCESS, Wait(k, []*Object{a, b}, true, nil, "test"))
		done = true
	})
	m.NewThread("setter", nil, func(k *K) {
		assert.Equal(t, int32(1), a.Signal)
		assert.Equal(t, 1, a.Waiters())
		SetSignal(k, b, 1)
	})
	m.Run(nil)
	assert.True(t, done)
	assert.Zero(t, a.Signal+b.Signal)
	assert.Zero(t, a.Waiters())
}

func TestWait_TimesOutInVirtualTime(t *testing.T) {
	m := newMachine(t, Config{})
	o := object(NotificationEvent, 0)
	m.NewThread("a", nil, func(k *K) {
		due := int64(-5 * Second)
		assert.Equal(t, ntstatus.STATUS_TIMEOUT, Wait(k, []*Object{o}, false, &due, "test"))
		assert.Equal(t, int64(5*Second), m.Uptime())
		due = m.Now() + Second // absolute
		assert.Equal(t, ntstatus.STATUS_TIMEOUT, Wait(k, []*Object{o}, false, &due, "test"))
		assert.Equal(t, int64(6*Second), m.Uptime())
		due = m.Now() - Second
		assert.Equal(t, ntstatus.STATUS_TIMEOUT, Wait(k, []*Object{o}, false, &due, "test"))
		assert.Equal(t, int64(6*Second), m.Uptime())
	})
	m.Run(nil)
}

func TestSetSignal_WakesOneOrAll(t *testing.T) {
	for _, c := range []struct {
		kind ObjectKind
		want int
	}{{NotificationEvent, 3}, {SynchronizationEvent, 1}} {
		m := newMachine(t, Config{})
		o := object(c.kind, 0)
		woken := 0
		for range 3 {
			m.NewThread("waiter", nil, func(k *K) {
				Wait(k, []*Object{o}, false, nil, "test")
				woken++
			})
		}
		m.NewThread("setter", nil, func(k *K) { SetSignal(k, o, 1) })
		m.Run(nil)
		assert.Equal(t, c.want, woken)
	}
}

func TestSetSignal_WhoWakesIsAChoice(t *testing.T) {
	wake := func(pick int) string {
		src := &script{}
		m := newMachine(t, Config{Source: src, Pins: []Pin{{Site: "sched/wake", Alt: pick}}})
		o := object(SynchronizationEvent, 0)
		woken := ""
		for _, name := range []string{"a", "b", "c"} {
			m.NewThread(name, nil, func(k *K) {
				Wait(k, []*Object{o}, false, nil, "test")
				woken += name
			})
		}
		m.NewThread("setter", nil, func(k *K) { SetSignal(k, o, 1) })
		m.Run(nil)
		return woken
	}
	assert.Equal(t, "a", wake(0))
	assert.Equal(t, "c", wake(2))
}

func TestReleaseMutex_HandsOverAndRestoresAPCs(t *testing.T) {
	m := newMachine(t, Config{})
	mu := object(MutexObject, 1)
	got := ""
	for _, name := range []string{"a", "b"} {
		m.NewThread(name, nil, func(k *K) {
			Wait(k, []*Object{mu}, false, nil, "test")
			kernel, _ := APCState(k)
			assert.Equal(t, -1, kernel)
			due := int64(-10)
			Wait(k, []*Object{object(NotificationEvent, 0)}, false, &due, "test")
			got += name
			assert.Equal(t, int32(0), ReleaseMutex(k, mu))
			kernel, _ = APCState(k)
			assert.Zero(t, kernel)
		})
	}
	m.Run(nil)
	assert.Equal(t, "ab", got)
	assert.Equal(t, int32(1), mu.Signal)
}

func TestSetTimer_FiresInOrderAndPeriodically(t *testing.T) {
	m := newMachine(t, Config{})
	fired := ""
	timer := func(name string, d *DPC) *Timer {
		d.Target, d.Importance = -1, MediumImportance
		d.Run = func(k *K) { fired += name }
		return &Timer{Object: Object{Kind: NotificationTimer}}
	}
	m.NewThread("a", nil, func(k *K) {
		var d1, d2, d3 DPC
		late, early, gone := timer("l", &d1), timer("e", &d2), timer("g", &d3)
		assert.False(t, SetTimer(k, late, -30, 0, &d1))
		assert.False(t, SetTimer(k, early, -10, 10, &d2))
		SetTimer(k, gone, -15, 0, &d3)
		assert.True(t, CancelTimer(k, gone))
		assert.False(t, CancelTimer(k, gone))
		Sleep(k, -35)
		assert.True(t, CancelTimer(k, early))
		assert.Equal(t, int32(1), late.Object.Signal)
	})
	m.Run(nil)
	// e at 10, 20 and 30, l at 30: set first, but armed for 30 before e was again
	assert.Equal(t, "eele", fired)
}

func TestSetTimer_DueAlreadyExpiresAtOnce(t *testing.T) {
	m := newMachine(t, Config{})
	ran := false
	m.NewThread("a", nil, func(k *K) {
		tm := &Timer{Object: Object{Kind: NotificationTimer}}
		d := &DPC{Target: -1, Run: func(k *K) { ran = true }}
		assert.False(t, SetTimer(k, tm, 0, 0, d))
		assert.Equal(t, int32(1), tm.Object.Signal)
		assert.False(t, tm.Armed())
		assert.True(t, d.Queued())
	})
	m.Run(nil)
	assert.True(t, ran)
}

// Reference: irp.md 13.3.
func TestQueueDPC_RunsWhenTheLevelDrops(t *testing.T) {
	m := newMachine(t, Config{Processors: 1})
	at := ""
	m.NewThread("a", nil, func(k *K) {
		d := &DPC{Target: -1, Importance: MediumImportance, Run: func(k *K) {
			assert.Equal(t, uint8(Dispatch), IRQL(k))
			assert.True(t, IsDPC(k))
			at += "d"
		}}
		at += "1"
		assert.True(t, QueueDPC(k, d)) // below DISPATCH_LEVEL: has run before QueueDPC returns
		at += "2"
		Raise(k, Dispatch)
		assert.True(t, QueueDPC(k, d))
		assert.False(t, QueueDPC(k, d))
		at += "3"
		Lower(k, Passive)
		at += "4"
	})
	m.Run(nil)
	assert.Equal(t, "1d23d4", at)
}

func TestQueueDPC_ImportanceDecidesThePlace(t *testing.T) {
	m := newMachine(t, Config{Processors: 1})
	at := ""
	dpc := func(name string, importance uint8) *DPC {
		return &DPC{Target: -1, Importance: importance, Run: func(k *K) { at += name }}
	}
	m.NewThread("a", nil, func(k *K) {
		Raise(k, Dispatch)
		QueueDPC(k, dpc("m", MediumImportance))
		QueueDPC(k, dpc("h", HighImportance))
		gone := dpc("g", MediumImportance)
		QueueDPC(k, gone)
		assert.True(t, RemoveDPC(k, gone))
		assert.False(t, RemoveDPC(k, gone))
		Lower(k, Passive)
		at += "|"
		QueueDPC(k, dpc("l", LowImportance)) // does not start the queue
		at += "t"
		FlushDPCs(k)
		at += "f"
	})
	m.Run(nil)
	assert.Equal(t, "hm|tlf", at)
}

func TestDPC_OtherProcessorsGoOn(t *testing.T) {
	m := newMachine(t, Config{Source: flip{}})
	at := ""
	m.NewThread("a", nil, func(k *K) {
		QueueDPC(k, &DPC{Target: -1, Importance: MediumImportance, Run: func(k *K) {
			at += "("
			Point(k, Unknown)
			at += ")"
		}})
		at += "a"
	})
	m.NewThread("b", nil, func(k *K) { at += "b" })
	m.NewThread("c", nil, func(k *K) { at += "c" })
	m.Run(nil)
	assert.Less(t, strings.Index(at, ")"), strings.Index(at, "a"), "the interrupted thread waits for its DPC")
}

func TestDPC_InterruptsAThreadAtItsPoint(t *testing.T) {
	m := newMachine(t, Config{Processors: 1, Source: flip{}})
	at := ""
	m.NewThread("a", nil, func(k *K) {
		QueueDPC(k, &DPC{Target: -1, Importance: LowImportance, Run: func(k *K) { at += "d" }})
		at += "1"
		Point(k, Unknown)
		at += "2"
	})
	m.Run(nil)
	assert.Equal(t, "1d2", at)
}

func TestWait_InADPCNeverBlocks(t *testing.T) {
	m := newMachine(t, Config{})
	m.NewThread("a", nil, func(k *K) {
		set, unset := object(NotificationEvent, 1), object(NotificationEvent, 0)
		zero := int64(0)
		QueueDPC(k, &DPC{Target: -1, Importance: MediumImportance, Run: func(k *K) {
			assert.Equal(t, ntstatus.STATUS_TIMEOUT, Wait(k, []*Object{unset, set}, true, &zero, "test"))
			assert.Equal(t, ntstatus.STATUS_WAIT_1, Wait(k, []*Object{unset, set}, false, &zero, "test"))
			assert.Equal(t, ntstatus.STATUS_SUCCESS, Wait(k, []*Object{set, set}, true, &zero, "test"))
		}})
	})
	m.Run(nil)
}

func TestPost_OneChannelKeepsOrder(t *testing.T) {
	for run := range uint64(50) {
		m := newMachine(t, Config{Source: NewRandom(3, run)})
		site := &Site{Name: "env/test/irql", Alts: []string{"dispatch", "passive"}}
		got := make([]string, 2)
		for i := range got {
			ch := m.NewChannel(string(rune('x' + i)))
			for _, d := range []string{"1", "2", "3"} {
				m.Post(ch, Delivery{Text: "letter", IRQL: site, Run: func(k *K) {
					Point(k, Unknown)
					got[i] += d
				}})
			}
		}
		m.Run(nil)
		assert.Equal(t, []string{"123", "123"}, got)
	}
}

func TestPost_LevelIsThatOfTheSite(t *testing.T) {
	m := newMachine(t, Config{Pins: []Pin{{Site: "env/test/irql", Alt: 1}}})
	site := &Site{Name: "env/test/irql", Alts: []string{"dispatch", "passive"}}
	ch := m.NewChannel("x")
	var levels []uint8
	note := func(k *K) { levels = append(levels, IRQL(k)) }
	m.Post(ch, Delivery{Text: "a", Run: note})
	m.Post(ch, Delivery{Text: "b", IRQL: site, Run: note})
	m.Post(ch, Delivery{Text: "c", Passive: true, Run: note})
	m.PostAfter(ch, Second, Delivery{Text: "d", Run: func(k *K) {
		note(k)
		assert.Equal(t, int64(Second), m.Uptime())
	}})
	m.Run(nil)
	assert.Equal(t, []uint8{Dispatch, Passive, Passive, Dispatch}, levels)
}

func TestPost_ChannelsAreOfferedInOrderOfCreation(t *testing.T) {
	m := newMachine(t, Config{})
	first, second := m.NewChannel("first"), m.NewChannel("second")
	got := ""
	m.Post(second, Delivery{Text: "b", Run: func(k *K) { got += "b" }})
	m.Post(first, Delivery{Text: "a", Run: func(k *K) { got += "a" }})
	m.Run(nil)
	assert.Equal(t, "ab", got)
}

func TestAcquireSpin_WaiterOccupiesItsProcessor(t *testing.T) {
	m := newMachine(t, Config{Source: flip{}})
	l := &SpinLock{ID: m.NewID(trace.SpinLock)}
	inside := 0
	for range 3 {
		m.NewThread("a", nil, func(k *K) {
			for range 3 {
				Point(k, Unknown)
				Raise(k, Dispatch)
				AcquireSpin(k, l)
				inside++
				Point(k, Unknown)
				assert.Equal(t, 1, inside)
				assert.Equal(t, k, l.HeldBy())
				inside--
				ReleaseSpin(k, l)
				Lower(k, Passive)
			}
		})
	}
	m.Run(nil)
	assert.Empty(t, m.Findings())
}

func TestRun_ProcessorThatSpinsForEverIsADeadlock(t *testing.T) {
	m := newMachine(t, Config{})
	l := &SpinLock{ID: m.NewID(trace.SpinLock)}
	m.NewThread("holder", nil, func(k *K) {
		SetIRQL(k, Dispatch)
		AcquireSpin(k, l)
	})
	m.NewThread("spinner", nil, func(k *K) {
		SetIRQL(k, Dispatch)
		AcquireSpin(k, l)
	})
	m.Run(nil)
	require.Len(t, m.Findings(), 1)
	f := m.Findings()[0]
	assert.Equal(t, verify.LOCK_026, f.Rule)
	assert.Equal(t, "lock#1", f.Obj)
	assert.Equal(t, []string{"spinner spins for lock#1 (held by holder), since 0.0000000 s"}, f.Blocked)
}

func TestStall_TakesTimeWhileOthersRun(t *testing.T) {
	m := newMachine(t, Config{Processors: 1})
	at := ""
	m.NewThread("a", nil, func(k *K) {
		Stall(k, 100)
		at += "a"
		assert.Equal(t, int64(100), m.Uptime())
	})
	m.NewThread("b", nil, func(k *K) { at += "b" })
	m.Run(nil)
	assert.Equal(t, "ba", at)
}

func TestYield_LetsTimePassWhenNobodyElseRuns(t *testing.T) {
	m := newMachine(t, Config{})
	flag := false
	m.NewThread("poller", nil, func(k *K) {
		for !flag {
			Yield(k)
		}
	})
	m.PostAfter(m.NewChannel("x"), Second, Delivery{Text: "set", Run: func(k *K) { flag = true }})
	m.Run(nil)
	assert.True(t, flag)
	assert.Empty(t, m.Threads())
}

func TestYield_TwoPollersDoNotStarveAThird(t *testing.T) {
	m := newMachine(t, Config{Processors: 1})
	flag := false
	for range 2 {
		m.NewThread("poller", nil, func(k *K) {
			for !flag {
				Yield(k)
			}
		})
	}
	m.NewThread("setter", nil, func(k *K) { Point(k, Unknown); flag = true })
	m.Run(nil)
	assert.Empty(t, m.Threads())
}

// Reference: scheduling.md 4.2 (special kernel APC).
func TestQueueAPC_WaitingThreadTakesItAndGoesBack(t *testing.T) {
	m := newMachine(t, Config{})
	o := object(NotificationEvent, 0)
	at := ""
	waiter := m.NewThread("waiter", nil, func(k *K) {
		Wait(k, []*Object{o}, false, nil, "test")
		at += "w"
	})
	m.NewThread("other", nil, func(k *K) {
		m.QueueAPC(waiter, func(k *K) {
			assert.Equal(t, uint8(APC), IRQL(k))
			assert.Equal(t, waiter, ThreadOf(k))
			at += "a"
		})
		Sleep(k, -10)
		at += "s"
		SetSignal(k, o, 1)
	})
	m.Run(nil)
	assert.Equal(t, "asw", at)
}

func TestQueueAPC_WaitsForTheEndOfTheGuardedRegion(t *testing.T) {
	m := newMachine(t, Config{})
	at := ""
	m.NewThread("a", nil, func(k *K) {
		ChangeAPCState(k, 0, -1)
		m.QueueAPC(ThreadOf(k), func(k *K) { at += "a" })
		at += "1"
		ChangeAPCState(k, 0, 1)
		at += "2"
		SetIRQL(k, APC)
		m.QueueAPC(ThreadOf(k), func(k *K) { at += "b" })
		at += "3"
		SetIRQL(k, Passive)
	})
	m.Run(nil)
	assert.Equal(t, "1a23b", at)
}

func TestQueueAPC_FromADPCOnTheThreadRunsWhenItEnds(t *testing.T) {
	m := newMachine(t, Config{})
	at := ""
	m.NewThread("a", nil, func(k *K) {
		th := ThreadOf(k)
		QueueDPC(k, &DPC{Target: -1, Importance: MediumImportance, Run: func(k *K) {
			m.QueueAPC(th, func(k *K) { at += "a" })
			at += "d"
		}})
		at += "t"
	})
	m.Run(nil)
	assert.Equal(t, "dat", at)
}

func TestPostAfter_WhatIsTakenBackNeverMovesTheClock(t *testing.T) {
	m := newMachine(t, Config{})
	ch, start, came := m.NewChannel("x"), m.Now(), ""
	after := func(delay int64, text string) *Later {
		return m.PostAfter(ch, delay, Delivery{Text: text, Run: func(*K) { came += text }})
	}
	never := after(2*Second, "never")
	soon := after(Second, "soon")
	assert.True(t, m.TakeBack(never))
	assert.False(t, m.TakeBack(never), "twice")
	m.Run(nil)
	assert.Equal(t, "soon", came)
	assert.Equal(t, start+Second, m.Now())
	assert.False(t, m.TakeBack(soon), "it has come")
}
