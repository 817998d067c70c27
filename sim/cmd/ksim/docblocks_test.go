package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// document is a text with blocks of Go. Those of one document are one package: types and functions of one
// block are known in the next.
type document struct {
	path    string
	imports map[string]string // of qualifiers that mean something else here
	prelude string            // declarations that the text takes for granted
	around  string            // parameters of the function around blocks that are statements
	skip    string            // tests that are compiled only
	fails   []string          // what the tests have to print, since they fail; nil: they pass
}

var documents = []document{
	{path: "README.md", around: "t *testing.T",
		imports: map[string]string{"useafterfree": module + "/docs/examples/use-after-free",
			"scenario": module + "/docs/examples/use-after-free/scenario"},
		fails: []string{"--- FAIL: TestGreedy", "RULE:           UNLOAD-001", "ExAllocatePool2"}},
	{path: "sim/README.md", around: "t *testing.T",
		imports: map[string]string{"my": "docblocks/my"},
		prelude: "func scenario(m *sim.Machine) { m.Load(\"my.sys\", new(my.Driver).DriverEntry) }\n" +
			"var story = scenario\n",
		skip: "CancelRace"}, // its token is made up
	{path: "docs/porting.md", around: "k *irql.K, p *irp.IRP, d *lists, in4 *fwps.FWPS_INCOMING_VALUES0",
		fails: []string{"--- FAIL: TestSum ", "RULE:           LOCK-011", "ok: TestSum_UnloadRace"}},
}

// myDriver is the driver that sim/README.md takes for granted.
const myDriver = `package my

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

type Driver struct{ Done bool }

func (d *Driver) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.DriverUnload = func(*irql.K, *irp.DRIVER_OBJECT) {}
	d.Done = true
	return ntstatus.STATUS_SUCCESS
}
`

// qualifiers are the packages that blocks use without saying where they are.
var qualifiers = map[string]string{"testing": "testing", "time": "time", "netip": "net/netip",
	"assert": "github.com/stretchr/testify/assert", "require": "github.com/stretchr/testify/require",
	"sim": module + "/sim", "irp": module + "/irp", "irql": module + "/irql",
	"ntstatus": module + "/ntstatus", "wsk": module + "/wsk", "ws2def": module + "/wsk/ws2def",
	"fwps": module + "/fwps", "fwpm": module + "/fwps/fwpm"}

var goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```|^\n((?:\t[^\n]*\n)+)")

// Every block of Go in the texts compiles, and the tests among them do what the text says.
func TestDocuments_BlocksCompileAndRun(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o777))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666))
	}
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	write("go.mod", "module docblocks\n\ngo 1.26.0\n\nrequire calloutsim v0.0.0\n\nreplace calloutsim => "+
		""+root+"\n")
	write("go.sum", string(sums))
	write("my/my.go", myDriver)
	for i, d := range documents {
		text, err := os.ReadFile(filepath.Join(root, d.path))
		require.NoError(t, err)
		if d.path == "sim/README.md" {
			text = append(text, docComments(t, root)...)
		}
		write(fmt.Sprintf("doc%d/block_test.go", i), d.file(t, string(text)))
	}
	for i, d := range documents {
		cmd := exec.Command("go", "test", "-mod=mod", "-v", "-vet=off", "-skip="+cmp.Or(d.skip, "^$"),
			fmt.Sprintf("./doc%d", i))
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		said := strings.ReplaceAll(string(out), "--- PASS: ", "ok: ")
		assert.NotContains(t, said, "[build failed]", d.path)
		assert.Contains(t, said, "=== RUN", "no test of %s ran:\n%s", d.path, said)
		if d.fails == nil {
			assert.NoError(t, err, "%s:\n%s", d.path, said)
			continue
		}
		assert.Error(t, err, d.path)
		for _, want := range d.fails {
			assert.Contains(t, said, want, d.path)
		}
	}
}

// docComments gives what comments of the public packages show, one block behind the other as in a text.
func docComments(t *testing.T, root string) (text string) {
	for _, dir := range []string{"ntstatus", "irql", "irp", "wsk", "fwps", "fwps/fwpm", "sim",
		"sim/coverage"} {
		files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		require.NoError(t, err)
		for _, name := range files {
			b, err := os.ReadFile(name)
			require.NoError(t, err)
			for _, block := range commentBlock.FindAllString(string(b), -1) {
				if !strings.HasSuffix(name, "_test.go") {
					text += "\n" + strings.ReplaceAll(strings.TrimPrefix(block, "//\n"), "//\t", "\t") + "\n"
				}
			}
		}
	}
	require.Contains(t, text, "RequireCoverage", "comments have no blocks any more")
	return text
}

var commentBlock = regexp.MustCompile(`(?m)^//\n(//\t.*\n)+`)

// What the README says to type works: the command ends well, or with the findings it is to show.
func TestReadme_CommandsWork(t *testing.T) {
	text, err := os.ReadFile("../../../README.md")
	require.NoError(t, err)
	lines := regexp.MustCompile(`(?m)^go run ./sim/cmd/ksim ([^#\n]*)`).FindAllStringSubmatch(string(text),
		-1)
	require.Greater(t, len(lines), 8)
	for _, m := range lines {
		args := strings.Fields(strings.ReplaceAll(m[1], "'", ""))
		if args[0] == "race" || args[0] == "vet" || args[0] == "new" {
			continue // they run the go command, and have tests of their own
		}
		var stdout, stderr bytes.Buffer
		code := Main(args, &stdout, &stderr)
		assert.LessOrEqual(t, code, exitFindings, "%s: %s", m[1], stderr.String())
		assert.NotEmpty(t, stdout.String(), m[1])
	}
}

// file puts the blocks of a text into one file.
func (d *document) file(t *testing.T, text string) string {
	var body strings.Builder
	body.WriteString(d.prelude)
	n := 0
	for _, m := range goBlock.FindAllStringSubmatch(text, -1) {
		block := m[1]
		if block == "" {
			block = regexp.MustCompile("(?m)^\t").ReplaceAllString(m[2], "")
		}
		code, ok := d.declarations(block, n)
		if !ok && m[1] == "" {
			continue // no Go: commands, or a picture
		}
		require.True(t, ok, "%s: this is not Go:\n%s", d.path, block)
		body.WriteString(code + "\n")
		n++
	}
	require.Positive(t, n, "%s has no blocks of Go", d.path)
	return d.imported(t, body.String())
}

// declarations gives a block as it is, if it is made of declarations, or with a function around it.
func (d *document) declarations(block string, n int) (string, bool) {
	fset := token.NewFileSet()
	if _, err := parser.ParseFile(fset, "", "package p\n"+block, 0); err == nil {
		return block, true
	}
	wrapped := fmt.Sprintf("func _(%s) {\n%s", d.around, block)
	f, err := parser.ParseFile(fset, "", "package p\n"+wrapped+"\n}", 0)
	if err != nil {
		return "", false
	}
	fn := f.Decls[0].(*ast.FuncDecl)
	for _, s := range fn.Body.List { // what a text declares it need not use
		if a, ok := s.(*ast.AssignStmt); ok && a.Tok == token.DEFINE {
			for _, e := range a.Lhs {
				wrapped += "\n_ = " + e.(*ast.Ident).Name
			}
		}
	}
	return wrapped + "\n}", true
}

// imported adds the imports that code needs.
func (d *document) imported(t *testing.T, code string) string {
	f, err := parser.ParseFile(token.NewFileSet(), "", "package block\n"+code, 0)
	require.NoError(t, err, d.path)
	paths := maps.Clone(qualifiers)
	maps.Copy(paths, d.imports)
	used := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := s.X.(*ast.Ident); ok && paths[id.Name] != "" {
				used[id.Name] = paths[id.Name]
			}
		}
		return true
	})
	text := "package block\n\n"
	for _, name := range slices.Sorted(maps.Keys(used)) {
		text += fmt.Sprintf("import %s %q\n", name, used[name])
	}
	b, err := format.Source([]byte(text + code))
	require.NoError(t, err)
	return string(b)
}
