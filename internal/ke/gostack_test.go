package ke

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// local is a local variable that notes that it has ended.
type local struct{ gone bool }

func (l *local) StackGone(*K) { l.gone = true }

//go:noinline
func newLocal(k *K) *local {
	l := &local{}
	OnFunction(k, l, 0)
	return l
}

//go:noinline
func helper(k *K, inside func(l *local)) *local {
	l := newLocal(k)
	if inside != nil {
		inside(l)
	}
	return l
}

// deeper needs more stack than a goroutine begins with, so that Go moves it.
//
//go:noinline
func deeper(n int, fn func()) byte {
	var room [512]byte
	if n == 0 {
		fn()
		return room[0]
	}
	room[n%512] = byte(n)
	return deeper(n-1, fn) + room[n%512]
}

func TestOnFunction_EndsWithTheFunction(t *testing.T) {
	m := New(Config{})
	defer m.Close()
	look := func(k *K) { CheckFunctions(k) }
	m.NewThread("a", nil, func(k *K) {
		Push(k, Frame{Kind: FrameThread})
		own := newLocal(k)
		l := helper(k, func(l *local) {
			look(k)
			deeper(100, func() { look(k) })
			look(k)
			assert.False(t, l.gone, "the function runs")
			Push(k, Frame{Kind: FrameDispatch})
			inner := helper(k, nil)
			look(k)
			assert.True(t, inner.gone, "that of the callback inside has returned")
			Pop(k)
			assert.False(t, l.gone)
		})
		look(k)
		assert.True(t, l.gone, "it has returned")
		l = helper(k, nil)
		helper(k, func(*local) { look(k) })
		assert.True(t, l.gone, "another call of the same function by another statement")
		l = helper(k, nil)
		deeper(100, func() { look(k) })
		assert.True(t, l.gone, "another function lies where it lay")
		assert.False(t, own.gone)
		Pop(k)
		assert.True(t, own.gone)
		assert.Empty(t, k.stack)
	})
	m.Run(nil)
}

// TestOnFunction_CheckedBeforeOthersRun: whoever runs next finds what has ended ended.
func TestOnFunction_CheckedBeforeOthersRun(t *testing.T) {
	m := New(Config{})
	defer m.Close()
	var l *local
	m.NewThread("a", nil, func(k *K) {
		Push(k, Frame{Kind: FrameThread})
		l = helper(k, nil)
		Sleep(k, -1)
		Pop(k)
	})
	m.NewThread("b", nil, func(*K) { assert.True(t, l.gone) })
	m.Run(nil)
	assert.True(t, l.gone)
}

func BenchmarkOnFunction(b *testing.B) {
	m := New(Config{})
	defer m.Close()
	m.NewThread("a", nil, func(k *K) {
		Push(k, Frame{Kind: FrameThread})
		deeper(20, func() {
			newLocal(k)
			for b.Loop() {
				CheckFunctions(k)
			}
		})
		Pop(k)
	})
	m.Run(nil)
}
