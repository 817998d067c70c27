package ke

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/trace"
)

// legal is a checker of its own for scheduling.md 4.2: it looks at the notes "up" and "down" that contexts
// make right after they raised to DISPATCH_LEVEL and right before and after they lower, and at who is noted
// on which processor.
type legal struct {
	t    *testing.T
	high map[uint8]uint16 // processor -> context that is at DISPATCH_LEVEL there
}

func (l *legal) see(e *trace.Event) {
	if at, ok := l.high[e.CPU]; ok && at != e.Ctx && e.What == trace.Note {
		l.t.Fatalf("context %d acts on processor %d, where context %d is at DISPATCH_LEVEL", e.Ctx, e.CPU, at)
	}
	switch e.Text {
	case "up":
		l.high[e.CPU] = e.Ctx
	case "lowers":
		delete(l.high, e.CPU)
	}
}

// Reference: scheduling.md 17 (Legality).
func TestRun_NoThreadSwitchAtDispatchLevel(t *testing.T) {
	for run := range uint64(200) {
		m := newMachine(t, Config{Source: NewRandom(11, run), Processors: 1 + int(run%3)})
		ch := m.NewChannel("wire")
		d := &DPC{Target: -1, Importance: MediumImportance, Run: func(k *K) {
			Note(k, "up", 0)
			Point(k, Unknown)
			Note(k, "lowers", 0)
		}}
		for range 3 {
			m.NewThread("a", nil, func(k *K) {
				for range 3 {
					Point(k, Unknown)
					Note(k, "low", 0)
					Raise(k, Dispatch)
					Note(k, "up", 0)
					Point(k, Unknown)
					QueueDPC(k, d)
					Point(k, Unknown)
					Note(k, "lowers", 0)
					Lower(k, Passive)
					Note(k, "low", 0)
				}
				m.Post(ch, Delivery{Text: "bell", Run: d.Run})
			})
		}
		m.Run(nil)
		require.Empty(t, m.Threads())
		l := &legal{t: t, high: map[uint8]uint16{}}
		n := uint64(0)
		for seq := m.Log().First(); seq <= m.Log().Len(); seq++ {
			l.see(m.Log().At(seq))
			n++
		}
		assert.Greater(t, n, uint64(36))
	}
}
