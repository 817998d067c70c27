package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ddi"
	"calloutsim/internal/subsystems"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/sim"
	"calloutsim/sim/cmd/ksim/ddigen"
)

func TestMain(m *testing.M) {
	if os.Getenv("SIM_NOSAVE") == "" { // what is meant to fail leaves no files, unless a script says so
		if err := os.Setenv("SIM_NOSAVE", "1"); err != nil {
			panic(err)
		}
	}
	testscript.Main(m, map[string]func(){"ksim": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/scripts", RequireUniqueNames: true,
		Setup: goEnvironment, Cmds: scriptCommands})
}

// goEnvironment lets scripts run the go command on the packages here: $KSIM is this directory. What the
// environment says to simulations does not reach them.
func goEnvironment(e *testscript.Env) error {
	out, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE", "GOFLAGS").Output()
	if err != nil {
		return err
	}
	dir, err := os.Getwd()
	values := strings.Split(string(out), "\n")
	for i, name := range []string{"GOCACHE", "GOMODCACHE", "GOFLAGS"} {
		e.Setenv(name, values[i])
	}
	e.Setenv("KSIM", dir)
	e.Setenv("SIM_NOSAVE", "1")
	return err
}

// Every scenario is clean, or breaks exactly the rules it is there to break, and its token repeats it.
func TestScenarios_BreakWhatTheySay(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			assert.False(t, seen[s.Name], "the name is taken twice")
			seen[s.Name] = true
			assert.NotEmpty(t, s.Title)
			out, err := sim.RunScenario(s, sim.RunOptions{})
			require.NoError(t, err)
			defer out.Close()
			require.Nil(t, out.Fault)
			assert.Empty(t, s.AsExpected(&out))
			assert.Equal(t, s.Sometimes, out.Found != nil)
			if s.Sometimes {
				boring, err := sim.RunScenario(s, sim.RunOptions{Options: sim.Options{Seed: 1}})
				require.NoError(t, err)
				defer boring.Close()
				assert.False(t, boring.Failed, "the boring run breaks it as well")
			}

			token := out.Machine.Token()
			again, err := sim.RunScenario(s, sim.RunOptions{Replay: &token})
			require.NoError(t, err)
			defer again.Close()
			assert.Equal(t, token, again.Machine.Token())
			assert.Equal(t, out.Messages, again.Messages)
		})
	}
}

func TestScenarios_ExpectRulesThatExist(t *testing.T) {
	for _, s := range scenarios() {
		for _, r := range s.Expect {
			_, ok := verify.ByNumber(r)
			assert.True(t, ok, "%s expects %s", s.Name, r)
		}
	}
}

// What ksim ddi lists is what the source declares.
func TestDDIs_AreThoseOfTheSource(t *testing.T) {
	for file, generate := range map[string]func(root string) ([]byte, error){"ddis.tsv": ddigen.Generate,
		"names.tsv": ddigen.Names} {
		want, err := generate("../../..")
		require.NoError(t, err)
		have, err := os.ReadFile(file)
		require.NoError(t, err)
		if string(want) != string(have) {
			t.Error(file + " is not what the source declares: run go generate ./sim/cmd/ksim")
		}
	}
}

func TestDDIs_HaveACommentAndALevel(t *testing.T) {
	for _, i := range ddigen.Parse(ddisTSV) {
		_, ok := ddi.Lookup(i.Name)
		ok = ok || strings.Contains(i.Doc, "IRQL: ")
		assert.True(t, ok, "%s: neither the table nor its comment has an IRQL", i.Name)
		assert.NotEmpty(t, i.Doc, "%s has no comment", i.Name)
	}
}

// What drivers call to add and delete filters is listed although the table of interfaces lacks it.
func TestDDIs_BeyondTheTable(t *testing.T) {
	have := map[string]bool{}
	for _, i := range ddigen.Parse(ddisTSV) {
		have[i.Name] = true
	}
	for _, name := range []string{"FwpmFilterAdd0", "FwpmSubLayerAdd0", "FwpmTransactionCommit0",
		"InterlockedIncrement64"} {
		assert.True(t, have[name], name)
	}
}

func TestRecords_AreUniqueAndKnown(t *testing.T) {
	numbers, names := map[verify.RuleID]bool{}, map[string]bool{}
	for _, r := range subsystems.Rules() {
		assert.NotEmpty(t, r.ID.String())
		assert.False(t, numbers[r.ID], "%s has two records", r.ID)
		assert.False(t, names[r.FullName()], "%s is the name of two rules", r.FullName())
		numbers[r.ID], names[r.FullName()] = true, true
	}
}

func TestFindRule_ByAnyName(t *testing.T) {
	for _, s := range []string{"IRP-001", "irp-001", "irp/DoubleCompletion", "IRP/doublecompletion",
		"DoubleCompletion"} {
		id, rec, err := findRule(s)
		require.NoError(t, err, s)
		assert.Equal(t, verify.IRP_001, id)
		assert.Equal(t, "DoubleCompletion", rec.Name)
	}
}

func TestMain_FaultsOfTheSimulatorAreTold(t *testing.T) {
	old := registry
	defer func() { registry = old }()
	registry = append(registry[:len(registry):len(registry)], func() []sim.Scenario {
		return []sim.Scenario{{Name: "broken", Title: "a fault", Run: func(m *sim.Machine) {
			m.Thread("a.sys", func(*irql.K) { panic("internal error: nobody holds the baton") })
			m.Run()
		}}, {Name: "clean", Title: "nothing", Run: func(*sim.Machine) {}}}
	})
	var stdout, stderr bytes.Buffer
	assert.Equal(t, exitFault, Main([]string{"run", "broken"}, &stdout, &stderr))
	assert.Contains(t, stderr.String(), "internal error: nobody holds the baton")
	assert.Contains(t, stdout.String(), "fault of the simulator")
	assert.Equal(t, exitClean, Main([]string{"run", "clean"}, &stdout, &stderr))
}
