package sim

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"calloutsim/sim/internal/show"
)

// flagTable lists what a test binary takes, each with its twin in the environment: -sim.seed is SIM_SEED.
var flagTable = []struct {
	name string
	flag bool // takes no value
	help string
}{
	{"seed", false, "play run `N`; 1, the default, is the boring run"},
	{"runs", false, "how many runs sim.Explore makes: `N`, or those from A to B: A-B"},
	{"strategy", false, "how sim.Explore chooses: `NAME` (portfolio, random, faults1, faults2, pct2, pct3, pos, urw, surw, dpor, …)"},
	{"answers", false, "exhaustive strategies: at most `N` answers of Windows that are not boring; 0: none, always"},
	{"faults", false, "exhaustive strategies: at most `N` failures in one run; 0: none, under any"},
	{"master", false, "master seed `M`: other runs under the same numbers"},
	{"replay", false, "repeat the run of a `token` (kcs2:…) or of a .sim file"},
	{"nosave", true, "do not write failing runs to testdata/sim"},
	{"failon", false, "the mildest `severity` that fails a test: error, warning or note"},
	{"notes", true, "report notes as well"},
	{"timersrace", true, "let timers expire although somebody can run"},
	{"forcepending", true, "IoCallDriver may return STATUS_PENDING although the request ends as usual"},
	{"checked", true, "play drivers as checked builds: NT_ASSERT and KdPrint do something"},
	{"races", true, "report accesses to pool memory and irql.Var that nothing orders"},
	{"specialpool", true, "give every pool block pages of its own: stale slices fault where they are used"},
	{"shard", false, "sim.Explore makes only the runs r with r mod m = i: `i/m`"},
	{"budget", false, "each sim.Explore starts no more runs after this `time`: 90s, 10m"},
	{"out", false, "sim.Explore keeps its results in this `directory` and goes on where it was interrupted"},
	{"fix", false, "pin choices: `SITE=ALTERNATIVE` or doc/*=0; repeat the flag or separate by blanks"},
	{"coverage", true, "sim.Explore counts which outcomes of the DDIs in use came up"},
	{"watchdog", false, "end the test binary when a driver keeps the machine for this `time`: 10s; 0: never"},
	{"keepgoing", true, "sim.Explore goes on after a violation and reports one run per finding signature"},
}

// flagValue is the value of one flag as text; it is checked when it is used.
type flagValue struct {
	text string
	set  bool
	flag bool
	list bool
}

// String gives the text.
func (v *flagValue) String() string { return v.text }

// IsBoolFlag tells package flag that the flag needs no value.
func (v *flagValue) IsBoolFlag() bool { return v.flag }

// Set takes a value; a repeated list flag adds to it.
func (v *flagValue) Set(s string) error {
	if v.list && v.text != "" {
		s = v.text + " " + s
	}
	v.text, v.set = s, true
	return nil
}

// init registers the flags, unless a program has flags of these names already.
func init() {
	for _, f := range flagTable {
		if flag.Lookup("sim."+f.name) == nil {
			v := &flagValue{flag: f.flag, list: f.name == "fix"}
			flag.Var(v, "sim."+f.name, f.help+" (or "+envName(f.name)+")")
		}
	}
}

func envName(name string) string { return "SIM_" + strings.ToUpper(name) }

// setting gives what was set by flag or, failing that, by environment.
func setting(name string) (string, bool) {
	if f := flag.Lookup("sim." + name); f != nil {
		if v, ok := f.Value.(*flagValue); !ok {
			if s := f.Value.String(); s != f.DefValue {
				return s, true
			}
		} else if v.set {
			return v.text, true
		}
	}
	s := os.Getenv(envName(name))
	return s, s != ""
}

// named is how a setting was given: by its flag or its variable.
func named(name string) string {
	if f := flag.Lookup("sim." + name); f != nil {
		v, ok := f.Value.(*flagValue)
		if ok && v.set || !ok && f.Value.String() != f.DefValue {
			return "-sim." + name
		}
	}
	return envName(name)
}

// otherEnv are variables of the simulator that are no twins of flags.
var otherEnv = []string{"SIM_SHARDS", "SIM_THOROUGH", shrinkEnv, show.Env}

// unknownSettings refuses a variable that is nearly one of the simulator's, as package flag refuses a flag it
// does not know: SIM_RUNZ would change nothing, and nobody would notice.
func unknownSettings() error {
	for _, v := range os.Environ() {
		name, value, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, "SIM_") || slices.Contains(otherEnv, name) {
			continue
		}
		near := ""
		for _, f := range flagTable {
			known := envName(f.name)
			if known == name {
				near = ""
				break
			}
			if strings.EqualFold(known, name) || distance(known, name) <= 1+len(known)/10 {
				near = known
			}
		}
		if near != "" {
			return fmt.Errorf("the variable %s=%s is not known: did you mean %s?", name, value, near)
		}
	}
	return nil
}

// distance is how many letters are put in, left out or changed between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, row[j]+1, before+1)
		}
	}
	return row[len(b)]
}

func numberSetting(name string, into *uint64) error {
	s, ok := setting(name)
	if !ok {
		return nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 && name != "master" {
		return fmt.Errorf("%s=%s is no number from 1 on", named(name), s)
	}
	*into = n
	return nil
}

// pinTexts takes a list of pins apart. Names of alternatives may have blanks in them: what is no SITE=…
// belongs to the one before.
func pinTexts(s string) (list []string) {
	for _, f := range strings.Fields(s) {
		if n := len(list); n > 0 && !strings.Contains(f, "=") {
			list[n-1] += " " + f
		} else {
			list = append(list, f)
		}
	}
	return list
}

// boundSetting reads a bound, where 0 is none: what the options have as a negative number.
func boundSetting(name string, into *int) error {
	s, ok := setting(name)
	if !ok {
		return nil
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < -1 {
		return fmt.Errorf("%s=%s is no number from 0 on", named(name), s)
	}
	if *into = int(n); n == 0 {
		*into = -1
	}
	return nil
}

func boolSetting(name string, into *bool) error {
	s, ok := setting(name)
	if !ok {
		return nil
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		return fmt.Errorf("%s=%s is neither true nor false", named(name), s)
	}
	*into = b
	return nil
}

// fromFlags overrides the options by what was set outside, and reads the token to repeat, if there is one.
func (o *Options) fromFlags() (*Token, error) {
	if err := unknownSettings(); err != nil {
		return nil, err
	}
	if _, err := patience(); err != nil {
		return nil, err
	}
	if err := numberSetting("seed", &o.Seed); err != nil {
		return nil, err
	}
	if err := numberSetting("master", &o.Master); err != nil {
		return nil, err
	}
	if err := boolSetting("notes", &o.Notes); err != nil {
		return nil, err
	}
	if err := boolSetting("timersrace", &o.TimersRace); err != nil {
		return nil, err
	}
	if err := boolSetting("forcepending", &o.ForcePending); err != nil {
		return nil, err
	}
	if err := boolSetting("checked", &o.Checked); err != nil {
		return nil, err
	}
	if err := boolSetting("races", &o.Races); err != nil {
		return nil, err
	}
	if err := boolSetting("specialpool", &o.SpecialPool); err != nil {
		return nil, err
	}
	if s, ok := setting("failon"); ok {
		if o.FailOn = s; o.check() != nil {
			return nil, fmt.Errorf("%s=%s: it is one of error, warning, note", named("failon"), s)
		}
	}
	if s, ok := setting("fix"); ok {
		for _, f := range pinTexts(s) {
			p, err := parsePin(f)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", named("fix"), err)
			}
			o.Pins = append(o.Pins[:len(o.Pins):len(o.Pins)], p)
		}
	}
	s, ok := setting("replay")
	if !ok || s == "" {
		return nil, nil
	}
	t, err := ParseReplay(s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", named("replay"), err)
	}
	return &t, nil
}

const (
	shrinkEnv   = "SIM_SHRINK" // in such a process: the token of the run
	shrinkMark  = "sim: simplest run: "
	shrinkCount = 10_000 // times the test is made at most; it ends long before
	// shrinkPatience is how long a test may take for all its runs. One that does more than run a machine may
	// need longer; then its run is kept as it is.
	shrinkPatience = 20 * time.Second
)

// patience is what -sim.watchdog says; 0 is for ever.
func patience() (time.Duration, error) {
	s, ok := setting("watchdog")
	if !ok {
		return defaultPatience, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%s=%s is no time such as 10s or 2m, nor 0", named("watchdog"), s)
	}
	return d, nil
}

// defaultPatience is how long simulated code may keep a machine to itself, on the wall clock. What a driver
// does between two scheduling points takes microseconds.
const defaultPatience = 10 * time.Second
