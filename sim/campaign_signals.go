package sim

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
)

// interrupts knows whether the process was told to end while explorations go on. They make no more runs then,
// and say what they have; a second signal ends the process as it always does.
var interrupts signals

type signals struct {
	sync.Mutex
	active int // explorations
	c      chan os.Signal
	got    os.Signal
}

// enter says that an exploration begins.
func (s *signals) enter() {
	s.Lock()
	defer s.Unlock()
	if s.active++; s.active > 1 || s.got != nil {
		return
	}
	s.c = make(chan os.Signal, 1)
	signal.Notify(s.c, os.Interrupt, syscall.SIGTERM)
	go s.wait(s.c)
}

func (s *signals) wait(c chan os.Signal) {
	sig, ok := <-c
	if !ok {
		return
	}
	s.Lock()
	defer s.Unlock()
	s.got = sig
	signal.Stop(c)
}

// signal is what the process was told, nil while it may go on.
func (s *signals) signal() os.Signal {
	s.Lock()
	defer s.Unlock()
	return s.got
}

// leave says that an exploration has ended; last, that no other goes on.
func (s *signals) leave() (sig os.Signal, last bool) {
	s.Lock()
	defer s.Unlock()
	if s.active--; s.active == 0 && s.c != nil {
		signal.Stop(s.c)
		close(s.c)
		s.c = nil
	}
	return s.got, s.active == 0
}

// exitCode is how a process that was told to end ends.
func exitCode(sig os.Signal) int {
	if n, ok := sig.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return 1
}

// interrupted says what an exploration of a test has, which package testing cannot say any more.
func (e *explorer) interrupted(r *Result, sig os.Signal, last bool) {
	var b strings.Builder
	fmt.Fprintf(&b, "sim: %v after %d of %d runs of %s", sig, r.Runs, e.mine.n, e.name)
	if e.o.Out != "" {
		b.WriteString("; the same command goes on from there")
	}
	b.WriteByte('\n')
	for _, f := range r.Failures {
		fmt.Fprintf(&b, "%s\n", f.Report)
	}
	if len(r.Failures) == 0 {
		b.WriteString("None of them failed.\n")
	}
	tellFailed(os.Stdout, e.name, b.String(), 0)
	if last {
		os.Exit(exitCode(sig))
	}
}
