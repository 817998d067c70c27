package sim

import (
	"reflect"
	"time"

	"calloutsim/internal/ke"
	"calloutsim/irp"
)

// Thread starts a system thread that runs code of the test as if it were a driver called name, for the next
// Run. All such threads are of one driver, which has the first one's name; but where a driver of the name is
// loaded, the thread acts for that one.
func (m *Machine) Thread(name string, fn func(k *ke.K)) *Thread {
	img := m.tester
	if drv := m.Driver(name); drv != nil && !drv.Unloaded() {
		img = drv.Image()
	} else if img == nil {
		img = m.ke.NewImage(name)
		m.tester = img
		img.Test = true
	}
	t := m.ke.NewThread(name, nil, func(k *ke.K) {
		ke.Push(k, ke.Frame{Kind: ke.FrameThread, Image: img, Fn: reflect.ValueOf(fn).Pointer()})
		fn(k)
		ke.Pop(k)
	})
	m.stopped = true
	return &Thread{t: t}
}

// Thread is a thread that a test started.
type Thread struct {
	t *ke.Thread
	u *User // of a program's thread
}

// Ended reports whether the thread has run to its end.
func (t *Thread) Ended() bool { return t.t.Ended() }

// Go starts a thread of the process; it runs when the machine does. When it ends, its outstanding requests to
// devices are cancelled and waited for; with the last thread the process ends and its handles to devices are
// closed. Sockets stay as they are unless the process is killed.
func (p *Process) Go(name string, fn func(u *User)) *Thread {
	if p.killed {
		panic(ke.Misuse("Go: " + p.p.Image + " was killed; make another process"))
	}
	u := &User{p: p}
	first := len(p.threads) == 0
	created := p.creation(first)
	t := p.m.ke.NewThread(p.p.Image+" "+name, p.p, func(k *ke.K) {
		p.awaits(k, created)
		if first && p.refused == 0 {
			irp.Sim.ImagesMapped(k, p.p)
		}
		ke.Push(k, ke.Frame{Kind: ke.FrameUser, Fn: reflect.ValueOf(fn).Pointer()})
		u.k = k
		if !ke.Ending(k) && p.refused == 0 {
			fn(u)
		}
		p.threadEnds(k)
		ke.Pop(k)
	})
	p.threads = append(p.threads, t)
	p.p.Object.Signal = 0 // of a process whose threads had all ended
	p.m.stopped = true
	return &Thread{t, u}
}

// Sleep waits for a time.
func (u *User) Sleep(d time.Duration) {
	u.here("Sleep")
	ke.SleepAs(u.k, ke.WaitUser, -int64(d/100))
	u.leave()
}

// Yield lets others run.
func (u *User) Yield() {
	u.here("Yield")
	ke.Yield(u.k)
	u.leave()
}
