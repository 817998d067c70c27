//go:build race && !simraces

package ke

import "runtime"

// baton in race builds is a goroutine with two channels: iter.Pull orders the two sides of every switch for
// the race detector in a way that cannot be taken back (scheduling.md 2.4), a channel can be hidden from it
// later.
type baton struct {
	in, out chan bool
	ended   bool
	exit    bool // the body left by Goexit in a live machine: the hub must leave the same way
	fault   any
}

func (b *baton) start(loop func()) {
	b.in, b.out = make(chan bool), make(chan bool)
	go func() {
		<-b.in
		normal := false
		defer func() {
			b.fault = recover()
			b.ended, b.exit = true, !normal && b.fault == nil
			b.out <- false
		}()
		loop()
		normal = true
	}()
}

func (b *baton) resume() bool {
	if b.ended {
		return false
	}
	b.in <- true
	ok := <-b.out
	switch {
	case b.fault != nil:
		panic(b.fault)
	case b.exit:
		runtime.Goexit()
	}
	return ok
}

func (b *baton) park() {
	b.out <- true
	<-b.in
}

func (b *baton) end() {
	if !b.ended {
		b.resume()
	}
}
