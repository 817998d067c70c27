package ke

import (
	"math"
	"strconv"

	"calloutsim/internal/trace"
)

// Units of virtual time.
const (
	Microsecond = 10
	Millisecond = 1000 * Microsecond
	Second      = 1000 * Millisecond
)

// epoch is where the clock starts: 2024-01-01 00:00 UTC in 100 ns units since 1601.
const epoch = 133485408000000000

func (c *clock) reset() {
	for _, t := range c.heap {
		t.index = 0
	}
	clear(c.heap)
	c.heap, c.seq = c.heap[:0], 0
}

func (c *clock) less(i, j int) bool {
	a, b := c.heap[i], c.heap[j]
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

func (c *clock) swap(i, j int) {
	c.heap[i], c.heap[j] = c.heap[j], c.heap[i]
	c.heap[i].index, c.heap[j].index = i+1, j+1
}

func (c *clock) add(t *timeout) {
	c.seq++
	t.seq = c.seq
	c.heap = append(c.heap, t)
	t.index = len(c.heap)
	c.up(len(c.heap) - 1)
}

func (c *clock) up(i int) {
	for i > 0 {
		p := (i - 1) / 2
		if !c.less(i, p) {
			break
		}
		c.swap(i, p)
		i = p
	}
}

func (c *clock) down(i int) {
	for {
		l := 2*i + 1
		if l >= len(c.heap) {
			return
		}
		if l+1 < len(c.heap) && c.less(l+1, l) {
			l++
		}
		if !c.less(l, i) {
			return
		}
		c.swap(i, l)
		i = l
	}
}

// remove disarms t; false when it was not armed.
func (c *clock) remove(t *timeout) bool {
	if t.index == 0 {
		return false
	}
	i, n := t.index-1, len(c.heap)-1
	if i != n {
		c.swap(i, n)
	}
	c.heap[n] = nil
	c.heap = c.heap[:n]
	t.index = 0
	if i < n {
		c.down(i)
		c.up(i)
	}
	return true
}

// arm adds t to the deadlines. Those for the same time expire in the order they were armed.
func (m *Machine) arm(t *timeout) {
	m.AddsOn(Enqueues(instant(t.at - epoch)))
	m.clock.add(t)
}

// advance moves the clock to the earliest deadline and lets everything due then happen. False when nothing is
// armed.
func (m *Machine) advance() bool {
	if len(m.clock.heap) == 0 {
		return false
	}
	at := m.clock.heap[0].at
	if at-epoch > m.cfg.MaxTime {
		m.exceeded(Misuse("time limit reached (" + strconv.FormatInt(m.cfg.MaxTime/Second, 10) +
			" s of virtual time): a timer keeps the machine from coming to rest; " +
			"Options.MaxTime sets the limit"))
	}
	if m.ticks++; m.ticks > m.cfg.MaxSteps {
		m.exceeded(Misuse("step limit reached (" + strconv.FormatUint(m.cfg.MaxSteps, 10) + " moves of the " +
			"clock): a periodic timer with a very short period; Options.MaxSteps sets the limit"))
	}
	m.idle = 0
	m.alone(ActorClock)
	if m.race {
		m.tick()
		return true
	}
	m.reach(at)
	for len(m.clock.heap) > 0 && m.clock.heap[0].at <= m.now {
		t := m.clock.heap[0]
		m.clock.remove(t)
		t.fire(m)
	}
	return true
}

// reach moves the clock on to a point in time.
func (m *Machine) reach(at int64) {
	if at > m.now {
		m.now = at
		m.log.Add(&trace.Event{What: trace.Clock, Time: at})
	}
}

var siteClock = Site{Name: "sched/clock", Spec: "scheduling.md 6"}

// mayTick reports whether the clock can move on while somebody can run: a deadline is armed, and not beyond
// the limit of the run.
func (m *Machine) mayTick() bool {
	return len(m.clock.heap) > 0 && m.clock.heap[0].at-epoch <= m.cfg.MaxTime
}

// tick moves the clock to the earliest deadline and lets one timeout that is due then happen. Which of
// several is a choice, in order of insertion.
func (m *Machine) tick() {
	h := m.clock.heap
	m.reach(h[0].at)
	m.due = m.due[:0]
	for _, t := range h {
		if t.at > m.now {
			continue
		}
		i := len(m.due)
		for m.due = append(m.due, t); i > 0 && m.due[i-1].seq > t.seq; i-- {
			m.due[i] = m.due[i-1]
		}
		m.due[i] = t
	}
	t := m.due[m.Choose(&siteClock, len(m.due))]
	m.clock.remove(t)
	t.fire(m)
}

// ClockRaces reports whether time may pass although somebody can run. The clock is the adversary then: how
// much of it has passed says nothing about anybody, and rules that measure it are silent.
func (m *Machine) ClockRaces() bool { return m.race }

// deadline turns a WDK time-out into a point in time: negative is relative, positive absolute.
func (m *Machine) deadline(t int64) int64 {
	if t >= 0 {
		return t
	}
	if at := m.now - t; at > 0 {
		return at
	}
	return math.MaxInt64 // further away than the clock goes
}

func utoa(n uint64) string { return strconv.FormatUint(n, 10) }
