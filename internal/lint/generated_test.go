package lint

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tables are the packages with files that their gen.go makes of tables. internal/verify compares its own with
// the texts (TestTables_AreThoseOfTheTexts), sim/cmd/ksim its lists and pages with the sources.
var tables = []string{"internal/ddi", "ntstatus", "fwps", "wsk"}

// Generated files are what their generators make of the tables as they are.
func TestGenerated_IsFresh(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the generators")
	}
	for _, pkg := range tables {
		t.Run(pkg, func(t *testing.T) {
			t.Parallel()
			for _, p := range staleFiles(t, "../..", pkg) {
				t.Errorf("%s is not what its tables say: run go generate ./%s", p, pkg)
			}
		})
	}
}

// staleFiles runs gen.go of a package on a copy of the package and gives the files that came out different.
func staleFiles(t *testing.T, root, pkg string) (stale []string) {
	t.Helper()
	copied := t.TempDir()
	root, err := filepath.Abs(root)
	require.NoError(t, err)
	require.NoError(t, os.Symlink(filepath.Join(root, "docs"), filepath.Join(copied, "docs")))
	at := filepath.Join(root, filepath.FromSlash(pkg))
	files := func(dir string, do func(name string)) {
		require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			name, err := filepath.Rel(dir, path)
			do(name)
			return err
		}))
	}
	to := filepath.Join(copied, filepath.FromSlash(pkg))
	files(at, func(name string) { // folders for what is generated, links to the tables
		if strings.HasPrefix(name, "testdata/fuzz") || strings.HasSuffix(name, "_test.go") {
			return
		}
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755))
		if strings.HasSuffix(name, ".tsv") {
			require.NoError(t, os.Symlink(filepath.Join(at, name), filepath.Join(to, name)))
		}
	})
	cmd := exec.Command("go", "run", filepath.Join(at, "gen.go"))
	cmd.Dir = to
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	made := 0
	files(to, func(name string) {
		if !strings.HasSuffix(name, ".go") {
			return
		}
		made++
		fresh, err := os.ReadFile(filepath.Join(to, name))
		require.NoError(t, err)
		if have, _ := os.ReadFile(filepath.Join(at, name)); string(have) != string(fresh) {
			stale = append(stale, pkg+"/"+filepath.ToSlash(name))
		}
	})
	assert.NotZero(t, made, "nothing was generated")
	return stale
}

// A table that was changed alone is noticed.
func TestGenerated_NoticesAChange(t *testing.T) {
	root := t.TempDir()
	pkg := filepath.Join(root, "p")
	require.NoError(t, os.MkdirAll(filepath.Join(root, "docs"), 0o755))
	require.NoError(t, os.MkdirAll(pkg, 0o755))
	for name, text := range map[string]string{
		"gen.go": "package main\n\nimport \"os\"\n\nfunc main() {\n\tb, _ := os.ReadFile(\"t.tsv\")\n" +
			"\t_ = os.WriteFile(\"t_table.go\", b, 0o644)\n}\n",
		"t.tsv": "new", "t_table.go": "old"} {
		require.NoError(t, os.WriteFile(filepath.Join(pkg, name), []byte(text), 0o644))
	}
	assert.Equal(t, []string{"p/t_table.go"}, staleFiles(t, root, "p"))
	require.NoError(t, os.WriteFile(filepath.Join(pkg, "t_table.go"), []byte("new"), 0o644))
	assert.Empty(t, staleFiles(t, root, "p"))
}
