package sim

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"calloutsim/internal/ke"
)

// fileSuffix ends the name of a replay file.
const fileSuffix = ".sim"

// ParseReplay reads what a replay flag takes: a token, or the name of a .sim file.
func ParseReplay(s string) (Token, error) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "kcs") || !strings.HasSuffix(s, fileSuffix) {
		return ParseToken(s)
	}
	return ReadReplayFile(s)
}

// ReadReplayFile reads a .sim file. A run that repeats it stops at the first choice that is not the
// recorded one.
func ReadReplayFile(name string) (Token, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		var p *os.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return Token{}, fmt.Errorf("%s: %w", name, err)
	}
	t, st, err := parseSimFile(string(b))
	if err != nil {
		return Token{}, fmt.Errorf("%s: %w", name, err)
	}
	st.name, t.story, t.strict = name, st, true
	return t, nil
}

// parseSimFile takes a file apart: the token, a header up to an empty line, and a line for each choice.
func parseSimFile(text string) (Token, *story, error) {
	in := bufio.NewScanner(strings.NewReader(text))
	in.Buffer(nil, 1<<20)
	if !in.Scan() {
		return Token{}, nil, errors.New("the file is empty")
	}
	t, err := ParseToken(in.Text())
	if err != nil {
		return Token{}, nil, err
	}
	for in.Scan() && in.Text() != "" {
	}
	st := &story{}
	var ds []Deviation
	for in.Scan() {
		f := strings.SplitN(in.Text(), " ", 4)
		if len(f) != 4 {
			return t, nil, fmt.Errorf("%q is no choice", in.Text())
		}
		index, err1 := strconv.ParseUint(f[0], 16, 31)
		pick, err2 := strconv.ParseUint(f[2], 16, 16)
		if err1 != nil || err2 != nil || int(index) != len(st.lines) {
			return t, nil, fmt.Errorf("%q is not choice %x", in.Text(), len(st.lines))
		}
		if pick > 0 {
			ds = append(ds, Deviation{int(index), int(pick)})
		}
		st.lines, st.picks = append(st.lines, in.Text()), append(st.picks, int(pick))
	}
	if err := in.Err(); err != nil {
		return t, nil, err
	}
	if printDeviations(ds) != printDeviations(t.Deviations) {
		return t, nil, errors.New("the choices are not those of the token in its first line")
	}
	return t, st, nil
}

// choiceLine words one choice; its numbers are hexadecimal, as in the token.
func choiceLine(index int, site string, alts []string, pick int) string {
	chosen := "#" + strconv.Itoa(pick)
	if pick < len(alts) {
		chosen = alts[pick]
	}
	return fmt.Sprintf("%x %s %x %s: %s", index, site, pick, chosen, strings.Join(alts, " | "))
}

// manyAlts is from how many numbered alternatives on they are not listed one by one.
const manyAlts = 9

// altsOf names the alternatives of a question.
func altsOf(s *ke.Site, n int) []string {
	if s.Alts == nil && n >= manyAlts {
		return []string{"0 to " + strconv.Itoa(n-1)}
	}
	alts := make([]string, n)
	for i := range alts {
		alts[i] = s.Alt(i)
	}
	return alts
}

// stepsOf names who may go on.
func stepsOf(m *ke.Machine, at *ke.Moment) []string {
	alts := make([]string, len(at.Options))
	for i := range alts {
		alts[i] = m.ActorName(at.Options[i].Actor)
	}
	return alts
}

// stepSite is how a step is named where the machine asks a Scheduler.
var stepSite = ke.Site{Name: "sched/step", Spec: "scheduling.md 4, 7.1"}

// teller is a Source that notes in words what another one is asked.
type teller struct {
	src   ke.Source
	sched ke.Scheduler // src, if it is one
	sites []string
	alts  [][]string
}

func newTeller(src ke.Source) *teller {
	t := &teller{src: src}
	t.sched, _ = src.(ke.Scheduler)
	return t
}

// Choose notes the question and passes it on.
func (t *teller) Choose(s *ke.Site, n int) int {
	t.sites, t.alts = append(t.sites, s.Name), append(t.alts, altsOf(s, n))
	return t.src.Choose(s, n)
}

// Pick notes who may go on and passes the question on.
func (t *teller) Pick(m *ke.Machine, at *ke.Moment) int {
	if len(at.Options) > 1 {
		t.sites, t.alts = append(t.sites, stepSite.Name), append(t.alts, stepsOf(m, at))
	}
	switch {
	case t.sched != nil:
		return t.sched.Pick(m, at)
	case len(at.Options) == 1:
		return 0
	}
	return t.src.Choose(&stepSite, len(at.Options))
}

// checked is a Source that repeats a run and compares what it is asked with the story of it.
type checked struct {
	replay ke.Source
	story  *story
	strict bool // stop at the first difference
	index  int
	first  string // the first difference, in words
}

// Choose answers as recorded.
func (c *checked) Choose(s *ke.Site, n int) int {
	c.compare(s.Name, altsOf(s, n))
	return c.replay.Choose(s, n)
}

// Pick answers as recorded.
func (c *checked) Pick(m *ke.Machine, at *ke.Moment) int {
	if len(at.Options) == 1 {
		return 0
	}
	c.compare(stepSite.Name, stepsOf(m, at))
	return c.replay.Choose(&stepSite, len(at.Options))
}

// changed begins what is said where a run does not match its file.
const changed = "the driver, the test or the simulator changed since "

func (c *checked) compare(site string, alts []string) {
	i := c.index
	c.index++
	if c.first != "" || i >= len(c.story.lines) {
		return
	}
	if choiceLine(i, site, alts, c.story.picks[i]) == c.story.lines[i] {
		return
	}
	c.first = fmt.Sprintf("%s%s was written. The first choice that differs is number %x:\n"+
		"  recorded: %s\n  now:      %x %s: %s", changed, c.story.name, i, c.story.lines[i], i, site,
		strings.Join(alts, " | "))
	if c.strict {
		panic(ke.Misuse(c.first))
	}
}

// simFile gives the text of a .sim file.
func simFile(t *Token, tell *teller, choices []ke.Choice, header []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nmodule: %s\n", t, moduleVersion())
	for _, h := range header {
		b.WriteString(strings.ReplaceAll(h, "\n", " ") + "\n")
	}
	b.WriteString("\n")
	for i := range choices {
		b.WriteString(strings.ReplaceAll(choiceLine(i, tell.sites[i], tell.alts[i], int(choices[i].Pick)),
			"\n", " ") + "\n")
	}
	return b.String()
}

// modulePath is the path of this module.
const modulePath = "calloutsim"

// moduleVersion says which simulator this is.
func moduleVersion() string {
	version := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == modulePath {
				version = d.Version
			}
		}
	}
	return modulePath + " " + version
}

// replay makes the source that repeats the run.
func (t *Token) replay() ke.Source {
	r := &ke.Replay{}
	for _, d := range t.Deviations {
		r.Deviations = append(r.Deviations, ke.Deviation{Index: d.Index, Pick: d.Pick})
	}
	if t.story != nil {
		return &checked{replay: r, story: t.story, strict: t.strict}
	}
	return r
}
