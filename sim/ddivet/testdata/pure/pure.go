// Package pure has what puredriver finds.
package pure

import (
	"maps"
	"math/rand" // want `puredriver: a driver imports math/rand`
	"slices"
	"sync" // want `puredriver: a driver imports sync: use the locks of irql`
	"time"

	"calloutsim/irql"
)

type driver struct {
	lock   sync.Mutex
	done   chan bool // want `puredriver: channel in a driver`
	byName map[string]int
}

const pause = 3 * time.Millisecond // no clock

func (d *driver) work(k *irql.K, _ any) {
	go d.later()      // want `puredriver: go statement in a driver`
	d.done <- true    // want `puredriver: channel in a driver`
	<-d.done          // want `puredriver: channel in a driver`
	_ = rand.Int()    // the import says it
	_ = time.Now()    // want `puredriver: time.Now in a driver`
	time.Sleep(pause) // want `puredriver: time.Sleep in a driver`
	select {          // want `puredriver: select in a driver`
	case <-d.done:
	default:
	}
}

func (d *driver) later() {}

func (d *driver) maps() (names []string, sum int) {
	for name := range d.byName { // want `puredriver: range over a map in a driver`
		names = append(names, name)
	}
	for _, n := range d.byName { // want `puredriver: range over a map in a driver`
		sum += n
		names = append(names, "")
	}
	for name := range maps.Keys(d.byName) { // want `puredriver: range over a map`
		names = append(names, name)
	}
	return names, sum
}

func (d *driver) orderless() (names []string) {
	for name := range d.byName {
		names = append(names, name)
	}
	slices.Sort(names)
	for name := range d.byName {
		delete(d.byName, name)
	}
	for range d.byName {
		names = names[1:]
	}
	for _, name := range slices.Sorted(maps.Keys(d.byName)) {
		names = append(names, name)
	}
	return names
}
