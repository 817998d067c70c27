package sim

import (
	"sync"
	"time"

	"calloutsim/internal/explore"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/sim/coverage"
	"calloutsim/sim/results"
)

// explorer hands out run numbers to workers and collects what they find.
type explorer struct {
	tb       TB
	o        ExploreOptions
	fn       func(*Machine)
	name     string
	scenario uint32
	repeat   func(token string) []string
	faults   *explore.Faults
	covers   []*coverage.Collector // of the workers
	mine     sequence              // the runs to make
	limit    deadline
	book     *book  // keeps the results for Cluster.Out; nil without it
	noKeep   bool   // failing runs are not written
	noShrink bool   // nor made simpler
	left     int    // failed runs that were left behind as artifacts
	showing  bool   // whoever asked to see a repeated run gets it
	kept     string // where the run being repeated was written

	mu       sync.Mutex
	wg       sync.WaitGroup
	next     int   // runs handed out
	hunt     *hunt // of an exhaustive search
	planned  bool  // all runs that the strategy plans were begun
	first    *firstRun
	lowest   uint64             // lowest run that failed, 0 while none did
	failures map[string]Failure // by signature
	hazards  map[string]hazard
	loads    attempts // of drivers, by all runs
	busy     bool     // something happened in some run
	idle     bool     // the test failed because nothing was tried
	hashes   hashSet
	result   Result
	broken   any // panic of a worker
}

type hazard struct {
	run uint64
	f   Finding
}

// worker makes runs, one after the other, on a mechanism of its own.
type worker struct {
	e      *explorer
	ke     *ke.Machine
	m      *Machine
	tb     *runTB
	run    uint64
	choose *explore.Chooser
	cover  *coverage.Collector
	knows  bool // what the boring run takes
	ended  bool // the current run has been judged
	before bool // the test had failed before the current run
	exits  bool // the current run has ended the goroutine
}

// firstRun is what is remembered of run 1: all its events, and who the numbers in them are.
type firstRun struct {
	hash       uint64
	events     []trace.Event
	contexts   map[uint16]string
	images     []string
	deviations []Deviation // that pins made
	failed     bool
}

// attempts are the drivers that runs tried to load, and whether any of them succeeded.
type attempts map[string]bool

// book keeps what an exploration has seen, in the order of run numbers whatever order workers end in, and
// writes it down from time to time. What is written is always the state after some run and before the next
// one, which is what makes it possible to go on from there. A nil book keeps nothing.
type book struct {
	shard    results.Shard
	dir      string
	mine     sequence
	pending  map[uint64]entry // runs that ended before one with a lower number
	findings map[string]results.Finding
	rules    map[string]bool
	loads    attempts
	written  time.Time
	every    time.Duration
	err      error // of the first file that could not be written
	hunt     *hunt // of an exhaustive search
	had      int   // runs made before an interruption
	lock     *results.Lock
	kept     []results.Finding // kept runs that still fail
}

// entry is what one run contributes.
type entry struct {
	steps, hash uint64
	findings    []results.Finding
	loads       attempts
	failed      string // the signature of a failure
}
