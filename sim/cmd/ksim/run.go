package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"calloutsim/internal/subsystems"
	"calloutsim/sim"
	"calloutsim/sim/internal/show"
	simtrace "calloutsim/sim/trace"
)

// runFlags are those of ksim run.
type runFlags struct {
	verb   string // run or replay
	opt    sim.RunOptions
	replay string
	fix    []string
	width  int
	trace  string
	save   string
	brief  bool
	cover  bool
	color  colours
	json   *bool
}

func newRun() *cobra.Command {
	f := &runFlags{verb: "run"}
	c := &cobra.Command{
		Use:   "run [SCENARIO]",
		Short: "Run a built-in scenario; without a name list them",
		Example: "  ksim run\n" +
			"  ksim run hello-dpc\n" +
			"  ksim run hello-dpc --seed 7\n" +
			"  ksim run hello-dpc-wait --inspect '!irql' --inspect '!devobj dev#1'\n" +
			"  ksim run --replay kcs2:…",
		Args: atMostOne("scenario"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(c, args); err != nil {
				return err
			}
			if !c.Flags().Changed("seed") {
				f.opt.Seed = 0 // the boring run, or one that breaks a rule where only some do
			}
			return f.run(c.OutOrStdout(), args)
		},
	}
	fs := c.Flags()
	fs.Uint64Var(&f.opt.Seed, "seed", 1, "number of the run; 1 is the boring one")
	fs.Uint64Var(&f.opt.Master, "master", 0, "master seed: other runs under the same numbers")
	fs.IntVar(&f.opt.Processors, "processors", 0, "number of processors (2)")
	fs.BoolVar(&f.opt.Notes, "notes", false, "report notes as well")
	fs.StringVar(&f.opt.FailOn, "failon", "", "the mildest severity that fails: error, warning or note")
	fs.BoolVar(&f.opt.Continue, "continue", false, "go on after violations as Windows does")
	fs.BoolVar(&f.opt.SpecialPool, "special-pool", false, "every pool block on pages of its own")
	fs.BoolVar(&f.opt.Races, "races", false, "report accesses to memory that nothing orders")
	fs.BoolVar(&f.opt.TimersRace, "timers-race", false, "timers may expire although somebody can run")
	fs.BoolVar(&f.opt.ForcePending, "force-pending", false,
		"IoCallDriver may return STATUS_PENDING although the request ends as usual")
	f.views(fs)
	fs.StringArrayVar(&f.fix, "fix", nil, fixHelp)
	fs.StringVar(&f.replay, "replay", "", "repeat the run of a token or of a .sim file")
	fs.StringVar(&f.save, "save", "", "write the run to this .sim file, for --replay")
	fs.BoolVar(&f.cover, "coverage", false, "print which outcomes of the DDIs in use came up")
	f.json = c.Flags().Bool("json", false, "print the list of scenarios as JSON")
	return c
}

// views are the flags about what is shown of a run.
func (f *runFlags) views(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.opt.Inspect, "inspect", nil,
		"print the state at the first violation or the end as the debugger would: '!irpfind'; repeatable")
	fs.IntVar(&f.width, "width", 0, "columns of the timeline (COLUMNS of the environment, "+
		"else the terminal's, else 120)")
	fs.StringVar(&f.trace, "trace", "", "write the events to this file, as JSON lines")
	fs.BoolVar(&f.brief, "brief", false, "no timeline")
	f.color = colorAuto
	fs.Var(&f.color, "color", "colours: auto (on a terminal), always or never")
}

// checkViews refuses values that make no sense.
func (f *runFlags) checkViews(c *cobra.Command) error {
	if !c.Flags().Changed("width") {
		f.width = columns(c.OutOrStdout())
	}
	if f.width < minWidth {
		return usagef("%s: --width %d: a timeline needs %d columns", f.verb, f.width, minWidth)
	}
	for _, command := range f.opt.Inspect {
		if _, err := subsystems.ParseInspection(command); err != nil {
			return usagef("%s: --inspect: %v", f.verb, err)
		}
	}
	if f.trace != "" { // a file that cannot be written is told before the run
		if err := writable(f.trace); err != nil {
			return usagef("%s: --trace: %v", f.verb, err)
		}
	}
	return nil
}

// check refuses flags that would do nothing, and values that make no sense.
func (f *runFlags) check(c *cobra.Command, args []string) error {
	given := func(names ...string) string {
		for _, n := range names {
			if c.Flags().Changed(n) {
				return n
			}
		}
		return ""
	}
	list := len(args) == 0 && !c.Flags().Changed("replay")
	others := slices.DeleteFunc(flagNames(c), func(n string) bool { return n == "json" || n == "help" })
	switch n := given("seed", "master", "processors", "continue", "timers-race", "force-pending"); {
	case list && given(others...) != "":
		return usagef("run: --%s needs a SCENARIO (ksim run lists them)", given(others...))
	case !list && *f.json:
		return usagef("run: --json is for the list of scenarios; --trace FILE writes the events of a run")
	case c.Flags().Changed("replay") && n != "":
		return usagef("run: --%s cannot go with --replay: the token says it", n)
	case c.Flags().Changed("replay") && f.replay == "":
		return usagef("run: --replay: the token is missing")
	case f.opt.Seed == 0:
		return usagef("run: --seed 0: runs are numbered from 1")
	}
	return f.checkViews(c)
}

// asFlags names fields of options as the command line has them.
var asFlags = strings.NewReplacer("Options.FailOn", "--failon", "Options.Processors", "--processors")

// minWidth is the fewest columns a timeline makes sense in.
const minWidth = 60

// columns is the width of the screen: what the environment says, else that of the terminal.
func columns(w io.Writer) int {
	n, err := strconv.Atoi(os.Getenv("COLUMNS"))
	if err != nil || n <= 0 {
		n = terminalWidth(fileOf(w))
	}
	if n <= 0 {
		return simtrace.DefaultWidth
	}
	return max(n, minWidth)
}

func (f *runFlags) run(w io.Writer, args []string) error {
	if len(args) == 0 && f.replay == "" {
		return f.list(w)
	}
	var err error
	if f.opt.Pins, err = fixed("run", f.fix); err != nil {
		return err
	}
	if f.replay != "" {
		t, err := sim.ParseReplay(f.replay)
		if err != nil {
			return usagef("run: --replay: %v", err)
		}
		f.opt.Replay = &t
	}
	s, err := f.pick(args)
	if err != nil {
		return err
	}
	f.opt.Story = f.save != ""
	if f.opt.Story && !strings.HasSuffix(f.save, simExt) {
		return usagef("run: --save %s: the name has to end in %s", f.save, simExt)
	}
	out, err := sim.RunScenario(s, f.opt)
	if err != nil {
		return usagef("run: %s", asFlags.Replace(err.Error()))
	}
	defer out.Close()
	if err := f.print(w, s, &out); err != nil {
		return err
	}
	switch {
	case out.Fault != nil:
		return &exit{exitFault, fmt.Sprint(out.Fault)}
	case missing(f.verb, inspected(&out), out.Moment) != nil:
		return missing(f.verb, inspected(&out), out.Moment)
	case out.Failed:
		return &exit{code: exitFindings}
	}
	return nil
}

// pick finds the scenario by name, or by the token to repeat.
func (f *runFlags) pick(args []string) (sim.Scenario, error) {
	for _, s := range scenarios() {
		if len(args) == 1 && s.Name == args[0] || len(args) == 0 && f.opt.Replay.Of(s) {
			return s, nil
		}
	}
	if len(args) == 0 {
		return sim.Scenario{}, usagef("run: the token is of no built-in scenario; its report names its test")
	}
	return sim.Scenario{}, noScenario("run", args[0])
}

func (f *runFlags) print(w io.Writer, s sim.Scenario, out *sim.Outcome) error {
	if out.Machine == nil {
		return nil
	}
	fmt.Fprintf(w, "%s: %s\n", s.Name, s.Title)
	if out.Found != nil {
		fmt.Fprintf(w, "only some schedules break it (--seed 1 is one that does not); run %d of an "+
			"exploration did, and this is the simplest like it\n", out.Found.Run)
	}
	fmt.Fprintf(w, "%s\n\n", out.Machine.Describe())
	if !f.brief {
		if err := out.Machine.WriteTimeline(w, f.width, f.color.on(w)); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	for _, l := range out.Logs {
		fmt.Fprintf(w, "%s\n\n", strings.Trim(l, "\n"))
	}
	printInspected(w, inspected(out), out.Moment)
	if f.cover {
		fmt.Fprintf(w, "%v\n", out.Coverage())
	}
	fmt.Fprintln(w, out.Verdict())
	for _, m := range out.Messages { // last, so that it is what one sees
		fmt.Fprintf(w, "\n%s\n", strings.Trim(m, "\n"))
	}
	if f.save != "" {
		if err := replaceFile(f.save, []byte(out.ReplayFile())); err != nil {
			return usagef("run: --save: %v", err)
		}
	}
	if f.trace == "" {
		return nil
	}
	var b bytes.Buffer
	if err := out.Machine.WriteTrace(&b); err != nil {
		return err
	}
	return f.writeTrace(b.Bytes())
}

// writeTrace writes the events to the file of --trace.
func (f *runFlags) writeTrace(events []byte) error {
	if err := replaceFile(f.trace, events); err != nil {
		return usagef("%s: --trace: %v", f.verb, err)
	}
	return nil
}

// inspected is what the inspectors of a scenario found, in the form that a test gives it.
func inspected(out *sim.Outcome) (all []show.Inspected) {
	for _, i := range out.Inspected {
		one := show.Inspected{Command: i.Command, Lines: i.Lines}
		if i.Err != nil {
			one.Err = i.Err.Error()
		}
		all = append(all, one)
	}
	return all
}

// printInspected prints what the inspectors found, each below its command.
func printInspected(w io.Writer, all []show.Inspected, moment string) {
	if len(all) > 0 {
		fmt.Fprintf(w, "The machine %s:\n\n", moment)
	}
	for _, i := range all {
		if i.Err != "" {
			continue // told as a mistake of the command line
		}
		if len(i.Lines) == 0 || !strings.HasPrefix(i.Lines[0], "!") {
			fmt.Fprintln(w, i.Command)
		}
		for _, l := range i.Lines {
			fmt.Fprintln(w, strings.TrimRight(l, " "))
		}
		fmt.Fprintln(w)
	}
}

// missing words the first inspector whose object the machine did not have.
func missing(verb string, all []show.Inspected, moment string) error {
	for _, i := range all {
		if i.Err != "" {
			return usagef("%s: --inspect %q: %v %s", verb, i.Command, i.Err, moment)
		}
	}
	return nil
}

// list prints the scenarios there are.
func (f *runFlags) list(w io.Writer) error {
	type row struct {
		Name   string   `json:"name"`
		Title  string   `json:"title"`
		Doc    string   `json:"doc,omitempty"`
		Expect []string `json:"expect,omitempty"`
		Some   bool     `json:"sometimes,omitempty"`
	}
	rows := []row{}
	for _, s := range scenarios() {
		rows = append(rows, row{s.Name, s.Title, s.Doc, s.Expect, s.Sometimes})
	}
	if *f.json {
		return printJSON(w, rows)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		title := r.Title
		if len(r.Expect) > 0 {
			title += " (breaks " + strings.Join(r.Expect, ", ")
			if r.Some {
				title += " in some schedules"
			}
			title += ")"
		}
		fmt.Fprintf(tw, "%s\t%s\n", r.Name, title)
	}
	return tw.Flush()
}
