package irql

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/trial"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
)

func newResource(k *K) *ERESOURCE {
	r := &ERESOURCE{}
	ExInitializeResourceLite(k, r)
	return r
}

// inRegion runs fn inside a critical region.
func inRegion(k *K, fn func()) {
	KeEnterCriticalRegion(k)
	fn()
	KeLeaveCriticalRegion(k)
}

func sleep(k *K, d int64) { KeDelayExecutionThread(k, KernelMode, false, rel(d)) }

// Rule: LOCK-018
func TestExAcquireResourceExclusiveLite_OutsideACriticalRegion(t *testing.T) {
	f := trips(t, verify.LOCK_018, func(k *K) { ExAcquireResourceExclusiveLite(k, newResource(k), true) })
	assert.Equal(t, "0x37", f.Args[0].Value)
	f = trips(t, verify.LOCK_018, func(k *K) {
		r := newResource(k)
		KeEnterCriticalRegion(k)
		ExAcquireResourceSharedLite(k, r, true)
		KeLeaveCriticalRegion(k)
		ExReleaseResourceLite(k, r)
	})
	assert.Equal(t, "0x38", f.Args[0].Value)
}

// Near miss: LOCK-018
func TestExAcquireResourceExclusiveLite_AsItShouldBe(t *testing.T) {
	clean(t, func(k *K) {
		r := newResource(k)
		inRegion(k, func() {
			assert.True(t, ExAcquireResourceExclusiveLite(k, r, true))
			assert.True(t, ExAcquireResourceExclusiveLite(k, r, false))
			assert.True(t, ExAcquireResourceSharedLite(k, r, true))
			assert.True(t, ExIsResourceAcquiredExclusiveLite(k, r))
			assert.Equal(t, uint32(3), ExIsResourceAcquiredSharedLite(k, r))
			ExConvertExclusiveToSharedLite(k, r)
			assert.False(t, ExIsResourceAcquiredExclusiveLite(k, r))
			assert.False(t, ExAcquireResourceExclusiveLite(k, r, false), "a try does not wait for itself")
			for range 3 {
				ExReleaseResourceLite(k, r)
			}
			assert.Zero(t, ExIsResourceAcquiredSharedLite(k, r))
		})
		ExEnterCriticalRegionAndAcquireResourceExclusive(k, r)
		assert.True(t, KeAreApcsDisabled(k))
		ExReleaseResourceAndLeaveCriticalRegion(k, r)
		assert.False(t, KeAreApcsDisabled(k))
		assert.Equal(t, ntstatus.STATUS_SUCCESS, ExReinitializeResourceLite(k, r))
		assert.Equal(t, ntstatus.STATUS_SUCCESS, ExDeleteResourceLite(k, r))
		ExInitializeResourceLite(k, r)
		ExDeleteResourceLite(k, r)
	})
}

// Rule: LOCK-018
func TestExAcquireResourceExclusiveLite_ByASharer(t *testing.T) {
	f := trips(t, verify.LOCK_018, func(k *K) {
		r := newResource(k)
		KeEnterCriticalRegion(k)
		ExAcquireResourceSharedLite(k, r, true)
		ExAcquireResourceExclusiveLite(k, r, true)
	})
	assert.Equal(t, "0x1000", f.Args[0].Value)
	assert.Len(t, f.Places, 1)
}

// Rule: LOCK-018
func TestExReleaseResourceLite_ByAStranger(t *testing.T) {
	f := trips(t, verify.LOCK_018, func(k *K) {
		r := newResource(k)
		KeEnterCriticalRegion(k)
		ExAcquireResourceExclusiveLite(k, r, true)
		spawn(k, func(k *K) { ExReleaseResourceLite(k, r) })
		sleep(k, ms)
	})
	assert.Equal(t, uint32(0xE3), f.BugCheck)
	assert.Equal(t, []verify.RuleID{verify.LOCK_004}, f.Also)
	assert.Contains(t, f.Headline, "; driver a does")
	trips(t, verify.LOCK_018, func(k *K) {
		r := newResource(k)
		KeEnterCriticalRegion(k)
		ExReleaseResourceLite(k, r)
	})
	trips(t, verify.LOCK_018, func(k *K) {
		r := newResource(k)
		KeEnterCriticalRegion(k)
		ExAcquireResourceSharedLite(k, r, true)
		ExConvertExclusiveToSharedLite(k, r)
	})
}

// Rule: LOCK-018
func TestERESOURCE_LifeCycle(t *testing.T) {
	trips(t, verify.LOCK_018, func(k *K) { ExDeleteResourceLite(k, &ERESOURCE{}) })
	trips(t, verify.LOCK_018, func(k *K) { ExInitializeResourceLite(k, newResource(k)) })
	trips(t, verify.LOCK_018, func(k *K) {
		r := newResource(k)
		KeEnterCriticalRegion(k)
		ExAcquireResourceExclusiveLite(k, r, true)
		ExDeleteResourceLite(k, r)
	})
	trips(t, verify.LOCK_018, func(k *K) {
		r := newResource(k)
		KeEnterCriticalRegion(k)
		ExAcquireResourceExclusiveLite(k, r, true)
		ExReinitializeResourceLite(k, r)
	})
	f := trips(t, verify.LOCK_018, func(k *K) {
		r := newResource(k)
		ExDeleteResourceLite(k, r)
		KeEnterCriticalRegion(k)
		ExAcquireResourceSharedLite(k, r, true)
	})
	assert.Len(t, f.Places, 2)
	trips(t, verify.LOCK_018, func(k *K) { ExInitializeResourceLite(k, OnStack[ERESOURCE](k)) })
}

// Rule: LOCK-008
func TestERESOURCE_HeldAtReturn(t *testing.T) {
	trips(t, verify.LOCK_008, func(k *K) {
		KeEnterCriticalRegion(k)
		ExAcquireResourceExclusiveLite(k, newResource(k), true)
	})
}

// order runs sharers and writers against a resource whose owner releases it last, and gives the order in
// which they got it.
func order(t *testing.T, cfg ke.Config, owner func(k *K, r *ERESOURCE),
	who ...func(k *K, r *ERESOURCE) bool) string {
	t.Helper()
	got := ""
	m := play(t, cfg, func(k *K) {
		r := newResource(k)
		KeEnterCriticalRegion(k)
		ExAcquireResourceExclusiveLite(k, r, true)
		for i, fn := range who {
			spawn(k, func(k *K) {
				sleep(k, int64(i+1)*ms)
				if fn(k, r) {
					got += string(rune('a' + i))
					sleep(k, 100*ms)
					ExReleaseResourceLite(k, r)
				}
			})
		}
		sleep(k, 50*ms)
		owner(k, r)
		KeLeaveCriticalRegion(k)
		sleep(k, 1000*ms)
		ExDeleteResourceLite(k, r)
	})
	assert.Empty(t, m.Findings())
	assert.Empty(t, m.Threads())
	return got
}

func exclusive(k *K, r *ERESOURCE) bool { return ExAcquireResourceExclusiveLite(k, r, true) }
func shared(k *K, r *ERESOURCE) bool    { return ExAcquireResourceSharedLite(k, r, true) }
func behind(k *K, r *ERESOURCE) bool    { return ExAcquireSharedWaitForExclusive(k, r, true) }

// Reference: irp.md 16
func TestExReleaseResourceLite_WhoIsNext(t *testing.T) {
	release := func(k *K, r *ERESOURCE) {
		assert.Equal(t, uint32(2), ExGetExclusiveWaiterCount(k, r))
		assert.Equal(t, uint32(3), ExGetSharedWaiterCount(k, r))
		ExReleaseResourceLite(k, r)
	}
	for pick, want := range []string{"abdce", "bdcae", "cabde"} {
		cfg := ke.Config{Pins: []ke.Pin{{Site: siteThread.Name}, {Site: "sched/grant", Alt: pick}}}
		assert.Equal(t, want, order(t, cfg, release, exclusive, shared, exclusive, shared, behind))
	}
}

// Reference: wdk-ddi-src/content/wdm/nf-wdm-exconvertexclusivetosharedlite.md
func TestExConvertExclusiveToSharedLite_LetsSharersIn(t *testing.T) {
	got := order(t, ke.Config{}, func(k *K, r *ERESOURCE) {
		ExConvertExclusiveToSharedLite(k, r)
		sleep(k, 1)
		assert.Zero(t, ExGetSharedWaiterCount(k, r))
		assert.Equal(t, uint32(1), ExGetExclusiveWaiterCount(k, r))
		ExReleaseResourceLite(k, r)
	}, exclusive, shared, behind)
	assert.Equal(t, "bca", got)
}

// Reference: irp.md 16
func TestExAcquireResourceSharedLite_BesideAnExclusiveRequest(t *testing.T) {
	clean(t, func(k *K) {
		r := newResource(k)
		KeEnterCriticalRegion(k)
		ExAcquireResourceSharedLite(k, r, true)
		spawn(k, func(k *K) {
			ExAcquireResourceExclusiveLite(k, r, true)
			ExReleaseResourceLite(k, r)
		})
		spawn(k, func(k *K) {
			sleep(k, ms)
			assert.False(t, ExAcquireResourceSharedLite(k, r, false), "a new one waits")
			assert.False(t, ExAcquireSharedWaitForExclusive(k, r, false))
			assert.True(t, ExAcquireSharedStarveExclusive(k, r, false), "this one does not")
			ExReleaseResourceLite(k, r)
		})
		sleep(k, 2*ms)
		assert.True(t, ExAcquireResourceSharedLite(k, r, false), "one who shares it gets it again")
		assert.False(t, ExAcquireSharedWaitForExclusive(k, r, false))
		ExReleaseResourceLite(k, r)
		ExReleaseResourceLite(k, r)
		KeLeaveCriticalRegion(k)
	})
}

// Rule: LOCK-026
func TestExAcquireSharedWaitForExclusive_BySharer(t *testing.T) {
	f := trips(t, verify.LOCK_026, func(k *K) {
		r := newResource(k)
		KeEnterCriticalRegion(k)
		ExAcquireResourceSharedLite(k, r, true)
		spawn(k, func(k *K) { ExAcquireResourceExclusiveLite(k, r, true) })
		sleep(k, ms)
		ExAcquireSharedWaitForExclusive(k, r, true)
	})
	assert.Len(t, f.Blocked, 2)
	assert.Contains(t, f.Blocked[0], "driver a waits in ExAcquireSharedWaitForExclusive for eres#1 "+
		"(held by driver a)")
	assert.Contains(t, f.Blocked[1], "ExAcquireResourceExclusiveLite for eres#1 (held by driver a)")
}

// Rule: LOCK-026
func TestDeadlock_ResourceAndPushLock(t *testing.T) {
	r, p := &ERESOURCE{}, &EX_PUSH_LOCK{}
	var first []verify.Finding
	bodies := after(func(k *K) {
		ExInitializeResourceLite(k, r)
		ExInitializePushLock(k, p)
	}, func(k *K) {
		KeEnterCriticalRegion(k)
		ExAcquireResourceSharedLite(k, r, true)
		sleep(k, ms)
		ExAcquirePushLockExclusive(k, p)
	}, func(k *K) {
		KeEnterCriticalRegion(k)
		ExAcquirePushLockShared(k, p)
		sleep(k, ms)
		ExAcquireResourceExclusiveLite(k, r, true)
	})
	trial.Breaks(t, func(number int) bool {
		m := play(t, ke.Config{Continue: true, Source: trial.Walk(number)}, bodies)
		defer m.Close()
		f := slices.Clone(m.Findings())
		require.Len(t, f, 2)
		require.Equal(t, verify.LOCK_003, f[0].Rule)
		require.Equal(t, verify.LOCK_026, f[1].Rule)
		if number == 0 {
			first = f
		}
		return true
	})
	f := first
	assert.Zero(t, f[0].BugCheck, "an extension")
	assert.Contains(t, f[1].Headline, "each owns what the next one waits for")
	assert.Contains(t, f[1].Blocked[0], "for push#1 (held by system thread")
	assert.Contains(t, f[1].Blocked[1], "for eres#1 (held by system thread")
}

// Near miss: LOCK-026
func TestDeadlock_SharersWaitForNobody(t *testing.T) {
	clean(t, func(k *K) {
		r := newResource(k)
		KeEnterCriticalRegion(k)
		ExAcquireResourceSharedLite(k, r, true)
		spawn(k, func(k *K) {
			ExAcquireResourceExclusiveLite(k, r, true)
			ExReleaseResourceLite(k, r)
		})
		sleep(k, ms)
		ExReleaseResourceLite(k, r)
		KeLeaveCriticalRegion(k)
	})
}

func TestLeftovers_ResourceThatIsNotDeleted(t *testing.T) {
	m := play(t, ke.Config{}, func(k *K) {
		r, gone := newResource(k), newResource(k)
		gone.Gone(verify.POOL_013, 1)
		left := Sim.Leftovers(ke.Of(k), ke.Acting(k))
		assert.Len(t, left, 1)
		assert.Equal(t, trace.Resource, left[0].Kind)
		assert.Equal(t, "is a resource that was not deleted", r.Busy())
		ExDeleteResourceLite(k, r)
		assert.Empty(t, Sim.Leftovers(ke.Of(k), ke.Acting(k)))
		assert.Empty(t, r.Busy())
	})
	assert.Empty(t, m.Findings())
}
