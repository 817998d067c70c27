package sim

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/fwps/fwpm"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// tried explores a scenario as a test would, and gives what that says.
func tried(t *testing.T, o ExploreOptions, fn func(m *Machine)) (Result, *runTB) {
	t.Helper()
	tb := &runTB{name: t.Name()}
	o.Cluster.shards = max(o.Cluster.shards, 1)
	require.NoError(t, o.complete(true))
	e := explorerOf(&Scenario{Name: t.Name(), Run: fn}, tb, o)
	require.NoError(t, e.spread(nil))
	return e.explore(), tb
}

// nameless adds a filter that has no display name, which is refused.
func nameless(k *irql.K, _ *irp.DRIVER_OBJECT) ntstatus.NTSTATUS {
	var engine irql.HANDLE
	s := fwpm.FwpmEngineOpen0(k, "", fwpm.RPC_C_AUTHN_DEFAULT, nil, nil, &engine)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	var f fwpm.FWPM_FILTER0
	s = fwpm.FwpmFilterAdd0(k, engine, &f, nil, nil)
	fwpm.FwpmEngineClose0(k, engine)
	return s
}

// The idiom that once hid a DriverEntry that failed in every run.
func TestLoadStatus_CannotHideADriverEntryThatFails(t *testing.T) {
	fn := func(m *Machine) {
		d := &sample{entry: nameless}
		if _, s := m.LoadStatus("filter.sys", d.DriverEntry); !ntstatus.NT_SUCCESS(s) {
			return
		}
		m.Errorf("the driver is loaded")
	}
	for _, o := range []ExploreOptions{{Runs: 20}, {Strategy: "dpor"}, {Strategy: "faults1"}} {
		r, _ := tried(t, o, fn)
		require.Len(t, r.Failures, 1, o.Strategy)
		f := r.Failures[0]
		assert.Equal(t, uint64(1), f.Run)
		assert.Regexp(t, `^refused_test\.go:35: FwpmFilterAdd0 called by filter\.sys returned `+
			`STATUS_FWP_NULL_DISPLAY_NAME, although nothing was made to fail`, f.Headline)
		assert.Contains(t, f.Report, "DriverEntry of filter.sys returned STATUS_FWP_NULL_DISPLAY_NAME "+
			"(FwpmFilterAdd0 returned STATUS_FWP_NULL_DISPLAY_NAME)")
		assert.Equal(t, "refused_test.go", f.at.File)
		assert.Equal(t, 35, f.at.Line)
	}
	out := attempt(t, Options{}, fn)
	require.Len(t, out.Messages, 2)
	assert.Contains(t, out.Messages[0], "FwpmFilterAdd0 called by filter.sys returned")
	out = attempt(t, Options{}, func(m *Machine) {
		m.MayFail("DriverEntry", "FwpmFilterAdd0=STATUS_FWP_NULL_DISPLAY_NAME")
		fn(m)
	})
	assert.Empty(t, out.Messages)
	assert.False(t, out.Failed)
}

// A registration that fails behind a DriverEntry that does not care.
func TestRegistration_ThatFailsByItselfFailsTheTest(t *testing.T) {
	d := &sample{entry: func(k *irql.K, drv *irp.DRIVER_OBJECT) ntstatus.NTSTATUS {
		nameless(k, drv)
		return ntstatus.STATUS_SUCCESS
	}}
	out := attempt(t, Options{}, func(m *Machine) { m.Load("filter.sys", d.DriverEntry) })
	require.Len(t, out.Messages, 1)
	assert.Contains(t, out.Messages[0], "refused_test.go:35: FwpmFilterAdd0 called by filter.sys returned "+
		"STATUS_FWP_NULL_DISPLAY_NAME")
	out = attempt(t, Options{Collect: true}, func(m *Machine) { m.Load("filter.sys", d.DriverEntry) })
	assert.Empty(t, out.Messages, "a test that collects looks itself")
	out = attempt(t, Options{Pins: []Pin{{"fault/FwpmFilterAdd0", "1"}}}, func(m *Machine) {
		d := &sample{entry: func(k *irql.K, _ *irp.DRIVER_OBJECT) ntstatus.NTSTATUS {
			var engine irql.HANDLE
			fwpm.FwpmEngineOpen0(k, "", fwpm.RPC_C_AUTHN_DEFAULT, nil, nil, &engine)
			f := fwpm.FWPM_FILTER0{DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: "all"}}
			s := fwpm.FwpmFilterAdd0(k, engine, &f, nil, nil)
			fwpm.FwpmEngineClose0(k, engine)
			if s != ntstatus.STATUS_INSUFFICIENT_RESOURCES {
				m.Errorf("FwpmFilterAdd0 was not made to fail: %v", s)
			}
			return ntstatus.STATUS_SUCCESS
		}}
		m.Load("filter.sys", d.DriverEntry)
	})
	assert.Empty(t, out.Messages, "a failure that was injected is no mistake")
}

// opens has a program open a device that is not there, and not look at the error.
func opens(m *Machine) {
	m.Process("app.exe").Go("main", func(u *User) { _, _ = u.Open(`\\.\Nobody`) })
	m.Run()
}

func TestOpen_ThatFailsByItselfFailsTheTest(t *testing.T) {
	r, _ := tried(t, ExploreOptions{Runs: 5}, opens)
	require.Len(t, r.Failures, 1)
	assert.Regexp(t, `^refused_test\.go:\d+: CreateFile of \\\\\.\\Nobody by app\.exe failed: `+
		`STATUS_OBJECT_NAME_NOT_FOUND`, r.Failures[0].Headline)
	r, tb := tried(t, ExploreOptions{Runs: 5}, func(m *Machine) { m.MayFail("CreateFile"); opens(m) })
	assert.Empty(t, r.Failures)
	assert.Empty(t, tb.messages)
}

func TestMayFail_RefusesWhatIsNoSetup(t *testing.T) {
	for _, what := range []string{"IoCompleteRequest", "CreateFile=5", ""} {
		out := attempt(t, Options{}, func(m *Machine) { m.MayFail(what) })
		require.Len(t, out.Messages, 1, what)
		assert.Contains(t, out.Messages[0], "MayFail("+`"`+what+`"`)
	}
}

// Where something was made to fail, Load ends the run without a word.
func TestLoad_EndsARunThatWasMadeToFail(t *testing.T) {
	behind := 0
	fn := func(m *Machine) {
		d := &sample{}
		d.unload = func(k *irql.K, _ *irp.DRIVER_OBJECT) { irp.IoDeleteDevice(k, d.device) }
		m.Load("sample.sys", d.DriverEntry)
		behind++
		m.Unload("sample.sys")
	}
	r, tb := tried(t, ExploreOptions{Strategy: "faults1"}, fn)
	assert.Empty(t, r.Failures)
	assert.Empty(t, tb.messages)
	assert.Equal(t, 2, r.Runs, "the boring one and the one without a device")
	assert.Positive(t, behind)
	pins := Options{Pins: []Pin{{"fault/IoCreateDevice", "1"}}}
	out := attempt(t, pins, func(m *Machine) { fn(m); m.Errorf("the run goes on") })
	assert.False(t, out.Failed)
	assert.Contains(t, strings.Join(out.Logs, "\n"), "sim: the run ends here: DriverEntry of sample.sys "+
		"returned STATUS_INSUFFICIENT_RESOURCES (fault/IoCreateDevice=STATUS_INSUFFICIENT_RESOURCES)")
}

// An exploration that tried nothing fails.
func TestExplore_ThatTriedNothingFails(t *testing.T) {
	pins := Options{Pins: []Pin{{"fault/IoCreateDevice", "1"}}}
	_, tb := tried(t, ExploreOptions{Options: pins, Runs: 7}, func(m *Machine) {
		d := &sample{}
		m.Load("sample.sys", d.DriverEntry)
	})
	require.Len(t, tb.messages, 1)
	assert.Contains(t, tb.messages[0], "sample.sys was not loaded in any of 7 runs")
	_, tb = tried(t, ExploreOptions{Runs: 7}, func(*Machine) {})
	require.Len(t, tb.messages, 1)
	assert.Contains(t, tb.messages[0], "nothing happened in any of 7 runs")
}
