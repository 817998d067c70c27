package ke

import (
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
)

// NewChannel makes a channel. Deliveries that are due are offered to the scheduler in order of channel
// creation.
func (m *Machine) NewChannel(name string) *Channel {
	m.chanNo++
	c := &Channel{Name: name, order: m.chanNo}
	if m.trail != nil {
		c.past = m.trail.newName(uint64(trace.NumKinds))
	}
	return c
}

// Post makes d due behind everything posted to c before.
func (m *Machine) Post(c *Channel, d Delivery) {
	if m.races != nil && d.order == nil {
		d.order = m.races.posted()
	}
	if m.trail != nil {
		d.after = m.trail.now() + 1
		m.trail.add(Enqueues((actorDelivery | Actor(c.order)).id()))
	}
	if len(c.queue) == 0 && !c.busy {
		m.offer(c)
	}
	c.queue = append(c.queue, d)
}

// offer puts c among the channels that have something due, ordered by creation.
func (m *Machine) offer(c *Channel) {
	i := len(m.chans)
	if m.trail != nil {
		c.after = append(c.after, m.trail.now())
	}
	m.chans = append(m.chans, c)
	for i > 0 && m.chans[i-1].order > c.order {
		m.chans[i] = m.chans[i-1]
		i--
	}
	m.chans[i] = c
}

// Later is a delivery that is not due yet.
type Later struct{ t timeout }

// PostAfter posts d when delay (100 ns units of virtual time) has passed, unless it is taken back before.
//
// Its footprint is that of Post, and not one of the clock: deliveries of different channels that become due
// at one time can arrive in any order anyway, whichever was armed first.
func (m *Machine) PostAfter(c *Channel, delay int64, d Delivery) *Later {
	if m.races != nil {
		d.order = m.races.posted()
	}
	if m.trail != nil {
		m.trail.add(Enqueues((actorDelivery | Actor(c.order)).id()))
	}
	l := &Later{timeout{at: m.now + delay, fire: func(m *Machine) { m.Post(c, d) }}}
	m.clock.add(&l.t)
	return l
}

// Alarm calls ring when delay (100 ns units of virtual time) has passed, unless it is taken back before: for
// whoever drives the machine and wants to look at it then. It uses nothing of the run.
func (m *Machine) Alarm(delay int64, ring func()) *Later {
	l := &Later{timeout{at: m.now + delay, fire: func(*Machine) { ring() }}}
	m.clock.add(&l.t)
	return l
}

// TakeBack makes l never due, so that it does not move the clock either. It reports whether it was in time.
func (m *Machine) TakeBack(l *Later) bool { return m.clock.remove(&l.t) }

func (c *Channel) pop() Delivery {
	d := c.queue[0]
	n := list.Copy(c.queue, c.queue[1:])
	c.queue[n] = Delivery{}
	c.queue = c.queue[:n]
	return d
}

// begin starts the first delivery of c on processor p, either nested on the stack by runs on, or in a worker.
func (m *Machine) begin(c *Channel, p *cpu, by *K) {
	d := c.pop()
	c.busy = true
	m.dropChannel(c)
	if m.trail != nil {
		m.arrives(c, &d, by)
	}
	passive := d.Passive
	if d.IRQL != nil {
		passive = m.Choose(d.IRQL, 2) == 1
	}
	if passive {
		t := m.QueueWork("System worker", func(k *K) {
			m.deliver(k, c, &d)
			m.delivered(c)
		})
		if r := m.races; r != nil {
			r.of(&t.K).restart(d.order)
		}
		return
	}
	m.borrow(p, by, actorDelivery|Actor(c.order), c.past, func(k *K) { m.deliver(k, c, &d) })
	m.delivered(c)
}

// arrives tells the trail what made the delivery possible.
func (m *Machine) arrives(c *Channel, d *Delivery, by *K) {
	tr := m.trail
	tr.follows(d.after - 1)
	for _, i := range c.after {
		tr.follows(i)
	}
	c.after = c.after[:0]
	if d.Touches == 0 {
		tr.add(Unknown)
	}
	if by.t.idle {
		by.past = c.past
	}
}

// deliver makes the delivery d of c in k.
func (m *Machine) deliver(k *K, c *Channel, d *Delivery) {
	if m.races != nil {
		m.races.startDelivery(k, c, d)
	}
	Log(k, trace.Event{What: trace.Deliver, Text: d.Text, Obj: d.Obj})
	mark := Within(k, Writes(d.Touches))
	d.Run(k)
	Leave(k, mark)
	Released(k, c)
}

func (m *Machine) dropChannel(c *Channel) {
	for i, o := range m.chans {
		if o == c {
			m.chans = list.Cut(m.chans, i)
			return
		}
	}
}

func (m *Machine) delivered(c *Channel) {
	c.busy = false
	if len(c.queue) > 0 {
		m.offer(c)
	}
}
