package tcpip

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// world is all the transport needs of a machine: what names things, makes them happen later, decides what
// Windows is free to decide, and notes what was touched. A machine is one; in tests a queue and a number for
// the clock is another, where k is nil.
type world interface {
	newID(kind trace.Kind) trace.ID
	channel(name string) *ke.Channel
	now() int64
	post(c *ke.Channel, d ke.Delivery)                                 // happens behind what was posted to c
	after(delay int64, c *ke.Channel, d ke.Delivery) (takeBack func()) // posted when delay has passed
	choose(k *ke.K, site *ke.Site, n int) int                          //
	use(id trace.ID, how ke.Access)                                    // of the step under way
	enter(k *ke.K, id trace.ID) (mark int)                             // every step until leave writes it
	leave(k *ke.K, mark int)                                           //
	note(k *ke.K, text string, id trace.ID)                            // an event
}

// machine is the world of a simulated machine.
type machine struct{ m *ke.Machine }

func (w machine) newID(kind trace.Kind) trace.ID        { return w.m.NewID(kind) }
func (w machine) channel(name string) *ke.Channel       { return w.m.NewChannel(name) }
func (w machine) now() int64                            { return w.m.Now() }
func (w machine) post(c *ke.Channel, d ke.Delivery)     { w.m.Post(c, d) }
func (w machine) choose(k *ke.K, s *ke.Site, n int) int { return ke.Choose(k, s, n) }
func (w machine) use(id trace.ID, how ke.Access)        { w.m.AddsOn(ke.Use{Obj: id, How: how}) }
func (w machine) enter(k *ke.K, id trace.ID) (mark int) {
	return ke.Within(k, ke.Writes(id))
}
func (w machine) leave(k *ke.K, mark int) { ke.Leave(k, mark) }
func (w machine) note(k *ke.K, text string, id trace.ID) {
	ke.Note(k, text, id)
}

func (w machine) after(delay int64, c *ke.Channel, d ke.Delivery) (takeBack func()) {
	l := w.m.PostAfter(c, delay, d)
	return func() { w.m.TakeBack(l) }
}
