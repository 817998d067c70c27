package sim

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"calloutsim/internal/ke"
	"calloutsim/sim/results"
)

// keptDir is where the failing runs of a test are kept, in the folder of its package.
const keptDir = "testdata/sim"

// testFolder is the folder of the package of a test, wherever the test goes.
var testFolder, _ = os.Getwd()

// dirOf is the folder of the kept runs of a test, as a report names it. Subtests have folders below that of
// their test.
func dirOf(test string) string {
	safe := func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9',
			strings.ContainsRune("_-+=,/", r):
			return r
		}
		return '_'
	}
	return keptDir + "/" + strings.Map(safe, test)
}

// keptName is the file a run is kept in.
func keptName(test string, t *Token) string {
	return fmt.Sprintf("%s/%08x%s", dirOf(test), t.Trace>>32, fileSuffix)
}

func inTestFolder(name string) string { return filepath.Join(testFolder, filepath.FromSlash(name)) }

// keptRuns reads the kept runs of one machine of a test, in order of their names. What cannot be read is told
// in the problems.
func keptRuns(test string, scenario uint32) (runs []Token, problems []string) {
	dir := dirOf(test)
	entries, err := os.ReadDir(inTestFolder(dir))
	if err != nil {
		return nil, nil // none are kept
	}
	for _, f := range entries {
		if f.IsDir() || !strings.HasSuffix(f.Name(), fileSuffix) {
			continue
		}
		name := dir + "/" + f.Name()
		t, err := ReadReplayFile(inTestFolder(name))
		if err != nil {
			problems = append(problems, strings.ReplaceAll(err.Error(), inTestFolder(name), name))
			continue
		}
		if t.story.name = name; t.Scenario == scenario {
			runs = append(runs, t)
		}
	}
	return runs, problems
}

// withStory adds the choices in words to a token, if the run it repeats was kept.
func (t *Token) withStory(test string) {
	if t == nil || t.story != nil {
		return
	}
	runs, _ := keptRuns(test, t.Scenario)
	i := slices.IndexFunc(runs, func(k Token) bool { return k.String() == t.String() })
	if i >= 0 {
		t.story = runs[i].story
	}
}

// saves reports whether failing runs are to be written.
func saves(o *Options) bool {
	var off bool
	return boolSetting("nosave", &off) == nil && !off && !o.Collect
}

// keep writes a run to the folder of kept runs and gives the file's name.
func keep(test string, t *Token, tell *teller, choices []ke.Choice, header []string) (string, error) {
	name := keptName(test, t)
	if err := os.MkdirAll(inTestFolder(dirOf(test)), 0o755); err != nil {
		return "", err
	}
	return name, os.WriteFile(inTestFolder(name), []byte(simFile(t, tell, choices, header)), 0o644)
}

// stale words that a kept run goes another way by now. It is said by failing the test, since go test shows
// nothing else of a package that passes: a run that repeats nothing would be green for nothing.
func stale(difference string) string {
	return "sim: the kept run is stale: " + strings.TrimRight(difference, "\n") +
		"\nIt tests nothing any more: delete the file"
}

// afterKept makes the exploration that follows on the kept runs, unless one of them ended it. What fails like
// a kept run is not told again.
func (e *explorer) afterKept(kept []Failure) Result {
	e.tb.Helper()
	if len(kept) > 0 && !e.o.KeepGoing {
		r := Result{Strategy: e.o.Strategy, Failures: kept}
		if err := e.book.noRuns(); err != nil {
			e.tb.Errorf("sim.Explore: the results are not kept: %v", err)
		}
		return r
	}
	interrupts.enter()
	r := e.explore()
	if sig, last := interrupts.leave(); sig != nil {
		e.interrupted(&r, sig, last)
	}
	r.Failures = slices.DeleteFunc(r.Failures, func(f Failure) bool {
		return slices.ContainsFunc(kept, func(k Failure) bool { return k.signature == f.signature })
	})
	r.Failures = slices.Concat(kept, r.Failures)
	return r
}

// repeatKeptOf repeats the runs that are kept for a machine that a test drives itself, each in a process of
// its own: the test is the only one who can make them.
func repeatKeptOf(t testing.TB, scenario uint32) {
	t.Helper()
	if _, ok := setting("replay"); ok || shrinking() != nil || !strings.HasPrefix(t.Name(), "Test") {
		return
	}
	runs, problems := keptRuns(t.Name(), scenario)
	for _, p := range problems {
		t.Errorf("sim: kept run left out: %s", p)
	}
	for i := range runs {
		name := runs[i].story.name
		child := exec.Command(os.Args[0], append(passedOn(), "-test.run="+results.Pattern(t.Name()),
			"-sim.replay="+inTestFolder(name))...)
		child.Dir = testFolder
		out, err := child.CombinedOutput()
		text := strings.TrimSpace(string(out))
		switch at := strings.Index(text, changed); {
		case err == nil:
		case at >= 0:
			text, _, _ = strings.Cut(text[at:], "--- FAIL")
			t.Errorf("%s", stale(strings.ReplaceAll(text, inTestFolder(name), name)))
		default:
			t.Errorf("the run kept in %s still fails:\n%s", name, text)
			t.FailNow()
		}
	}
}

// keepFailed writes the run of a machine that a test drives itself, made simpler if the test fails by a
// finding. The boring run is not written: every plain run of the test makes it.
func (m *Machine) keepFailed() {
	if !m.keeps || m.kept != "" || len(m.ke.Deviations()) == 0 {
		return
	}
	t := m.Token()
	if name, words := m.shrinkByTest(&t); name != "" {
		m.kept, m.simpler = name, words
		return
	}
	header := []string{"test: " + m.name, "run: " + fmt.Sprint(m.opt.Seed), "options: " + m.opt.conditions(),
		"failed: " + m.headline()}
	name, err := keep(m.tb.Name(), &t, m.teller, m.ke.Choices(), header)
	if err != nil {
		m.tb.Logf("sim: the run is not kept: %v", err)
		return
	}
	m.kept = name
}
