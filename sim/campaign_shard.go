package sim

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Cluster says which part of an exploration is made here, for how long, and where the results go
// (scheduling.md 14). The zero Cluster is all of it, without limit, kept nowhere.
type Cluster struct {
	// Shard is "i/m", 0 <= i < m: only run numbers r with r mod m = i are made (-sim.shard). "" means all,
	// unless the environment is that of a Kubernetes Indexed Job: then i is JOB_COMPLETION_INDEX and m is
	// SIM_SHARDS.
	Shard string
	// Budget is the time after which no more runs are started; 0 means no limit (-sim.budget).
	Budget time.Duration
	// Out is the directory for the results, "" for none (-sim.out). An exploration that was interrupted
	// goes on where it stopped when it is started again with the same options and the same directory.
	Out string

	shard, shards int           // what Shard says
	checkpoint    time.Duration // how often results are written down; 0 means every second
}

// fromFlags overrides what was set outside, and reads Shard.
func (c *Cluster) fromFlags() (err error) {
	if s, ok := setting("out"); ok {
		c.Out = s
	}
	if s, ok := setting("budget"); ok {
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 {
			return fmt.Errorf("%s=%s is no time such as 90s or 10m", named("budget"), s)
		}
		c.Budget = d
	}
	s, given := setting("shard")
	if given {
		c.Shard = s
	}
	if c.shard, c.shards, err = c.Resolve(); given && err != nil {
		err = fmt.Errorf("%s: %w", named("shard"), err)
	}
	return err
}

// indexedJob gives the shard of a pod of a Kubernetes Indexed Job. One without the other is a mistake: each
// pod of a job that does not say how many shards there are would make all runs.
func indexedJob() (string, error) {
	shards, index := os.Getenv("SIM_SHARDS"), os.Getenv("JOB_COMPLETION_INDEX")
	switch {
	case shards == "" && index == "":
		return "", nil
	case shards == "":
		return "", errors.New("JOB_COMPLETION_INDEX=" + index + " says which shard this is, but neither " +
			"SIM_SHARDS nor SIM_SHARD says how many there are")
	case index == "":
		return "", errors.New("SIM_SHARDS=" + shards + " says how many shards there are, but neither " +
			"JOB_COMPLETION_INDEX nor SIM_SHARD says which one this is")
	}
	return index + "/" + shards, nil
}

// Resolve reads Shard, or what the environment says in its place. Without either it is shard 0 of 1.
func (c *Cluster) Resolve() (shard, shards int, err error) {
	s := cmp.Or(c.Shard, os.Getenv(envName("shard")))
	whose := ""
	if c.Shard == "" {
		whose = envName("shard") + ": "
	}
	if s == "" {
		if s, err = indexedJob(); s == "" {
			return 0, 1, err
		}
		whose = "JOB_COMPLETION_INDEX of SIM_SHARDS: "
	} else if index := os.Getenv("JOB_COMPLETION_INDEX"); index != "" {
		if i, _, _ := strings.Cut(s, "/"); i != index {
			return 0, 1, fmt.Errorf("%sshard %s, but JOB_COMPLETION_INDEX=%s says that this is shard %s",
				whose, s, index, index)
		}
	}
	if shard, shards, err = ParseShard(s); err != nil {
		err = fmt.Errorf("%s%w", whose, err)
	}
	return shard, shards, err
}

// ParseShard reads "i/m".
func ParseShard(s string) (shard, shards int, err error) {
	i, m, ok := strings.Cut(s, "/")
	index, err1 := strconv.ParseUint(i, 10, 31)
	of, err2 := strconv.ParseUint(m, 10, 31)
	if !ok || err1 != nil || err2 != nil || index >= of {
		return 0, 0, fmt.Errorf("shard %q is no i/m with 0 <= i < m, such as 0/4", s)
	}
	return int(index), int(of), nil
}

// ParseRuns reads "N", N runs from wherever they begin, or "A-B", the runs from A to B. first is 0 for the
// former.
func ParseRuns(s string) (first uint64, runs int, err error) {
	a, b, isRange := strings.Cut(s, "-")
	if !isRange {
		a, b = "1", s
	}
	from, err1 := strconv.ParseUint(a, 10, 63)
	to, err2 := strconv.ParseUint(b, 10, 63)
	switch {
	case err1 != nil || err2 != nil || from == 0 || to == 0:
		return 0, 0, fmt.Errorf("%s is no number from 1 on", s)
	case to < from:
		return 0, 0, fmt.Errorf("%s ends before it begins", s)
	case !isRange:
		return 0, int(to), nil
	}
	return from, int(to - from + 1), nil
}

// sequence is every step-th run number from first on, n of them.
type sequence struct {
	first, step uint64
	n           int
}

// at gives the run number at a position, from 0.
func (s *sequence) at(i int) uint64 { return s.first + s.step*uint64(i) }

// deadline is when no more runs are started.
type deadline struct {
	at  time.Time
	hit bool
}

// reached reports whether it is too late for another run.
func (d *deadline) reached() bool {
	d.hit = d.hit || !d.at.IsZero() && !time.Now().Before(d.at)
	return d.hit
}
