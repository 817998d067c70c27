package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"calloutsim/sim/cmd/ksim/template"
)

func newNew() *cobra.Command {
	var flavour string
	c := &cobra.Command{
		Use:   "new DIR",
		Short: "Make a driver with tests to start from",
		Long: "new makes a package in the folder DIR: a driver with a device, control codes and an\n" +
			"unload routine, programs that use it, tests that explore schedules, a README and a\n" +
			"workflow for CI. Where there is no module, it makes one; a module that does not know the\n" +
			"simulator learns where it is.\n\n" + flavourList(),
		Example: "  ksim new mydriver\n" +
			"  ksim new drivers/filter --flavour callout",
		Args: oneArg("DIR"),
		RunE: func(c *cobra.Command, args []string) error {
			n, err := newProject(args[0], flavour)
			if err != nil {
				return err
			}
			return n.make(c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&flavour, "flavour", template.Flavours[0].Name, "what kind of driver")
	return c
}

func flavourList() string {
	var b strings.Builder
	b.WriteString("Flavours:\n")
	for _, f := range template.Flavours {
		fmt.Fprintf(&b, "  %-8s %s\n", f.Name, f.Title)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// project is a driver that is to be made.
type project struct {
	arg       string // as it was said
	dir       string // absolute
	name      string // of package and driver
	flavour   template.Flavour
	root      string // of the module, absolute
	fresh     bool   // the module is to be made, too
	simulator string // folder of the simulator's module
	files     map[string]string
}

// newProject looks at what there is, and changes nothing.
func newProject(arg, flavour string) (*project, error) {
	n := &project{arg: arg}
	i := slices.IndexFunc(template.Flavours, func(f template.Flavour) bool { return f.Name == flavour })
	if i < 0 {
		return nil, usagef("new: there is no flavour %q; there are wdm, wsk and callout", flavour)
	}
	n.flavour = template.Flavours[i]
	var err error
	if n.dir, err = filepath.Abs(arg); err != nil {
		return nil, usagef("new: %v", err)
	}
	if n.name, err = packageName(filepath.Base(n.dir)); err != nil {
		return nil, err
	}
	above := n.dir
	for !isDir(above) {
		if _, err := os.Lstat(above); err == nil {
			return nil, usagef("new: %s is a file", above)
		}
		above = filepath.Dir(above)
	}
	mod, err := goSays(above, "env", "GOMOD")
	if err != nil {
		return nil, usagef("new: the go command is needed: %v", err)
	}
	n.root = filepath.Dir(mod)
	if mod == "" || mod == os.DevNull {
		n.root, n.fresh = n.dir, true
	}
	if n.simulator = simulatorDir(above); n.simulator == "" {
		return nil, usagef("new: the source of the simulator cannot be found from here: run ksim in its " +
			"folder, or in a module that requires it")
	}
	n.write()
	for name := range n.files {
		if _, err := os.Lstat(name); err == nil {
			return nil, usagef("new: %s is there already", name)
		}
	}
	return n, nil
}

// packageName makes the name of a folder that of a package.
func packageName(dir string) (string, error) {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(dir))
	taken := []string{"", "main", "testing", "sim", "ntstatus", "irql", "irp", "wsk", "ws2def", "fwps",
		"fwpm"}
	if slices.Contains(taken, name) || !token.IsIdentifier(name) {
		return "", usagef("new: the folder %q gives no name for a driver: letters and digits, a letter "+
			"first, and not one of the simulator's packages", dir)
	}
	return name, nil
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// simulatorDir finds the source of the simulator: what the module of a folder requires, what the current
// module is or requires, or where this command was compiled.
func simulatorDir(folder string) string {
	for _, dir := range []string{folder, "."} {
		if s, err := goSays(dir, "list", "-m", "-f", "{{.Dir}}", module); err == nil && s != "" {
			return s
		}
	}
	if _, file, _, ok := runtime.Caller(0); ok {
		dir := filepath.Join(filepath.Dir(file), "..", "..", "..")
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	return ""
}

// write fills in the templates.
func (n *project) write() {
	n.files = map[string]string{}
	rel, err := filepath.Rel(n.root, n.dir)
	pkg := "./" + filepath.ToSlash(rel)
	if err != nil || rel == "." {
		pkg = "."
	}
	simulator := n.simulator
	if r, err := filepath.Rel(n.dir, simulator); err == nil && !filepath.IsAbs(n.replaced()) {
		simulator = r
	}
	ci := filepath.Join(n.root, ".github", "workflows", n.name+".yml")
	ciShown, err := filepath.Rel(n.dir, ci)
	if err != nil {
		ciShown = ci
	}
	b := n.flavour.Break
	dedent := strings.NewReplacer("\n\t", "\n")
	words := strings.NewReplacer("NAME", n.name, "TITLE", n.flavour.Title, "PACKAGE", pkg,
		"SIMULATOR", filepath.ToSlash(simulator), "CIFILE", filepath.ToSlash(ciShown),
		"BREAKFILE", b.File, "BREAKOLD", dedent.Replace(strings.TrimSpace(b.Old)),
		"BREAKNEW", dedent.Replace(strings.TrimSpace(b.New)), "BREAKWHY", b.Why)
	n.files[filepath.Join(n.dir, "README.md")] = words.Replace(text("README.md"))
	n.files[ci] = words.Replace(text("ci.yml"))
	names, err := fs.Glob(template.Files, n.flavour.Name+"/*.go")
	if err != nil {
		panic("internal error: " + err.Error())
	}
	for _, name := range names {
		n.files[filepath.Join(n.dir, path.Base(name))] = n.rename(text(name))
	}
}

func text(name string) string {
	b, err := template.Files.ReadFile(name)
	if err != nil {
		panic("internal error: " + err.Error())
	}
	return string(b)
}

// rename gives a file of a template the driver's name, and keys of its own.
func (n *project) rename(s string) string {
	sum := sha256.Sum256([]byte(n.root + n.name))
	return strings.NewReplacer("package "+n.flavour.Name, "package "+n.name,
		"Package "+n.flavour.Name, "Package "+n.name,
		"template", n.name, "Template", strings.ToUpper(n.name[:1])+n.name[1:],
		"Data1: 0x6f1c7d20", fmt.Sprintf("Data1: 0x%x", sum[:4]),
		"Data2: 0x3b1a", fmt.Sprintf("Data2: 0x%x", sum[4:6]),
		". Make your own with uuidgen.", ".").Replace(s)
}

// replaced is where go.mod is to say that the simulator is.
func (n *project) replaced() string {
	if rel, err := filepath.Rel(n.root, n.simulator); err == nil && strings.Count(rel, "..") <= 2 {
		return "./" + rel
	}
	return n.simulator
}

// make writes the files and introduces the module to the simulator.
func (n *project) make(stdout, stderr io.Writer) error {
	for _, name := range slices.Sorted(maps.Keys(n.files)) {
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return usagef("new: %v", err)
		}
		if err := os.WriteFile(name, []byte(n.files[name]), 0o666); err != nil {
			return usagef("new: %v", err)
		}
		fmt.Fprintln(stdout, "made", shorter(name))
	}
	if err := n.requires(stdout); err != nil {
		return err
	}
	tool := module + "/sim/cmd/ksim"
	if out, err := goSays(n.root, "get", "-tool", tool); err != nil {
		fmt.Fprintf(stderr, "ksim: new: go get -tool %s failed; do it for go tool ksim: %s\n", tool, out)
	}
	fmt.Fprintf(stdout, "\nNow:\n  cd %s\n  go test .\nand then README.md there.\n", shorter(n.dir))
	return nil
}

// requires tells go.mod of the simulator, if it does not know.
func (n *project) requires(stdout io.Writer) error {
	mod := filepath.Join(n.root, "go.mod")
	if n.fresh {
		text := fmt.Sprintf("module %s\n\ngo 1.26.0\n", n.name)
		if err := os.WriteFile(mod, []byte(text), 0o666); err != nil {
			return usagef("new: %v", err)
		}
		fmt.Fprintln(stdout, "made", shorter(mod))
	} else if _, err := goSays(n.root, "list", "-m", module); err == nil {
		return nil
	}
	if out, err := goSays(n.root, "mod", "edit", "-require="+module+"@v0.0.0",
		"-replace="+module+"="+n.replaced()); err != nil {
		return usagef("new: go mod edit: %s", out)
	}
	fmt.Fprintf(stdout, "added to %s: require %s, and a replace that says where it is\n", shorter(mod),
		module)
	sums := filepath.Join(n.root, "go.sum")
	if _, err := os.Lstat(sums); errors.Is(err, fs.ErrNotExist) { // what is checked there need not be fetched
		if b, err := os.ReadFile(filepath.Join(n.simulator, "go.sum")); err == nil {
			if err := os.WriteFile(sums, b, 0o666); err != nil {
				return usagef("new: %v", err)
			}
		}
	}
	return nil
}

// shorter is a path as seen from here, if that is shorter.
func shorter(name string) string {
	wd, err := os.Getwd()
	if err != nil {
		return name
	}
	if rel, err := filepath.Rel(wd, name); err == nil && len(rel) < len(name) {
		return rel
	}
	return name
}
