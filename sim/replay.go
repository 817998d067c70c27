package sim

import (
	"path/filepath"
	"strings"
	"testing"
)

// Replay repeats one run of a scenario, which is how a schedule that once failed becomes a regression test:
// the test fails, with the report, if the run still does. run is a token (kcs2:…) from any report about this
// scenario, or the name of a .sim file, seen from the folder of the test's package. What the token does not
// say, such as Options.Continues, has to be as it was when the run was found.
func Replay(t testing.TB, scenario func(m *Machine), run string, opts ...Options) {
	t.Helper()
	o := onlyOptions(t, "Replay", opts)
	token, err := ParseReplay(run)
	if err != nil && strings.HasSuffix(run, fileSuffix) && !filepath.IsAbs(run) {
		token, err = ReadReplayFile(inTestFolder(run))
	}
	if err == nil {
		err = o.check()
	}
	if err != nil {
		t.Fatalf("sim.Replay: %v", err)
	}
	e := &explorer{tb: t, o: ExploreOptions{Options: o}, fn: scenario, name: t.Name(),
		scenario: token.Scenario, repeat: func(string) []string { return []string{goTestOnly(t.Name())} }}
	m, tb := e.runToken(&token, false)
	defer m.ke.Close()
	switch {
	case m.checked != nil && m.checked.first != "":
		t.Logf("sim: the run is stale: %s", m.checked.first)
	case tb.failed:
		for _, msg := range tb.messages {
			t.Errorf("%s", msg)
		}
		t.FailNow()
	case m.Hash() != token.Trace:
		t.Logf("sim: the run passes; its events are not the recorded ones any more")
	}
}
