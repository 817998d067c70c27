package explore

import "calloutsim/internal/ke"

// order is the happens-before relation of the steps of one run: which of them could not have been swapped
// without changing what somebody noticed.
type order struct {
	steps  []footprint
	clocks [][]int32 // by step: for each lane how many of its steps come before, itself included
	lanes  map[ke.Actor]int
	last   []int32  // by lane: its last step, -1 none
	names  []uint64 // by lane: its name independently of the schedule
	lane   []int32  // by step
	pos    []int32  // by step: its number in its lane, from 1
	spare  [][]int32
}

// keep forgets all steps from n on. What the others used is the same in every run that begins with them.
func (o *order) keep(n int, tr *ke.Trail) {
	if o.lanes == nil {
		o.lanes = map[ke.Actor]int{}
	}
	n = min(n, len(o.steps))
	o.spare = append(o.spare, o.clocks[n:]...)
	o.steps, o.clocks, o.lane, o.pos = o.steps[:n], o.clocks[:n], o.lane[:n], o.pos[:n]
	for i := range o.last {
		o.last[i] = -1
	}
	for i, l := range o.lane {
		o.last[l] = int32(i)
		o.steps[i].uses = tr.Uses(i)
	}
}

func (o *order) laneOf(a ke.Actor) int {
	l, ok := o.lanes[a]
	if !ok {
		l = len(o.last)
		o.lanes[a] = l
		o.last = append(o.last, -1)
		o.names = append(o.names, 0)
	}
	return l
}

// before reports whether step i happened before what a clock stands for.
func (o *order) before(i int, clock []int32) bool {
	l := o.lane[i]
	return int(l) < len(clock) && clock[l] >= o.pos[i]
}

func join(c *[]int32, with []int32) {
	for len(*c) < len(with) {
		*c = append(*c, 0)
	}
	for i, v := range with {
		if v > (*c)[i] {
			(*c)[i] = v
		}
	}
}

func (o *order) clock() []int32 {
	if n := len(o.spare); n > 0 {
		c := o.spare[n-1][:0]
		o.spare = o.spare[:n-1]
		return c
	}
	return nil
}

// reached is the clock of an actor before it takes another step: what its own last step and those that made
// the new one possible came after.
func (o *order) reached(lane int, after []int32, alone bool) []int32 {
	c := o.clock()
	if p := o.last[lane]; p >= 0 {
		join(&c, o.clocks[p])
	}
	for _, i := range after {
		join(&c, o.clocks[i])
	}
	if alone {
		for _, p := range o.last {
			if p >= 0 {
				join(&c, o.clocks[p])
			}
		}
	}
	return c
}

// append makes t, of a lane, the last step. clock is its own.
func (o *order) append(t *footprint, lane int, clock []int32) {
	n := int32(0)
	if p := o.last[lane]; p >= 0 {
		n = o.pos[p]
	}
	for len(clock) <= lane {
		clock = append(clock, 0)
	}
	clock[lane] = n + 1
	o.last[lane] = int32(len(o.steps))
	o.steps, o.clocks = append(o.steps, *t), append(o.clocks, clock)
	o.lane, o.pos = append(o.lane, int32(lane)), append(o.pos, n+1)
}
