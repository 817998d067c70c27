package sim

import (
	"fmt"
	"strconv"
	"strings"

	"calloutsim/internal/explore"
	"calloutsim/internal/ke"
)

// maxChoices is how many choices a report names.
const maxChoices = 10

// choicesInWords tells what failed, and what Windows or the world outside answered that is not the boring
// answer, up to an event: what the run has to have beside its schedule.
func (m *Machine) choicesInWords(until uint64) []string {
	var lines []string
	left := 0
	for i, c := range m.ke.Choices() {
		switch {
		case c.Pick == 0 || c.Seq >= until || explore.KindOf(c.Site) == explore.Sched:
		case len(lines) == maxChoices:
			left++
		default:
			lines = append(lines, fmt.Sprintf("#%d %s%s", c.Seq+1, inWords(c.Site, int(c.Pick)),
				m.whence(i, &c)))
		}
	}
	if left > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", left))
	}
	return lines
}

// whence says where the code of a driver or program was when a question came up.
func (m *Machine) whence(index int, c *ke.Choice) string {
	s := ""
	if m.steps != nil {
		for _, a := range m.steps.asked {
			if a.index != index {
				continue
			}
			if f := ke.Frames2(a.pcs); len(f) > 0 {
				s = ", " + f[0].File + ":" + strconv.Itoa(f[0].Line)
			}
		}
	}
	if n := int(c.Driver); s == "" && n >= 1 && n <= len(m.ke.Images()) {
		s = ", for " + m.ke.Images()[n-1].Name
	}
	if c.Pinned {
		s += " (pinned)"
	}
	return s
}

// inWords says what was answered: "IoAllocateIrp returned NULL", "WskReceive answer: inline".
func inWords(s *ke.Site, pick int) string {
	_, what, _ := strings.Cut(s.Name, "/")
	what = strings.ReplaceAll(what, "/", " ")
	alt := s.Alt(pick)
	if pick >= len(s.Alts) {
		alt = "alternative " + strconv.Itoa(pick) // #3 would be an event
	}
	if !s.Fault() {
		return what + ": " + alt
	}
	verb, rest, _ := strings.Cut(alt, " ")
	switch {
	case verb == "returns":
		return what + " returned " + rest
	case alt == "fails":
		return what + " failed"
	case alt == "raises":
		return what + " raised an exception"
	case strings.HasPrefix(alt, "STATUS_"):
		return what + " returned " + alt
	}
	return what + ": " + alt
}

// tellChoices is choicesInWords as a block of a report; "" where there is nothing to tell.
func (m *Machine) tellChoices() string {
	s := ""
	for i, l := range m.choicesInWords(m.ke.Log().Len() + 1) {
		key := ""
		if i == 0 {
			key = "CHOICES:"
		}
		s += fmt.Sprintf("%-16s%s\n", key, l)
	}
	return s
}
