package sim

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
)

// TestWatchdogChild runs only as a child process of the test below, and never ends by itself.
func TestWatchdogChild(t *testing.T) {
	t.Run("sub", func(t *testing.T) { hang(t, os.Getenv(child)) })
}

func hang(t *testing.T, what string) {
	thread := func(m *Machine, fn func(k *ke.K)) {
		m.Thread("hang.sys", fn)
		m.Run()
	}
	switch what {
	case "channel":
		c := make(chan int)
		Explore(t, ExploreOptions{}, func(m *Machine) {
			m.Thread("hang.sys", func(k *ke.K) { touch(k, 0); touch(k, 0) })
			m.Thread("hang.sys", func(k *ke.K) {
				touch(k, 0)
				if m.opt.Seed > 20 {
					c <- 1
				}
			})
			m.Run()
		})
	case "mutex":
		var mu sync.Mutex
		mu.Lock()
		thread(New(t), func(k *ke.K) { mu.Lock() })
	case "spin":
		said := new(bool)
		thread(New(t), func(k *ke.K) {
			for n := 0; !*said; n++ {
				*said = n < 0
			}
		})
	case "sleep":
		thread(New(t), func(k *ke.K) { time.Sleep(time.Hour) })
	case "program":
		m := New(t)
		m.Process("app.exe").Go("main", func(u *User) { select {} })
		m.Run()
	case "deferred":
		thread(New(t), func(k *ke.K) {
			defer func() { select {} }()
			panic("a bug of the driver")
		})
	case "unwound":
		m := New(t)
		m.Thread("hang.sys", func(k *ke.K) {
			defer func() { <-make(chan int) }()
			ke.SleepAs(k, ke.WaitUser, -10_000)
		})
		m.Thread("hang.sys", func(k *ke.K) { touch(k, 0); panic("a bug of the driver") })
		m.Run()
	case "condition":
		New(t).RunUntil(func() bool { select {} })
	case "busy": // no hang: much goes on, and the process as a whole takes longer than the patience
		m := New(t)
		m.Thread("busy.sys", func(k *ke.K) {
			for range 30 {
				time.Sleep(20 * time.Millisecond)
				touch(k, 0)
			}
		})
		m.Run()
	default:
		t.Skip("not a test of its own")
	}
}

// A driver that does not come back to the simulator ends the process with a report instead of silence.
func TestWatchdog_SaysWhoDoesNotComeBack(t *testing.T) {
	for what, want := range map[string][]string{
		"channel": {"a driver has not come back", "run 2", "waits in Go: chan send", "KeSetEvent", "REPLAY: ",
			"code of:  hang.sys"},
		"mutex": {"waits in Go: sync.Mutex.Lock", "KeAcquireSpinLock", "context:  hang.sys",
			"callback: hang.func"},
		"spin":      {"a loop without a scheduling point", "irql.Var"},
		"sleep":     {"waits in Go: sleep", "KeDelayExecutionThread"},
		"program":   {"a program has not come back", "app.exe main", "User.Sleep"},
		"deferred":  {"a driver has not come back", "waits in Go: select (no cases)"},
		"unwound":   {"the run is over, and deferred calls are made", "waits in Go: chan receive"},
		"condition": {"the condition that RunUntil was given has not come back"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			out, ok := watchdogChild(what, "-test.v=test2json")
			require.False(t, ok, out)
			for _, w := range append(want, "watchdog_test.go:", "(-sim.watchdog)",
				"\x16--- FAIL: TestWatchdogChild/sub (", "\x16--- FAIL: TestWatchdogChild (",
				"TestWatchdogChild/sub, run ") {
				assert.Contains(t, out, w, out)
			}
			assert.NotRegexp(t, `goroutine \d`, out, "no dump")
			assert.NotContains(t, out, "DATA RACE")
		})
	}
}

func TestWatchdog_LeavesAloneWhatComesBack(t *testing.T) {
	out, ok := watchdogChild("busy", "-test.v")
	assert.True(t, ok, out)
	out, ok = watchdogChild("busy", "-test.v", "-sim.watchdog=0")
	assert.True(t, ok, out)
	out, ok = watchdogChild("busy", "-test.v", "-sim.watchdog=soon")
	assert.False(t, ok)
	assert.Contains(t, out, "-sim.watchdog=soon is no time such as 10s or 2m, nor 0")
}

func watchdogChild(what string, flags ...string) (output string, ok bool) {
	cmd := exec.Command(os.Args[0], append([]string{"-test.run=^TestWatchdogChild$", "-sim.watchdog=400ms"},
		flags...)...)
	cmd.Env = append(os.Environ(), child+"="+what, "SIM_NOSAVE=1")
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

func TestWatchdog_FindsTheGoroutine(t *testing.T) {
	dump := strings.ReplaceAll(`goroutine 1 [chan receive]:
testing.(*T).Run(0xc0001)
	/go/src/testing/testing.go:2005 +0x485

goroutine 7 gp=0xc000 m=nil [sync.Mutex.Lock, 3 minutes]:
internal/sync.runtime_SemacquireMutex(0x0?, 0x0?)
	/go/src/runtime/sema.go:95 +0x25
sync.(*Mutex).Lock(...)
	/go/src/sync/mutex.go:46
example.com/drv.(*device).read(0xc0002, {0x1, 0x2})
	C:/src/drv/read.go:17 +0x2c
calloutsim/irp.dispatch(0xc0003)
	/src/irp/call.go:90 +0x1
created by x in goroutine 1
	/x.go:1 +0x1
`, "\r", "")
	g := findGoroutine(dump, 7)
	assert.Equal(t, goroutine{"sync.Mutex.Lock", []string{"read.go:17 ((*device).read)"}}, g)
	assert.Equal(t, goroutine{}, findGoroutine(dump, 9))
}
