package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"calloutsim/sim/results"
)

// pollEvery is how often the progress of an exploration is looked at. It writes its results down once in a
// second.
const pollEvery = 500 * time.Millisecond

// sample is what the results in a directory amount to at a time.
type sample struct {
	at     time.Duration
	test   string // the exploration that goes on
	runs   int
	asked  int // of the shards that are there
	traces uint64
}

// take looks at the results in a directory.
func take(dir string, at time.Duration) sample {
	s := sample{at: at}
	var u results.Union
	if _, err := u.AddDir(dir, nil); err != nil {
		return s // a file of another exploration, which the test refuses in a moment
	}
	for _, sum := range u.Summaries() {
		s.runs += sum.Runs
		s.traces += sum.Traces
		for _, i := range sum.Present {
			if _, n := sum.Part(i); !sum.Search { // how many a search makes is not known before
				s.asked += n
			}
		}
		if len(sum.Running) > 0 {
			s.test = sum.Test
		}
	}
	return s
}

// words says how an exploration goes on: its rate since the first sample, and what is left at that rate.
func (s *sample) words(first *sample) string {
	text := fmt.Sprintf("%d distinct traces", s.traces)
	if s.test != "" {
		text = s.test + " " + text
	}
	took := (s.at - first.at).Seconds()
	if made := s.runs - first.runs; made > 0 && took > 0 {
		rate := float64(made) / took
		text += fmt.Sprintf(", %.0f runs/s", rate)
		if left := float64(s.asked-s.runs) / rate; left > 0 {
			text += ", " + (time.Duration(left+1) * time.Second).String() + " left"
		}
	}
	return text
}

// sayEvery is how often a line says how an exploration goes on where there is no terminal: a CI service that
// sees nothing for long takes a job for dead.
const sayEvery = 30 * time.Second

// showProgress shows the progress of the exploration whose results are in dir until stop is called: a bar on
// a terminal, else a line now and then.
func showProgress(f *os.File, dir string) (stop func()) {
	st, err := f.Stat()
	switch {
	case err != nil:
		return func() {}
	case st.Mode()&os.ModeCharDevice == 0, os.Getenv("TERM") == "dumb":
		return tell(f, dir, sayEvery)
	}
	return draw(f, dir, pollEvery)
}

// tell writes a line about the exploration again and again.
func tell(w io.Writer, dir string, every time.Duration) (stop func()) {
	start := time.Now()
	first := take(dir, 0)
	return repeat(every, func() {
		s := take(dir, time.Since(start))
		runs := count(s.runs, "run")
		if s.asked > 0 {
			runs = fmt.Sprintf("%d of %d runs", s.runs, s.asked)
		}
		fmt.Fprintf(w, "ksim: %v: %s, %s\n", s.at.Round(time.Second), runs, s.words(&first))
	})
}

// repeat calls do in intervals until stop is called.
func repeat(every time.Duration, do func()) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				do()
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
	}
}

// draw is showProgress on anything.
func draw(w io.Writer, dir string, every time.Duration) (stop func()) {
	bar := progressbar.NewOptions(-1, progressbar.OptionSetWriter(w), progressbar.OptionShowCount(),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(true), progressbar.OptionSetWidth(20))
	start := time.Now()
	first := take(dir, 0)
	end := repeat(every, func() {
		s := take(dir, time.Since(start))
		if s.asked > 0 {
			bar.ChangeMax(s.asked)
		}
		bar.Describe(s.words(&first))
		_ = bar.Set(min(s.runs, s.asked)) // a terminal that went away is not worth an error
	})
	return func() {
		end()
		_ = bar.Finish()
		_ = bar.Clear()
	}
}
