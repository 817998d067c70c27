//go:build !race

package ke

import "iter"

// baton hands control between the hub and one coroutine. This is the default form; race builds have their
// own.
type baton struct {
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
}

// start makes the coroutine; loop begins at the first resume.
func (b *baton) start(loop func()) {
	b.next, b.stop = iter.Pull(func(yield func(struct{}) bool) {
		b.yield = yield
		loop()
	})
}

// resume runs the coroutine until it parks; it returns false when the coroutine has ended. Hub side.
func (b *baton) resume() bool {
	_, ok := b.next()
	return ok
}

// park gives control back to the hub. Context side.
func (b *baton) park() { b.yield(struct{}{}) }

// end lets an idle coroutine go.
func (b *baton) end() { b.stop() }
