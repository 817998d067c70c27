//go:build race

package ke

import "runtime"

// baton in race builds is a goroutine with two channels: iter.Pull orders the two sides of every switch for
// the race detector in a way that cannot be taken back (scheduling.md 2.4), a channel can be hidden from it.
// conceal and reveal stand around what orders the two sides.
type baton struct {
	in, out chan bool
	ended   bool
	exit    bool // the body left by Goexit in a live machine: the hub must leave the same way
	fault   any
}

func (b *baton) start(loop func()) {
	b.in, b.out = make(chan bool), make(chan bool)
	conceal()
	go func() {
		receive(b.in)
		normal := false
		defer func() {
			b.fault = recover()
			b.ended, b.exit = true, !normal && b.fault == nil
			send(b.out, false)
		}()
		loop()
		normal = true
	}()
	reveal()
}

func (b *baton) resume() bool {
	if b.ended {
		return false
	}
	send(b.in, true)
	ok := receive(b.out)
	switch {
	case b.fault != nil:
		panic(b.fault)
	case b.exit:
		runtime.Goexit()
	}
	return ok
}

func (b *baton) park() {
	send(b.out, true)
	receive(b.in)
}

func (b *baton) end() {
	if !b.ended {
		b.resume()
	}
}

func send(to chan<- bool, x bool) {
	conceal()
	to <- x
	reveal()
}

func receive(from <-chan bool) bool {
	conceal()
	x := <-from
	reveal()
	return x
}
