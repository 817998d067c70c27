// Command ksim runs, explores and repeats built-in scenarios and tests, puts the results of explorations
// together, replays recorded vectors, and prints what the simulator knows: its rules, and the driver
// interfaces it models.
//
// Exit codes: 0 clean, 1 findings that fail a test, 2 usage, 3 a fault of the simulator itself.
package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The exit codes.
const (
	exitClean    = 0
	exitFindings = 1
	exitUsage    = 2
	exitFault    = 3
)

// exit is an error that says how the command ends. An empty text prints nothing.
type exit struct {
	code int
	text string
}

// Error gives what is printed.
func (e *exit) Error() string { return e.text }

func usagef(format string, args ...any) error { return &exit{exitUsage, fmt.Sprintf(format, args...)} }

func main() {
	if isVetTool(os.Args[1:]) {
		vetTool()
	}
	os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr))
}

// Main is the command without the process around it.
func Main(args []string, stdout, stderr io.Writer) (code int) {
	out := &spill{to: stdout, err: stderr}
	defer func() {
		if v := recover(); v != nil {
			fmt.Fprintf(stderr, "ksim: %v\n", v)
			code = exitFault
		}
		if out.fault != nil && code <= exitFindings {
			fmt.Fprintf(stderr, "ksim: what comes last is not on standard output: %v\n", out.fault)
			code = exitUsage
		}
	}()
	root := newRoot()
	root.PersistentPreRun = func(c *cobra.Command, _ []string) { outlivePipe(c.Name()) }
	root.SetArgs(longFlags(root, args))
	if n := terminalWidth(fileOf(stdout)); n > 0 {
		w := &wrapper{to: stdout, width: n}
		defer w.Flush()
		out.wrapped = w
	}
	root.SetOut(out)
	if root.SetErr(stderr); stdout == stderr {
		root.SetErr(out) // one writer, or a command that is run would write to it from two sides
	}
	err := root.Execute()
	if err == nil {
		return exitClean
	}
	code = exitUsage
	var e *exit
	if errors.As(err, &e) {
		code = e.code
	}
	if err.Error() != "" {
		fmt.Fprintf(stderr, "ksim: %v\n", err)
	}
	return code
}

// newRoot puts the verbs together.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "ksim",
		Short: "Simulated Windows kernel for IRP, WSK and WFP callout drivers",
		Long: "ksim runs drivers written in Go against a simulated I/O manager, Winsock Kernel and filter\n" +
			"engine, checks every rule on the way, and explains what was broken.\n\n" +
			"Exit status: 0 clean, 1 findings, 2 a mistake in the command line or in a file,\n" +
			"3 a fault of the simulator itself.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version(),
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("there is no command %q%s; ksim --help lists them", args[0],
					didYouMean(args[0], commandNames(c)))
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(newHelp(root))
	root.AddCommand(newRun(), newExplore(), newMerge(), newReplay(), newRace(), newVet(), newNew(),
		newWFP())
	root.SetVersionTemplate("ksim {{.Version}}\n")
	root.AddCommand(newConform(), newRules(), newExplain(), newSites(), newDDI())
	addCompletion(root)
	return root
}

// newHelp is the help command of cobra, but for a name that is none.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about a command",
		Args:  atMostOne("COMMAND"),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return root.Help()
			}
			for _, c := range root.Commands() {
				if c.Name() == args[0] {
					return c.Help()
				}
			}
			return usagef("help: there is no command %q%s; ksim --help lists them", args[0],
				didYouMean(args[0], commandNames(root)))
		},
	}
}

// commandNames lists the verbs.
func commandNames(root *cobra.Command) (names []string) {
	for _, c := range root.Commands() {
		names = append(names, c.Name())
	}
	return names
}

// version says which simulator this is: that of the module, and of what it was built with.
func version() string {
	v := "(devel)"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Path == module && info.Main.Version != "" {
		v = info.Main.Version
	}
	for _, d := range info.Deps {
		if d.Path == module {
			v = d.Version
		}
	}
	return v + " " + info.GoVersion
}

// flagValues says in words what flags of a type take.
var flagValues = map[string]string{"uint64": "a number from 0 to 2^64-1", "int": "a number",
	"bool": "true or false", "colours": "auto, always or never", "duration": "a time such as 90s or 10m"}

// flagError words a mistake in a flag: the verb, the flag, what is wrong.
func flagError(c *cobra.Command, err error) error {
	where := ""
	if c.HasParent() {
		where = c.Name() + ": "
	}
	var value *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &value):
		return usagef("%s--%s %s: it takes %s", where, value.GetFlag().Name, value.GetValue(),
			cmp.Or(flagValues[value.GetFlag().Value.Type()], "something else"))
	case errors.As(err, &unknown):
		return usagef("%s%v%s; %s --help lists them", where, err,
			didYouMean(unknown.GetSpecifiedName(), flagNames(c)), c.CommandPath())
	}
	return usagef("%s%v", where, err)
}

// longFlags lets long flags be written with one dash, as Go's own commands take them: -seed is --seed.
func longFlags(root *cobra.Command, args []string) []string {
	known := map[string]bool{"help": true, "version": true}
	for _, c := range root.Commands() {
		for _, name := range flagNames(c) {
			known[name] = true
		}
	}
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = a
		if a == "--" {
			copy(out[i:], args[i:])
			break
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(a, "-"), "=")
		if strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "--") && known[name] {
			out[i] = "-" + a
		}
	}
	return out
}

// oneArg checks that a verb has exactly one argument, and says what is missing.
func oneArg(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return usagef("%s: %s is missing", c.Name(), what)
		case 1:
			return nil
		}
		return usagef("%s: one %s at a time, not also %q", c.Name(), what, args[1])
	}
}

// atMostOne checks that a verb has no or one argument.
func atMostOne(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usagef("%s: one %s at a time, not also %q", c.Name(), what, args[1])
		}
		return nil
	}
}
