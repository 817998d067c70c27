package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// grace is how long a command that was told to end has for it.
const grace = 20 * time.Second

// interrupted is the end of a command that was told to end by a signal.
func interrupted(verb string, sig os.Signal) error {
	code := exitFindings
	if n, ok := sig.(syscall.Signal); ok {
		code = 128 + int(n)
	}
	return &exit{code, fmt.Sprintf("%s: %v", verb, sig)}
}

// outlivePipe lets a command that finds something end by itself when who reads its standard output has gone:
// what it has found goes to standard error then, and its files are written. One that prints a list ends at
// once, as is usual.
func outlivePipe(verb string) {
	switch verb {
	case "run", "explore", "merge", "replay", "race", "conform":
		signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	}
}

// catch notes the first signal that comes until stop is called; a second one ends the process.
func catch() (stop func() os.Signal) {
	c := make(chan os.Signal, 2)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	first := make(chan os.Signal, 1)
	go func() {
		sig, ok := <-c
		first <- sig
		if !ok {
			return
		}
		if second, ok := <-c; ok {
			os.Exit(interrupted("", second).(*exit).code)
		}
	}()
	return func() os.Signal {
		signal.Stop(c)
		close(c)
		return <-first
	}
}

// runGo runs a command of go in a group of processes of its own. A signal to end is passed on, as an
// interrupt, which the go command waits out; what does not end by itself then is killed, so that nothing
// survives.
func runGo(cmd *exec.Cmd) (sig os.Signal, err error) {
	ownGroup(cmd)
	c := make(chan os.Signal, 2)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(c)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	var late <-chan time.Time
	for {
		select {
		case err := <-done:
			if sig != nil {
				killGroup(cmd)
			}
			return sig, err
		case s := <-c:
			if sig != nil {
				killGroup(cmd)
				continue
			}
			sig, late = s, time.After(grace)
			interruptGroup(cmd)
		case <-late:
			killGroup(cmd)
		}
	}
}
