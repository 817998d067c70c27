package sim

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
)

// freedTwice has two threads free the same block. With wait the second one does so after the first has said
// that it is done.
func freedTwice(wait bool) func(m *Machine) {
	return func(m *Machine) {
		var b *irp.Buffer
		var ready, done irql.KEVENT
		m.Thread("owner", func(k *irql.K) {
			irql.KeInitializeEvent(k, &ready, irql.NotificationEvent, false)
			irql.KeInitializeEvent(k, &done, irql.NotificationEvent, false)
			b = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 64, testTag)
			m.Thread("other", func(k *irql.K) {
				irql.KeWaitForSingleObject(k, &ready, irql.Executive, irql.KernelMode, false, nil)
				irp.ExFreePoolWithTag(k, b, testTag)
				irql.KeSetEvent(k, &done, 0, false)
			})
			irql.KeSetEvent(k, &ready, 0, false)
			if wait {
				irql.KeWaitForSingleObject(k, &done, irql.Executive, irql.KernelMode, false, nil)
			}
			irp.ExFreePoolWithTag(k, b, testTag)
		})
		m.Run()
	}
}

// touchedLate has a thread say that it is done with a block before it is. Nothing happens unless the owner is
// quicker.
func touchedLate(m *Machine) {
	var b *irp.Buffer
	var ready, done irql.KEVENT
	m.Thread("owner", func(k *irql.K) {
		irql.KeInitializeEvent(k, &ready, irql.NotificationEvent, false)
		irql.KeInitializeEvent(k, &done, irql.NotificationEvent, false)
		if b = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 64, testTag); b == nil {
			return
		}
		m.Thread("other", func(k *irql.K) {
			irql.KeSetEvent(k, &done, 0, false)
			irql.KeClearEvent(k, &ready)
			b.Store32(0, 1)
		})
		irql.KeWaitForSingleObject(k, &done, irql.Executive, irql.KernelMode, false, nil)
		irp.ExFreePoolWithTag(k, b, testTag)
	})
	m.Run()
}

func TestReport_SaysWhatNothingOrders(t *testing.T) {
	r := collected(t, ExploreOptions{Strategy: "random"}, touchedLate)
	require.Len(t, r.Failures, 1)
	f := r.Failures[0]
	assert.Equal(t, 1, f.Shrinking.To.Interruptions)
	assert.True(t, f.Shrinking.Proven)
	assert.Regexp(t, `(?m)^UNORDERED:\nnothing orders #\d+ \(owner: ExFreePoolWithTag\(pool#1\)\) before `+
		`#\d+ \(other\)\nchoice [0-9a-f]+\.1 let owner go on although other could$`, f.Report)
	assert.Contains(t, f.Report, "1 choice, 1 interruption in place of")
}

func TestReport_SaysItWithoutASwitchAsWell(t *testing.T) {
	r := collected(t, ExploreOptions{Runs: 1}, freedTwice(false))
	require.Len(t, r.Failures, 1)
	assert.Regexp(t, `(?m)^UNORDERED:\nnothing orders #\d+ \(owner: ExFreePoolWithTag\(pool#1\)\) before `+
		`#\d+ \(other\)\n\n`, r.Failures[0].Report)
}

func TestReport_SaysNothingAboutWhatIsOrdered(t *testing.T) {
	r := collected(t, ExploreOptions{Seed0: 2, Strategy: "random"}, freedTwice(true))
	require.Len(t, r.Failures, 1)
	assert.Contains(t, r.Failures[0].Report, "FREED")
	assert.NotContains(t, r.Failures[0].Report, "UNORDERED")
}

// Whatever a context starts comes after what it did before.
func TestReport_SaysNothingAboutWhatWasStartedLater(t *testing.T) {
	again := func(b *irp.Buffer) func(k *irql.K) {
		return func(k *irql.K) { irp.ExFreePoolWithTag(k, b, testTag) }
	}
	for name, begin := range map[string]func(m *Machine, k *irql.K, b *irp.Buffer){
		"thread": func(m *Machine, k *irql.K, b *irp.Buffer) { m.Thread("other", again(b)) },
		"worker": func(m *Machine, _ *irql.K, b *irp.Buffer) { m.ke.QueueWork("worker", again(b)) },
		"DPC": func(_ *Machine, k *irql.K, b *irp.Buffer) {
			d := &irql.KDPC{}
			irql.KeInitializeDpc(k, d, func(k *irql.K, _ *irql.KDPC, _, _, _ any) { again(b)(k) }, nil)
			irql.KeInsertQueueDpc(k, d, nil, nil)
		},
		"delivery": func(m *Machine, _ *irql.K, b *irp.Buffer) {
			m.ke.Post(m.ke.NewChannel("wire"), ke.Delivery{Text: "segment", Run: again(b)})
		},
		"timer": func(m *Machine, k *irql.K, b *irp.Buffer) {
			m.ke.PostAfter(m.ke.NewChannel("wire"), ke.Millisecond, ke.Delivery{Text: "late", Run: again(b)})
		},
	} {
		for run := range uint64(8) {
			r := collected(t, ExploreOptions{Seed0: run + 1, Runs: 1}, func(m *Machine) {
				m.Thread("owner", func(k *irql.K) {
					b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 64, testTag)
					if b == nil {
						m.Fatalf("no memory")
					}
					irp.ExFreePoolWithTag(k, b, testTag)
					begin(m, k, b)
					touch(k, 0)
				})
				m.Thread("bystander", func(k *irql.K) { touch(k, 0); touch(k, 0) })
				m.Run()
			})
			require.Len(t, r.Failures, 1, name)
			if r.Failures[0].Headline != "no memory" {
				assert.Contains(t, r.Failures[0].Report, "FREED", name)
				assert.NotContains(t, r.Failures[0].Report, "UNORDERED", "%s, run %d", name, run+1)
			}
		}
	}
}
