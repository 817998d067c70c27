package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"calloutsim/sim"
	"calloutsim/sim/internal/show"
	"calloutsim/sim/results"
)

// simExt is how the names of replay files end.
const simExt = ".sim"

func newReplay() *cobra.Command {
	f := &runFlags{verb: "replay"}
	c := &cobra.Command{
		Use:   "replay TOKEN|FILE.sim [PKG]",
		Short: "Repeat one run of a built-in scenario, or of a test of a package",
		Long: "replay finds out what the token is of: a built-in scenario, or a test of the package. The\n" +
			"test of a replay file below testdata is found without naming the package. Of either it\n" +
			"prints what ksim run prints of a scenario.",
		Example: "  ksim replay kcs2:…\n" +
			"  ksim replay kcs2:… ./driver\n" +
			"  ksim replay kcs2:… ./driver --inspect '!irpfind' --trace run.jsonl\n" +
			"  ksim replay driver/testdata/sim/TestCancel/5f1c2a77.sim",
		Args: func(_ *cobra.Command, args []string) error {
			switch len(args) {
			case 0:
				return usagef("replay: TOKEN or FILE.sim is missing")
			case 1, 2:
				return nil
			}
			return usagef("replay: one PKG at a time, not also %q", args[2])
		},
		RunE: func(c *cobra.Command, args []string) error {
			r, err := readReplay(args[0])
			if err == nil {
				err = f.checkViews(c)
			}
			if err != nil {
				return err
			}
			if len(args) == 2 {
				r.pkg = args[1]
			}
			for _, s := range scenarios() {
				if r.token.Of(s) {
					f.replay = r.token.String()
					return f.run(c.OutOrStdout(), nil)
				}
			}
			return r.test(c, f)
		},
	}
	f.views(c.Flags())
	return c
}

// replay is a run to repeat.
type replay struct {
	token sim.Token
	name  string // of the test, where a file says it
	pkg   string
}

// readReplay reads a token, or the first lines of a replay file.
func readReplay(arg string) (*replay, error) {
	r := &replay{}
	text := arg
	if strings.HasSuffix(arg, simExt) {
		f, err := os.Open(arg)
		if err != nil {
			return nil, usagef("replay: %v", err)
		}
		defer f.Close()
		in := bufio.NewScanner(f)
		in.Buffer(nil, 1<<20) // a token may be long
		in.Scan()
		text = in.Text()
		for in.Scan() && in.Text() != "" { // the header ends with an empty line
			if name, ok := strings.CutPrefix(in.Text(), "test:"); ok {
				r.name = strings.TrimSpace(name)
			}
		}
		if err := in.Err(); err != nil {
			return nil, usagef("replay: %s: %v", arg, err)
		}
		r.pkg = packageOf(arg)
	}
	t, err := sim.ParseToken(text)
	if err != nil {
		return nil, usagef("replay: %v", err)
	}
	r.token = t
	return r, nil
}

// packageOf gives the directory of the package whose testdata a file is in, "" where it is in none.
func packageOf(file string) string {
	dir := filepath.ToSlash(filepath.Dir(file))
	i := strings.LastIndex("/"+dir+"/", "/testdata/")
	switch {
	case i < 0:
		return ""
	case i == 0:
		return "."
	case filepath.IsAbs(file):
		return dir[:i-1]
	}
	return "./" + dir[:i-1]
}

// test repeats a run of a test, and prints it as a scenario is printed.
func (r *replay) test(c *cobra.Command, f *runFlags) error {
	if r.pkg == "" {
		return usagef("replay: the token is of no built-in scenario; name the package of its test: " +
			"ksim replay TOKEN PKG")
	}
	name := r.name
	if name == "" || !r.token.OfTest(name) {
		var err error
		if name, err = r.find(); err != nil {
			return err
		}
	}
	w := c.OutOrStdout()
	file, err := os.CreateTemp("", "ksim-replay-")
	if err != nil {
		return usagef("replay: %v", err)
	}
	_ = file.Close() // it is empty
	defer os.Remove(file.Name())
	ask := &show.Request{File: file.Name(), Width: f.width, Color: f.color.on(w), Inspect: f.opt.Inspect,
		Trace: f.trace != ""}
	if f.brief {
		ask.Width = 0
	}
	setting, err := ask.Setting()
	if err != nil {
		return err
	}
	run, err := goTestIn([]string{setting}, "-run", results.Pattern(name), r.pkg,
		"-sim.replay="+r.token.String())
	if err != nil {
		return err
	}
	if err := run.mistake("replay", r.pkg); err != nil && run.signal == nil {
		return err
	}
	a := ask.Read()
	if a != nil {
		fmt.Fprintf(w, "%s of %s\n", name, r.pkg)
		printAnswer(w, a)
	}
	run.print(w)
	switch {
	case run.signal != nil:
		return interrupted("replay", run.signal)
	case a != nil && f.trace != "":
		err = f.writeTrace([]byte(a.Trace))
	}
	switch {
	case err != nil:
		return err
	case a != nil && missing("replay", a.Inspected, a.Moment) != nil:
		return missing("replay", a.Inspected, a.Moment)
	case run.failed:
		return &exit{code: exitFindings}
	}
	return nil
}

// printAnswer prints what a test has said about its run.
func printAnswer(w io.Writer, a *show.Answer) {
	fmt.Fprintf(w, "%s\n\n", a.Described)
	if a.Timeline != "" {
		fmt.Fprintf(w, "%s\n", a.Timeline)
	}
	printInspected(w, a.Inspected, a.Moment)
	fmt.Fprintln(w, a.Verdict)
}

// print prints what the tests say, without what go test puts around it.
func (r *goTestRun) print(w io.Writer) {
	for _, t := range r.tests {
		text := strings.TrimLeft(strings.ReplaceAll("\n"+t.text(), "\n    ", "\n"), "\n")
		if text != "" {
			fmt.Fprintf(w, "\n%s\n", strings.TrimRight(text, "\n"))
		}
	}
}

// find looks for the test the token is of: among the tests of the package, then among their subtests, which
// show only when the tests are run.
func (r *replay) find() (string, error) {
	list, err := goTest("-list", ".", r.pkg)
	if err != nil {
		return "", err
	}
	if list.failed {
		return "", list.mistake("replay", r.pkg)
	}
	for name := range strings.FieldsSeq(list.text()) {
		if r.token.OfTest(name) {
			return name, nil
		}
	}
	run, err := goTest(r.pkg, "-sim.runs=1")
	if err != nil {
		return "", err
	}
	if run.signal != nil {
		return "", interrupted("replay", run.signal)
	}
	i := slices.IndexFunc(run.tests, func(t *testRun) bool { return r.token.OfTest(t.name) })
	if i >= 0 {
		return run.tests[i].name, nil
	}
	if err := run.mistake("replay", r.pkg); err != nil {
		return "", err
	}
	return "", usagef("replay: the token is of no test of %s", r.pkg)
}
