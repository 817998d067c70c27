// Package coverage counts which outcomes of the driver interfaces that a driver uses came up in a set of
// runs, and which of those that are known never did.
//
// Modelled: the alternatives of every choice site, by the routine they belong to; the statuses routines
// returned; how requests were answered, completed and cancelled. Not modelled: branches of the driver's own
// code, for which Go's coverage is there.
package coverage

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Schema names the form of the JSON: an object with
//
//	schema   this constant
//	runs     how many runs were counted
//	drivers  [{image, ddis: [{name, calls, outcomes: [{kind, aspect, name, count}]}]}]
//
// Images, routines and outcomes are sorted. The image "" is the world around the drivers. kind is "fault",
// "env" or "doc" for the alternatives of a choice site, which is kind/name of the routine/aspect (a fault
// site has no aspect in its name); "status" for what a routine returned; "request" for how requests went
// (aspects returns, completes, cancelled); "callback" for a routine the driver gave the system to call
// (aspect called, for the entries of a table by name). Status success=yes is a routine that ever succeeded.
// count 0 is an outcome that is known and never came up.
const Schema = "calloutsim-coverage/1"

// Key names one outcome of one routine.
type Key struct{ Image, DDI, Kind, Aspect, Name string }

// calls is the kind under which calls are counted, callbacks that of routines that drivers give the system,
// and success the aspect of a status that says whether the routine ever succeeded.
const calls, callbacks, success = "calls", "callback", "success"

// String gives the form that Level.Except takes: "WskSend answer=inline".
func (k Key) String() string { return k.DDI + " " + k.Aspect + "=" + k.Name }

// Fix gives what -sim.fix takes to bring the outcome about, "" where no choice does.
func (k Key) Fix() string {
	switch k.Kind {
	case "fault":
		return "fault/" + k.DDI + "=" + k.Name
	case "env", "doc":
		return k.Kind + "/" + k.DDI + "/" + k.Aspect + "=" + k.Name
	}
	return ""
}

func compare(a, b Key) int {
	return cmp.Or(strings.Compare(a.Image, b.Image), strings.Compare(a.DDI, b.DDI),
		strings.Compare(a.Kind, b.Kind), strings.Compare(a.Aspect, b.Aspect), strings.Compare(a.Name, b.Name))
}

// Set is what some runs covered. The zero Set is that of no runs.
type Set struct {
	Runs   uint64
	counts map[Key]uint64
}

// Add counts an outcome n times; with 0 it only becomes known.
func (s *Set) Add(k Key, n uint64) {
	if s.counts == nil {
		s.counts = map[Key]uint64{}
	}
	s.counts[k] += n
}

// Count tells how often an outcome came up, and whether it is known at all.
func (s *Set) Count(k Key) (n uint64, known bool) {
	n, known = s.counts[k]
	return n, known
}

// Asked reports whether the question that k is an answer to came up at all, for the same driver.
func (s *Set) Asked(k Key) bool {
	for o, n := range s.counts {
		if k.Name = o.Name; n > 0 && o == k {
			return true
		}
	}
	return false
}

// Merge adds what other runs covered. The order of merging makes no difference.
func (s *Set) Merge(o *Set) {
	s.Runs += o.Runs
	for k, n := range o.counts {
		s.Add(k, n)
	}
}

// Keys lists the outcomes in order, calls aside.
func (s *Set) Keys() []Key {
	return slices.DeleteFunc(s.sorted(), func(k Key) bool { return k.Kind == calls })
}

func (s *Set) sorted() []Key { return slices.SortedFunc(maps.Keys(s.counts), compare) }

// The parts of the JSON; see Schema.
type (
	file struct {
		Schema  string   `json:"schema"`
		Runs    uint64   `json:"runs"`
		Drivers []driver `json:"drivers"`
	}
	driver struct {
		Image string    `json:"image"`
		DDIs  []routine `json:"ddis"`
	}
	routine struct {
		Name     string    `json:"name"`
		Calls    uint64    `json:"calls"`
		Outcomes []outcome `json:"outcomes"`
	}
	outcome struct {
		Kind   string `json:"kind"`
		Aspect string `json:"aspect"`
		Name   string `json:"name"`
		Count  uint64 `json:"count"`
	}
)

// tree puts the outcomes below their routines and images.
func (s *Set) tree() file {
	f := file{Schema: Schema, Runs: s.Runs, Drivers: []driver{}}
	for _, k := range s.sorted() {
		if n := len(f.Drivers); n == 0 || f.Drivers[n-1].Image != k.Image {
			f.Drivers = append(f.Drivers, driver{Image: k.Image})
		}
		d := &f.Drivers[len(f.Drivers)-1]
		if n := len(d.DDIs); n == 0 || d.DDIs[n-1].Name != k.DDI {
			d.DDIs = append(d.DDIs, routine{Name: k.DDI, Outcomes: []outcome{}})
		}
		r := &d.DDIs[len(d.DDIs)-1]
		if k.Kind == calls {
			r.Calls = s.counts[k]
		} else {
			r.Outcomes = append(r.Outcomes, outcome{k.Kind, k.Aspect, k.Name, s.counts[k]})
		}
	}
	return f
}

// MarshalJSON gives the form of Schema; equal sets give equal bytes.
func (s *Set) MarshalJSON() ([]byte, error) { return json.Marshal(s.tree()) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Set) UnmarshalJSON(b []byte) error {
	var f file
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	if f.Schema != Schema {
		return fmt.Errorf("coverage: the schema is %q, not %q", f.Schema, Schema)
	}
	*s = Set{Runs: f.Runs}
	for _, d := range f.Drivers {
		for _, r := range d.DDIs {
			if r.Calls > 0 {
				s.Add(Key{Image: d.Image, DDI: r.Name, Kind: calls}, r.Calls)
			}
			for _, o := range r.Outcomes {
				s.Add(Key{d.Image, r.Name, o.Kind, o.Aspect, o.Name}, o.Count)
			}
		}
	}
	return nil
}
