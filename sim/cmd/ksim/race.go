package main

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// raceTag selects the hand-off between contexts that Go's race detector does not see.
const raceTag = "simraces"

// uninstrumented are the packages of the simulator's module that are compiled without the race detector and
// without inlining, so that no code of theirs is compiled as part of a driver. One context runs at a time,
// so they have no locks that the detector could see.
var uninstrumented = []string{"internal/...", "ntstatus", "irql/...", "irp/...", "wsk/...", "fwps/...", "sim",
	"sim/report/...", "sim/trace/...", "sim/simtest/..."}

// ownFlags are flags of go test that ksim race sets itself.
var ownFlags = []string{"race", "tags", "gcflags"}

// raceFlags are those of ksim race.
type raceFlags struct {
	tags  string
	print bool
}

func newRace() *cobra.Command {
	f := &raceFlags{}
	c := &cobra.Command{
		Use:   "race [PACKAGES] [-- FLAGS]",
		Short: "Run Go tests with Go's race detector on the drivers",
		Long: "race runs go test so that Go's own race detector takes every simulated context for a\n" +
			"goroutine of its own: it reports accesses to the ordinary fields and variables of a driver\n" +
			"that neither a lock, nor an event, nor anything else of the kernel orders. What follows --\n" +
			"goes to go test.",
		Example: "  ksim race\n" +
			"  ksim race ./...\n" +
			"  ksim race ./mydriver -- -run Unload -sim.runs=300",
		RunE: func(c *cobra.Command, args []string) error {
			packages, flags := args, []string(nil)
			if n := c.ArgsLenAtDash(); n >= 0 {
				packages, flags = args[:n], args[n:]
			}
			return f.run(c.OutOrStdout(), c.ErrOrStderr(), packages, flags)
		},
	}
	c.Flags().StringVar(&f.tags, "tags", "", "build tags, separated by commas")
	c.Flags().BoolVarP(&f.print, "print", "n", false, "print the go command instead of running it")
	return c
}

func (f *raceFlags) run(stdout, stderr io.Writer, packages, flags []string) error {
	for _, a := range flags {
		name, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if a != name && slices.Contains(ownFlags, name) {
			hint := "ksim race sets it itself"
			if name == "tags" {
				hint = "say it before the --, as --tags LIST"
			}
			return usagef("race: -%s behind the --: %s", name, hint)
		}
		if a == "-args" || a == "--args" {
			break
		}
	}
	if len(packages) == 0 {
		packages = []string{"."}
	}
	tags := raceTag
	if f.tags != "" {
		tags += "," + f.tags
	}
	module, err := simulatorModule(tags, packages)
	if err != nil {
		return err
	}
	args := goTestRace(module, tags, packages, flags)
	if f.print {
		fmt.Fprintln(stdout, shellLine(args))
		return nil
	}
	out := &quietly{to: stdout}
	cmd := exec.Command("go", args...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if !printsAtOnce(flags) {
		cmd = exec.Command("go", slices.Insert(args, 1, "-json")...)
		cmd.Stdout, cmd.Stderr = out, stderr
	}
	sig, err := runGo(cmd)
	out.end()
	if sig != nil {
		return interrupted("race", sig)
	}
	return goEnded(err)
}

// printsAtOnce reports whether go test is told to print things as they come.
func printsAtOnce(flags []string) bool {
	return slices.ContainsFunc(flags, func(a string) bool {
		switch name, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "="); name {
		case "v", "test.v", "json", "bench", "c", "n", "x", "list", "fuzz":
			return true
		}
		return false
	})
}

// goTestRace gives the arguments of go.
func goTestRace(module, tags string, packages, flags []string) []string {
	args := []string{"test", "-race", "-tags=" + tags}
	for _, p := range uninstrumented {
		args = append(args, "-gcflags="+module+"/"+p+"=-race=false -l")
	}
	return append(append(args, packages...), flags...)
}

// simulatorModule finds the module of the simulator among what the packages and their tests import.
func simulatorModule(tags string, packages []string) (string, error) {
	cmd := exec.Command("go", append([]string{"list", "-deps", "-test", "-tags=" + tags, "-f",
		"{{with .Module}}{{$.ImportPath}} {{.Path}}{{end}}"}, packages...)...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		if complaint.Len() == 0 {
			return "", usagef("race: go list: %v", err)
		}
		return "", usagef("race: %s", strings.TrimSpace(complaint.String()))
	}
	for l := range strings.Lines(string(out)) {
		path, module, _ := strings.Cut(strings.TrimSpace(l), " ")
		if module != "" && path == module+"/internal/ke" {
			return module, nil
		}
	}
	return "", usagef("race: %s: no test or driver here imports the simulator", strings.Join(packages, " "))
}

// goEnded turns the end of go test into one of this command. What there is to say go has said.
func goEnded(err error) error {
	var status *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &status) && status.ExitCode() == 1:
		return &exit{code: exitFindings}
	case errors.As(err, &status):
		return &exit{code: exitUsage}
	}
	return usagef("race: %v", err)
}

// shellLine quotes what a shell would take apart.
func shellLine(args []string) string {
	s := "go"
	for _, a := range args {
		if strings.ContainsAny(a, " '\"\\$*?()|&;<>") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		s += " " + a
	}
	return s
}
