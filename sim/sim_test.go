package sim

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// touch is a scheduling point that leaves an event.
func touch(k *ke.K, id trace.ID) {
	ke.Point(k, ke.Writes(id))
	ke.Note(k, "touches", id)
}

// lostUpdate has two threads add to a counter without a lock; under some schedules one addition is lost.
func lostUpdate(m *Machine) {
	n := 0
	id := m.Kernel().NewID(trace.Var)
	for _, name := range []string{"one", "two"} {
		m.Thread(name, func(k *ke.K) {
			touch(k, id)
			v := n
			touch(k, id)
			n = v + 1
		})
	}
	m.Run()
	if n != 2 {
		m.Fatalf("counter is %d", n)
	}
}

// breaks reports a violation.
func breaks(m *Machine) {
	m.Thread("breaker", func(k *ke.K) {
		ke.Note(k, "before", 0)
		ke.Report(k, verify.Finding{Rule: verify.IRP_001, Headline: "irp#7 completed a second time",
			Obj: "irp#7", BugCheck: 0x44})
		ke.Note(k, "never", 0)
	})
	m.Run()
}

// attempt runs fn as a scenario and gives what came of it.
func attempt(t *testing.T, o Options, fn func(m *Machine)) Outcome {
	t.Helper()
	out, err := RunScenario(Scenario{Name: t.Name(), Run: fn}, RunOptions{Options: o})
	require.NoError(t, err)
	require.Nil(t, out.Fault)
	t.Cleanup(out.Close)
	return out
}

func TestNew_QuietWhenAllIsWell(t *testing.T) {
	m := New(t)
	done := false
	th := m.Thread("test.sys", func(k *ke.K) { done = true })
	m.Run()
	assert.True(t, done)
	assert.True(t, th.Ended())
	assert.Empty(t, m.Findings())
	assert.False(t, m.Ended())
}

func TestRun_ViolationEndsTheTestWithTheReport(t *testing.T) {
	after := false
	out := attempt(t, Options{}, func(m *Machine) {
		breaks(m)
		after = true
	})
	assert.False(t, after, "Run does not return after a violation")
	assert.True(t, out.Failed)
	require.Len(t, out.Messages, 1)
	assert.Contains(t, out.Messages[0], "IRP-001")
	assert.Contains(t, out.Messages[0], "MULTIPLE_IRP_COMPLETE_REQUESTS (44)")
	assert.Contains(t, out.Messages[0], "<-- violation")
	assert.Contains(t, out.Messages[0], "ksim run "+t.Name()+" --replay kcs2:")
	assert.NotContains(t, out.Messages[0], "never")
}

func TestRun_CollectLeavesTheVerdictToTheTest(t *testing.T) {
	m := New(t, Options{Collect: true})
	breaks(m)
	assert.Equal(t, []string{"IRP-001"}, m.Rules())
	assert.True(t, m.Ended())
	m.Run() // nothing happens any more
}

func TestRun_ContinueGoesOnAndFailsAtTheEnd(t *testing.T) {
	behind := false
	out := attempt(t, Options{Continue: true}, func(m *Machine) {
		m.Thread("breaker", func(k *ke.K) {
			ke.Report(k, verify.Finding{Rule: verify.IRP_011, Headline: "not marked"})
			behind = true
		})
		m.Run()
		assert.False(t, m.Ended())
	})
	assert.True(t, behind)
	assert.True(t, out.Failed)
	assert.Contains(t, strings.Join(out.Messages, ""), "IRP-011")
}

func TestRun_ContinuesNamesSingleRules(t *testing.T) {
	out := attempt(t, Options{Continues: []string{"IRP-011"}}, func(m *Machine) {
		m.Thread("breaker", func(k *ke.K) {
			ke.Report(k, verify.Finding{Rule: verify.IRP_011, Headline: "not marked"})
			ke.Report(k, verify.Finding{Rule: verify.IRP_006, Headline: "wrong status"})
			panic("not reached")
		})
		m.Run()
	})
	assert.Equal(t, []string{"IRP-011", "IRP-006"}, out.Machine.Rules())
	_, err := RunScenario(Scenario{Run: breaks}, RunOptions{Options: Options{Continues: []string{"IRP-999"}}})
	assert.ErrorContains(t, err, "IRP-999")
}

func hazardous(m *Machine) {
	m.Thread("lock.sys", func(k *ke.K) {
		ke.Report(k, verify.Finding{Rule: verify.LOCK_013, Headline: "called with a lock held"})
	})
	m.Run()
}

func TestRun_HazardsAreListedAndDoNotFail(t *testing.T) {
	require.Equal(t, verify.Warning, verify.LOCK_013.Severity())
	out := attempt(t, Options{}, hazardous)
	assert.False(t, out.Failed)
	assert.Contains(t, strings.Join(out.Logs, "\n"), "called with a lock held")
	out = attempt(t, Options{FailOn: "warning"}, hazardous)
	assert.True(t, out.Failed)
}

func TestRun_NotesAreOff(t *testing.T) {
	require.Equal(t, verify.Note, verify.POOL_019.Severity())
	fn := func(m *Machine) {
		m.Thread("pool.sys", func(k *ke.K) {
			ke.Report(k, verify.Finding{Rule: verify.POOL_019, Headline: "executable"})
		})
		m.Run()
	}
	out := attempt(t, Options{}, fn)
	assert.Empty(t, out.Machine.Findings())
	out = attempt(t, Options{Notes: true}, fn)
	assert.Len(t, out.Machine.Findings(), 1)
	assert.False(t, out.Failed)
	out = attempt(t, Options{FailOn: "note"}, fn)
	assert.True(t, out.Failed)
}

func TestRun_MisuseIsToldWithItsHint(t *testing.T) {
	out := attempt(t, Options{}, func(m *Machine) {
		var kept *ke.K
		m.Thread("one", func(k *ke.K) { kept = k })
		m.Thread("two", func(*ke.K) { ke.Push(kept, ke.Frame{}); ke.Pop(kept) })
		m.Run()
	})
	assert.True(t, out.Failed)
	require.Len(t, out.Messages, 1)
	assert.Contains(t, out.Messages[0], "every callback must use the k it received")
	assert.Contains(t, out.Messages[0], "sim_test.go:")
}

func TestRun_DriverPanicLooksLikeABugCheck(t *testing.T) {
	out := attempt(t, Options{}, func(m *Machine) {
		m.Thread("oops.sys", func(k *ke.K) {
			ke.Note(k, "the last thing it did", 0)
			var p *struct{ x int }
			p.x = 1
		})
		m.Run()
	})
	assert.True(t, out.Failed)
	require.Len(t, out.Messages, 1)
	text := out.Messages[0]
	for _, want := range []string{"KMODE_EXCEPTION_NOT_HANDLED (1e)", "Arg1: 0xc0000005", "sim_test.go:",
		"oops.sys", "the last thing it did", "REPLAY:", "CONTEXT: oops.sys"} {
		assert.Contains(t, text, want)
	}
	assert.NotContains(t, text, "goroutine")
}

func TestRun_FaultOfTheSimulatorIsNotTheDrivers(t *testing.T) {
	out, err := RunScenario(Scenario{Name: "x", Run: func(m *Machine) {
		m.Thread("a.sys", func(k *ke.K) { panic("internal error: nobody holds the baton") })
		m.Run()
	}}, RunOptions{})
	require.NoError(t, err)
	assert.Contains(t, out.Fault, "internal error: nobody holds the baton")
	out.Close()
}

func TestRun_FatalInsideSimulatedCodeEndsTheTest(t *testing.T) {
	after := false
	out := attempt(t, Options{}, func(m *Machine) {
		m.Thread("a", func(k *ke.K) { require.Equal(m, 1, 2) })
		m.Run()
		after = true
	})
	assert.False(t, after)
	assert.True(t, out.Failed)
	assert.Contains(t, strings.Join(out.Logs, ""), "to repeat it:")
}

func TestRun_AfterTheEndIsAMistake(t *testing.T) {
	out := attempt(t, Options{}, func(m *Machine) {
		m.Finish()
		m.Finish()
		m.Run()
	})
	assert.Contains(t, strings.Join(out.Messages, ""), "is over")
}

func TestRunUntil_StopsWhenTheConditionHolds(t *testing.T) {
	m := New(t)
	n := 0
	m.Thread("counts", func(k *ke.K) {
		for range 5 {
			n++
			ke.Sleep(k, -10*ke.Millisecond)
		}
	})
	assert.True(t, m.RunUntil(func() bool { return n == 3 }))
	assert.Equal(t, 3, n)
	assert.False(t, m.RunUntil(func() bool { return n == 99 }))
	assert.Equal(t, 5, n)
}

func TestFinish_MakesTheChecksAtTheEnd(t *testing.T) {
	m := New(t, Options{Collect: true})
	m.Kernel().AtEnd(func(k *ke.Machine) {
		k.ReportEnd(verify.Finding{Rule: verify.IRP_040, Headline: "irp#1 is left"})
	})
	m.Run()
	assert.Empty(t, m.Findings())
	m.Finish()
	assert.Equal(t, []string{"IRP-040"}, m.Rules())
}

func TestFinish_AfterAViolationMakesNone(t *testing.T) {
	m := New(t, Options{Collect: true})
	m.Kernel().AtEnd(func(k *ke.Machine) { k.ReportEnd(verify.Finding{Rule: verify.IRP_040}) })
	breaks(m)
	m.Finish()
	assert.Equal(t, []string{"IRP-001"}, m.Rules())
}

func TestProcess_NumbersAreMultiplesOfFour(t *testing.T) {
	m := New(t)
	a, b := m.Process("a.exe"), m.Process("b.exe", ProcessOptions{Admin: true})
	assert.NotZero(t, a.PID())
	assert.Zero(t, a.PID()%4)
	assert.Greater(t, a.PID(), uint32(ke.SystemPID))
	assert.Greater(t, b.PID(), a.PID())
	assert.Equal(t, "b.exe", b.Image())
}

func TestUser_OfAnotherThreadIsAMistake(t *testing.T) {
	out := attempt(t, Options{}, func(m *Machine) {
		p := m.Process("a.exe")
		var kept *User
		p.Go("one", func(u *User) { kept = u })
		p.Go("two", func(*User) { kept.Yield() })
		m.Run()
	})
	assert.Contains(t, strings.Join(out.Messages, ""), "called with the User of another thread")
}

func TestPin_FixesAChoiceByName(t *testing.T) {
	site := &ke.Site{Name: "env/Test/answer", Alts: []string{"inline", "pended"}}
	ask := func(o Options) (pick int, out Outcome) {
		out = attempt(t, o, func(m *Machine) {
			m.Thread("a", func(k *ke.K) { pick = ke.Choose(k, site, 2) })
			m.Run()
		})
		return pick, out
	}
	pick, _ := ask(Options{})
	assert.Equal(t, 0, pick)
	pick, out := ask(Options{Pins: []Pin{{"env/Test/answer", "pended"}}})
	assert.Equal(t, 1, pick)
	assert.Len(t, out.Machine.Token().Deviations, 1, "a token needs no pins")
	pick, _ = ask(Options{Pins: []Pin{{"env/Test/answer", "1"}}})
	assert.Equal(t, 1, pick)
	_, out = ask(Options{Pins: []Pin{{"env/Test/answer", "never"}}})
	assert.Contains(t, strings.Join(out.Messages, ""), "it has inline, pended")
}
