package rulepage

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/subsystems"
)

// Every page is what the tests say and report now. The tests are run once more for it.
func TestPages_AreThoseOfTheTests(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the tests of four packages")
	}
	pages, err := Generate("../..")
	require.NoError(t, err)
	assert.Len(t, pages, len(subsystems.Rules())+1)
	stale, err := Stale("../..", pages)
	require.NoError(t, err)
	assert.Empty(t, stale, "these pages are not up to date: run go generate ./sim/cmd/ksim")
}

func TestStale_FindsEveryDifference(t *testing.T) {
	root := t.TempDir()
	pages := map[string][]byte{"A.md": []byte("a"), "B.md": []byte("b")}
	require.NoError(t, os.MkdirAll(filepath.Join(root, Folder), 0o755))
	require.NoError(t, Write(root, pages))
	stale, err := Stale(root, pages)
	require.NoError(t, err)
	assert.Empty(t, stale)

	stale, err = Stale(root, map[string][]byte{"A.md": []byte("another"), "C.md": nil})
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"A.md", "B.md", "C.md"}, stale)
	require.NoError(t, Write(root, map[string][]byte{"C.md": nil}))
	left, err := filepath.Glob(filepath.Join(root, Folder, "*"))
	require.NoError(t, err)
	assert.Equal(t, []string{filepath.Join(root, Folder, "C.md")}, left)
}

// madeUp is a package of tests with a table and a plain test.
const madeUp = `package p

// cases are the cases.
func cases() []ruleCase {
	used := func() {}
	unused := func() {}
	inner := func() { unused() }
	return []ruleCase{
		{verify.IRP_001, nil, used},
		{verify.IRP_002, nil, func() {
			inner()
		}},
	}
}

// Rule: IRP-001, IRP-002
func TestTable(t *testing.T) { trip(t, cases()) }

// Says what happens.
//
// Rule: IRP-003
// Near miss: IRP-003
func TestPlain(t *testing.T) {
	trips(t, verify.IRP_003, func(l *lab) { helper(l.image).run() })
}

// helper helps. It does more.
func helper(n int) *lab { return nil }

func (l *lab) image() {}

// run runs the lab.
func (l *lab) run() {}

// trips needs the test.
func trips(t *testing.T, rule verify.RuleID, f func(l *lab)) {}
`

func madeUpSuite(t *testing.T, text string) (*suite, error) {
	t.Helper()
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "p"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "p", "a_test.go"), []byte(text), 0o600))
	return readSuite(root, "p")
}

func TestExcerpt_OfATableHasTheOneCase(t *testing.T) {
	s, err := madeUpSuite(t, madeUp)
	require.NoError(t, err)
	e := s.excerptOf(s.trips["IRP-001"][0], "IRP-001")
	assert.Equal(t, "cases", e.decl.name())
	assert.Equal(t, strings.Join([]string{"func cases() []ruleCase {", "    used := func() {}",
		"    return []ruleCase{", "        {verify.IRP_001, nil, used},", "    }", "}"}, "\n"), e.text)
	e = s.excerptOf(s.trips["IRP-002"][0], "IRP-002")
	assert.NotContains(t, e.text, " used :=")
	assert.Contains(t, e.text, "unused :=", "another helper uses it")
}

func TestExcerpt_OfATestHasItsHelpers(t *testing.T) {
	s, err := madeUpSuite(t, madeUp)
	require.NoError(t, err)
	d := s.trips["IRP-003"][0]
	assert.Equal(t, "Says what happens.", d.remarks())
	assert.Equal(t, s.misses["IRP-003"], s.trips["IRP-003"])
	sources, lines := s.helpers(s.excerptOf(d, "IRP-003"))
	assert.Equal(t, []string{"// run runs the lab.\nfunc (l *lab) run() {}",
		"// helper helps. It does more.\nfunc helper(n int) *lab { return nil }"}, sources,
		"image is a field here, no call")
	assert.Equal(t, []string{"`trips` needs the test"}, lines)
}

func TestSuite_RefusesTestsInAnyOrder(t *testing.T) {
	_, err := madeUpSuite(t, "package p\n\n// Rule: IRP-001\nfunc TestX(t *testing.T) {\n"+
		"for range map[string]int{} {\n}\n}\n")
	assert.ErrorContains(t, err, "p/a_test.go: TestX goes through a map")
}

func TestTrimmed_LeavesOutWhatMovesAndWhatIsNoNews(t *testing.T) {
	assert.Equal(t, "a.go: IRP-001\n  drv.sys  f      harness_test.go\n  #3 x a.go\n", trimmed(
		"a.go:12: IRP-001\n  drv.sys  f      harness_test.go:3\n           (*lab).f1   harness_test.go:4\n"+
			"  #3 x a.go:7\nEXPLAIN:        ksim explain IRP-001\n"))
}
