package explore

import (
	"strings"

	"calloutsim/internal/ke"
)

// Kind says what a choice is about, the mildest last: shrinking takes away the first kinds first.
type Kind uint8

// The kinds of choices (scheduling.md 7.6).
const (
	Fault Kind = iota // something that may fail does
	World             // the world outside, or what Windows is documented or observed to do
	Sched             // who goes on, who wakes
)

// KindOf gives the kind of a site.
func KindOf(s *ke.Site) Kind {
	switch {
	case s.Fault():
		return Fault
	case strings.HasPrefix(s.Name, "sched/"):
		return Sched
	}
	return World
}

// Act is one choice of a run.
type Act struct {
	Kind Kind
	Step bool // who goes on next: sched/step
	Stay bool // of a Step: pick 0 lets go on who has just run; any other interrupts it
	N    int
	Pick int
	Who  ke.Actor // who goes on after a Step; else who was asking
	Site string
}

// interrupts reports whether somebody is interrupted who could have gone on.
func (a *Act) interrupts() bool { return a.Stay && a.Pick != 0 }

// Trial is what came of one run.
type Trial struct {
	Signature string     // of what failed; "" when nothing did
	Acts      []Act      // its choices
	Order     []ke.Actor // who took each step, those without a choice included
	Cost      int        // scheduling points passed
}

// Deviations are the choices that were not the boring ones.
func (t *Trial) Deviations() []ke.Deviation {
	var d []ke.Deviation
	for i := range t.Acts {
		if p := t.Acts[i].Pick; p != 0 {
			d = append(d, ke.Deviation{Index: i, Pick: p})
		}
	}
	return d
}

// Interruptions counts the preemptions of the run.
func (t *Trial) Interruptions() int {
	n := 0
	for i := range t.Acts {
		if t.Acts[i].interrupts() {
			n++
		}
	}
	return n
}

// Recorder lets a source choose and notes what a Trial has to know. A machine that has the trail as its own
// needs it as Source.
type Recorder struct {
	src   ke.Source
	sched ke.Scheduler // src, if it is one
	plan  planned      // src, if it is one
	trail *ke.Trail
	acts  []Act
}

// planned is a Scheduler that sees steps without alternatives as well, and who asks a question.
type planned interface {
	chooseFor(who ke.Actor, s *ke.Site, n int) int
}

// NewRecorder makes the source of one run. There is room for as many acts as the run before had steps.
func NewRecorder(src ke.Source, trail *ke.Trail) *Recorder {
	r := &Recorder{src: src, trail: trail, acts: make([]Act, 0, len(trail.Steps))}
	r.sched, _ = src.(ke.Scheduler)
	r.plan, _ = src.(planned)
	return r
}

// stepQuestion is what a source that is no Scheduler is asked in place of Pick.
var stepQuestion = ke.Site{Name: "sched/step", Spec: "scheduling.md 4, 7.1"}

// Choose passes the question on.
func (r *Recorder) Choose(s *ke.Site, n int) int {
	a := Act{Kind: KindOf(s), N: n, Site: s.Name}
	if i := len(r.trail.Steps); i > 0 {
		a.Who = r.trail.Steps[i-1].Actor
	}
	if r.plan != nil {
		a.Pick = r.plan.chooseFor(a.Who, s, n)
	} else {
		a.Pick = r.src.Choose(s, n)
	}
	r.acts = append(r.acts, a)
	return a.Pick
}

// Pick passes the question on.
func (r *Recorder) Pick(m *ke.Machine, at *ke.Moment) int {
	n := len(at.Options)
	if n == 1 && r.plan == nil {
		return 0
	}
	var p int
	if r.sched != nil {
		p = r.sched.Pick(m, at)
	} else {
		p = r.src.Choose(&stepQuestion, n)
	}
	if n > 1 && p != ke.Cut {
		r.acts = append(r.acts, Act{Kind: Sched, Step: true, Stay: at.Stays, N: n, Pick: p,
			Who: at.Options[p].Actor, Site: stepQuestion.Name})
	}
	return p
}

// Trial gives what was noted. choices are those of the machine, which a pin may have changed.
func (r *Recorder) Trial(choices []ke.Choice) Trial {
	t := Trial{Acts: r.acts, Order: make([]ke.Actor, 0, len(r.trail.Steps))}
	for i := range choices {
		t.Acts[i].Pick = int(choices[i].Pick)
	}
	for i := range r.trail.Steps {
		s := &r.trail.Steps[i]
		if s.Alone {
			continue
		}
		t.Order = append(t.Order, s.Actor)
		if s.Choice >= 0 {
			t.Acts[s.Choice].Who = s.Actor
		}
	}
	return t
}

// question names a choice that is no scheduling, whatever the schedule: who asks, what, and the how manieth
// time.
type question struct {
	who  ke.Actor
	site string
	nth  int
}

// answers are the choices of a run that are no scheduling.
type answers struct {
	of   map[question]int // those that are not 0
	seen map[question]int // with nth 0: how often it was asked in this run
}

// answersOf takes the answers of a run.
func answersOf(t *Trial) answers {
	a := answers{of: map[question]int{}, seen: map[question]int{}}
	for i := range t.Acts {
		if c := &t.Acts[i]; c.Kind != Sched {
			if q := a.next(c.Who, c.Site); c.Pick != 0 {
				a.of[q] = c.Pick
			}
		}
	}
	clear(a.seen)
	return a
}

func (a *answers) next(who ke.Actor, site string) question {
	q := question{who: who, site: site}
	a.seen[q]++
	n := a.seen[q]
	q.nth = n
	return q
}

// choose answers as that run did; a pick that does not exist here is 0.
func (a *answers) choose(who ke.Actor, s *ke.Site, n int) int {
	if p := a.of[a.next(who, s.Name)]; p < n {
		return p
	}
	return 0
}
