package coverage

import (
	"fmt"
	"slices"
)

// Level says how much has to come up. Only what a driver uses counts, and of the world around it what the
// runs met. Every level, also the zero one, asks that each routine a driver gave the system was called, and
// that each routine it called succeeded: without that nothing was tried.
type Level struct {
	Faults   bool // every routine that can fail has failed
	Env      bool // every alternative the outside has was taken: pended and inline for each WSK call, …
	Doc      bool // every documented or observed behaviour was met
	Requests bool // what is sent was answered inline and pended, and ended with success and with an error
	Cancel   bool // what each dispatch routine takes was cancelled while it had a cancel routine

	Drivers []string // images to look at; none means all, and what is around them
	// Except are outcomes that need not come up, as reports name them: "WskSend answer=inline". One that is
	// not known is a mistake.
	Except []string
}

// wants reports whether the level asks for an outcome.
func (l *Level) wants(k Key) bool {
	if len(l.Drivers) > 0 && !slices.Contains(l.Drivers, k.Image) {
		return false
	}
	switch k.Kind {
	case callbacks:
		return true
	case "status":
		return k.Aspect == success
	case "fault":
		return l.Faults
	case "env":
		return l.Env
	case "doc":
		return l.Doc
	case "request":
		received := Received(k.DDI)
		switch k.Aspect {
		case "returns":
			return l.Requests && !received && (k.Name == "inline" || k.Name == "pended")
		case "completes":
			return l.Requests && !received && (k.Name == "success" || k.Name == "error")
		case "cancelled":
			return l.Cancel && received && k.Name == whilePending
		}
	}
	return false
}

// Missing lists what the level asks for and never came up, in order. The error says what is wrong with the
// level itself.
func (s *Set) Missing(l Level) ([]Key, error) {
	known, images := map[string]bool{}, map[string]bool{}
	var missing []Key
	for _, k := range s.Keys() {
		known[k.String()], images[k.Image] = true, true
		if s.counts[k] == 0 && l.wants(k) && !slices.Contains(l.Except, k.String()) {
			missing = append(missing, k)
		}
	}
	for _, e := range l.Except {
		if !known[e] {
			return nil, fmt.Errorf("the level excepts %q, which is no outcome of anything the drivers use", e)
		}
	}
	for _, d := range l.Drivers {
		if !images[d] {
			return nil, fmt.Errorf("the level is for driver %q, which called nothing", d)
		}
	}
	return missing, nil
}
