//go:build race && simraces

package ke

import "runtime"

// baton under `ksim race` is a goroutine with two channels, as in other race builds, but Go's race detector
// does not see them: that one context runs after another orders nothing (scheduling.md 10.2).
type baton struct {
	in, out chan bool
	ended   bool
	exit    bool // the body left by Goexit in a live machine: the hub must leave the same way
	fault   any
}

func (b *baton) start(loop func()) {
	b.in, b.out = make(chan bool), make(chan bool)
	runtime.RaceDisable()
	go func() {
		b.receive(b.in)
		normal := false
		defer func() {
			b.fault = recover()
			b.ended, b.exit = true, !normal && b.fault == nil
			b.send(b.out, false)
		}()
		loop()
		normal = true
	}()
	runtime.RaceEnable()
}

func (b *baton) resume() bool {
	if b.ended {
		return false
	}
	b.send(b.in, true)
	ok := b.receive(b.out)
	switch {
	case b.fault != nil:
		panic(b.fault)
	case b.exit:
		runtime.Goexit()
	}
	return ok
}

func (b *baton) park() {
	b.send(b.out, true)
	b.receive(b.in)
}

func (b *baton) end() {
	if !b.ended {
		b.resume()
	}
}

func (*baton) send(to chan<- bool, x bool) {
	runtime.RaceDisable()
	to <- x
	runtime.RaceEnable()
}

func (*baton) receive(from <-chan bool) bool {
	runtime.RaceDisable()
	x := <-from
	runtime.RaceEnable()
	return x
}
