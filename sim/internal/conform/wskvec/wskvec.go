// Package wskvec plays the recorded behaviour of Winsock Kernel (wsk_vectors.jsonl): a list of calls that one
// driver makes at PASSIVE_LEVEL, and the events an independent implementation produced for it.
package wskvec

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/subsystems"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Run plays one record on a machine of its own. mismatch is "" when the events are those recorded, otherwise
// a line for each difference; err says that the record cannot be played.
func Run(line []byte) (mismatch string, err error) {
	rec, err := parse(line)
	if err != nil {
		return "", err
	}
	m := ke.New(ke.Config{Events: -1, Subsystems: subsystems.All(),
		Continues: func(verify.RuleID) bool { return true }})
	defer m.Close()
	g := &game{rec: rec}
	drv := irp.Sim.LoadDriver(m, "vector.sys", func(k *irql.K, drv *irp.DRIVER_OBJECT,
		_ string) ntstatus.NTSTATUS {
		drv.DriverUnload = func(*irql.K, *irp.DRIVER_OBJECT) {}
		g.play(k)
		return ntstatus.STATUS_SUCCESS
	})
	broke := ended(m)
	if _, done := drv.EntryStatus(); broke == "" && !done {
		broke = fmt.Sprintf("operation %d never ends", g.at)
	}
	if g.err != nil {
		return "", fmt.Errorf("record %s: %w", rec.ID, g.err)
	}
	diff := compare(rec, g.log)
	if broke != "" {
		diff += fmt.Sprintf("%s: the run ended early: %s\n", rec.ID, broke)
	}
	return diff, nil
}

// ended runs m and says why it ended early, "" if it did not.
func ended(m *ke.Machine) (broke string) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case ke.Misuse:
			broke = string(v)
		case ke.DriverPanic:
			broke = v.Error()
		default:
			panic(v)
		}
	}()
	m.Run(nil)
	if m.Dead() {
		f := m.Findings()
		return fmt.Sprintf("%v %s", f[len(f)-1].Rule, f[len(f)-1].Headline)
	}
	return ""
}

// compare gives a line for each difference. A function may answer STATUS_PENDING where it recorded the status
// of the completion, and the other way round.
func compare(rec *record, got []Event) string {
	var b strings.Builder
	for i := range max(len(got), len(rec.Trace)) {
		want, have := "nothing", "nothing"
		var w, h Event
		if i < len(rec.Trace) {
			w = rec.Trace[i]
			want = text(w)
		}
		if i < len(got) {
			h = got[i]
			have = text(h)
		}
		if want != have && !alike(rec, w, h, completed(got[min(i, len(got)):], h)) {
			fmt.Fprintf(&b, "%s event %d: recorded %s, got %s\n", rec.ID, i, want, have)
		}
	}
	return b.String()
}

// completed is the status with which the request of a call is completed later, "" if it is not.
func completed(later []Event, call Event) string {
	for _, e := range later {
		if e["ev"] == "completed" && call != nil &&
			text(Event{"irp": e["irp"]}) == text(Event{"irp": call["irp"]}) {
			s, _ := e["status"].(string)
			return s
		}
	}
	return ""
}

// alike compares two events that are not the same letter by letter.
func alike(rec *record, want, have Event, status string) bool {
	if want == nil || have == nil || len(want) != len(have) {
		return false
	}
	for key, w := range want {
		h, there := have[key]
		if there && text(Event{"": w}) == text(Event{"": h}) {
			continue
		}
		ws, _ := w.(string)
		hs, _ := h.(string)
		switch {
		case key == "ret" && (hs == pending || hs == status) && status != "" && (ws == pending ||
			sameStatus(rec, ws, status)):
		case (key == "ret" || key == "status") && sameStatus(rec, ws, hs):
		default:
			return false
		}
	}
	return true
}

const pending = "0x00000103"

// sameStatus compares statuses: where the documentation promises only a failure, every failure will do.
func sameStatus(rec *record, a, b string) bool {
	fails := func(s string) bool {
		v, err := strconv.ParseUint(strings.TrimPrefix(s, "0x"), 16, 32)
		return err == nil && !ntstatus.NT_SUCCESS(ntstatus.NTSTATUS(v))
	}
	return a == b || rec.Certainty == "class" && fails(a) && fails(b)
}

// text is the canonical form of an event: JSON with sorted keys.
func text(e Event) string {
	b, err := json.Marshal(e)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func hex(s ntstatus.NTSTATUS) string { return fmt.Sprintf("0x%08x", uint32(s)) }
