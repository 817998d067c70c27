package main

import (
	"bytes"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// raceOutput runs ksim race and gives what it and go print.
func raceOutput(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	needsDetector(t)
	var b bytes.Buffer
	code = Main(append([]string{"race"}, args...), &b, &b)
	return code, b.String()
}

// needsDetector skips a test where there is no race detector.
func needsDetector(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("compiles a test with the race detector")
	}
	// An empty program tells whether go can build for the race detector here.
	probe := exec.Command("go", "build", "-race", "-o", t.TempDir(), "./testdata/empty")
	if text, err := probe.CombinedOutput(); err != nil {
		t.Skipf("no race detector here: %v: %s", err, text)
	}
}

var raceVerdict = regexp.MustCompile(`(?m)^ +--- (PASS|FAIL): Test(Racy|Ordered)/(\S+)`)

func TestRace_ReportsWhatNothingOrdersAndNothingElse(t *testing.T) {
	code, out := raceOutput(t, "./testdata/racy", "--", "-count=1", "-v")
	require.Equal(t, exitFindings, code, out)
	count := map[string]int{}
	for _, m := range raceVerdict.FindAllStringSubmatch(out, -1) {
		count[m[2]+" "+m[1]]++
	}
	assert.Equal(t, map[string]int{"Racy FAIL": 8, "Ordered PASS": 18}, count, out)
	assert.Contains(t, out, "race detected during execution of test")

	// The report has the two places in the driver, and nothing of the simulator but where contexts begin.
	threads := out[strings.Index(out, "=== RUN   TestRacy/raised_level"):]
	report := strings.Split(threads, "==================")[1]
	assert.Contains(t, report, "WARNING: DATA RACE")
	assert.Equal(t, 2, strings.Count(report, "racy.TestRacy.func2.1()"), report)
	for _, r := range strings.Split(out, "==================") {
		if strings.Contains(r, "WARNING: DATA RACE") {
			accesses, _, _ := strings.Cut(r, "Goroutine ")
			assert.NotContains(t, accesses, "calloutsim/internal/", "the simulator's own data")
		}
	}
}

func TestRace_ScenariosAreClean(t *testing.T) {
	code, out := raceOutput(t, ".", "--", "-run=^TestRaceScenarios$", "-count=1")
	assert.Equal(t, exitClean, code, out)
	assert.NotContains(t, out, "no tests to run")
}

func TestRace_RefusesFlagsOfItsOwn(t *testing.T) {
	for flag, want := range map[string]string{
		"-tags=x":     "ksim: race: -tags behind the --: say it before the --, as --tags LIST\n",
		"--gcflags=x": "ksim: race: -gcflags behind the --: ksim race sets it itself\n",
		"-race=false": "ksim: race: -race behind the --: ksim race sets it itself\n",
	} {
		var b bytes.Buffer
		assert.Equal(t, exitUsage, Main([]string{"race", ".", "--", flag}, &b, &b))
		assert.Equal(t, want, b.String())
	}
}

func TestRace_PrintsTheCommand(t *testing.T) {
	var b bytes.Buffer
	args := []string{"race", "-n", "--tags=x", "./testdata/racy", "--", "-run=A|B", "-args", "-tags"}
	require.Equal(t, exitClean, Main(args, &b, &b), b.String())
	assert.Regexp(t, `^go test -race -tags=simraces,x `+
		`'-gcflags=calloutsim/internal/\.\.\.=-race=false -l' .*`+
		`'-gcflags=calloutsim/sim=-race=false -l' .* \./testdata/racy '-run=A\|B' -args -tags\n$`, b.String())
}

func TestRace_PackagesWithoutTheSimulator(t *testing.T) {
	var b bytes.Buffer
	assert.Equal(t, exitUsage, Main([]string{"race", "./testdata/empty"}, &b, &b))
	assert.Equal(t, "ksim: race: ./testdata/empty: no test or driver here imports the simulator\n",
		b.String())
	b.Reset()
	assert.Equal(t, exitUsage, Main([]string{"race", "./nix"}, &b, &b))
	assert.Contains(t, b.String(), "ksim: race: ")
	assert.Contains(t, b.String(), "nix")
}
