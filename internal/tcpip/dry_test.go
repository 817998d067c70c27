package tcpip

import (
	"slices"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// dry is a world without a machine: deliveries wait until a test lets them happen, the clock is a number, and
// every choice is the boring one. k is nil everywhere.
type dry struct {
	ids   [trace.NumKinds]uint64
	clock int64
	due   []posted // in the order they were posted
	later []*alarm
	log   func(format string, args ...any)
}

type posted struct {
	c *ke.Channel
	d ke.Delivery
}

type alarm struct {
	at int64
	d  ke.Delivery
}

func (w *dry) newID(kind trace.Kind) trace.ID {
	w.ids[kind]++
	return trace.MakeID(kind, w.ids[kind])
}

func (w *dry) channel(name string) *ke.Channel        { return &ke.Channel{Name: name} }
func (w *dry) now() int64                             { return w.clock }
func (w *dry) post(c *ke.Channel, d ke.Delivery)      { w.due = append(w.due, posted{c, d}) }
func (w *dry) choose(*ke.K, *ke.Site, int) int        { return 0 }
func (w *dry) use(trace.ID, ke.Access)                {}
func (w *dry) enter(*ke.K, trace.ID) int              { return 0 }
func (w *dry) leave(*ke.K, int)                       {}
func (w *dry) note(_ *ke.K, text string, id trace.ID) { w.log("%v %s", id, text) }

func (w *dry) after(delay int64, _ *ke.Channel, d ke.Delivery) (takeBack func()) {
	a := &alarm{w.clock + delay, d}
	w.later = append(w.later, a)
	return func() {
		w.later = slices.DeleteFunc(w.later, func(o *alarm) bool { return o == a })
	}
}

// deliver lets the delivery at place i of those that are due happen, or the first one of its channel.
func (w *dry) deliver(i int) {
	for j := range i {
		if w.due[j].c == w.due[i].c {
			i = j
			break
		}
	}
	d := w.due[i].d
	w.due = slices.Delete(w.due, i, i+1)
	d.Run(nil)
}

// tick moves the clock to the earliest alarm.
func (w *dry) tick() bool {
	if len(w.later) == 0 {
		return false
	}
	first := slices.MinFunc(w.later, func(a, b *alarm) int { return int(a.at - b.at) })
	w.later = slices.DeleteFunc(w.later, func(o *alarm) bool { return o == first })
	w.clock = first.at
	w.log("%v s: %s", float64(w.clock)/ke.Second, first.d.Text)
	first.d.Run(nil)
	return true
}
