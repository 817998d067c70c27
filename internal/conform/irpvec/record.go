// Package irpvec replays recorded IRP scenarios (irp_vectors.md) on the simulated I/O manager and compares
// the events.
//
// A record's routines become a driver: main and device D0 belong to one driver, D1 to D8 to another. Where
// main stands in for the driver that holds an IRP, the act runs in a frame of that driver. Findings are
// collected; the mechanism goes on.
package irpvec

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// record is one line of a vector file.
type record struct {
	ID         string   `json:"id"`
	Note       string   `json:"note"`
	Violations []string `json:"rule_violations"`
	Setup      struct {
		Programs map[string][]json.RawMessage `json:"programs"`
	} `json:"setup"`
	Trace []json.RawMessage `json:"trace"`
}

// op is one operation of a program: its name, its plain arguments, and the branches of an "if".
type op struct {
	name string
	args []any
	yes  []op
	no   []op
}

// program is the operations of one routine.
type program []op

// parse reads a record and checks that every operation is known and has the arguments it needs.
func parse(line []byte) (*record, map[string]program, error) {
	var r record
	if err := json.Unmarshal(line, &r); err != nil {
		return nil, nil, fmt.Errorf("not a vector record: %v", err)
	}
	if r.ID == "" {
		return nil, nil, fmt.Errorf("the record has no id")
	}
	if len(r.Setup.Programs["main"]) == 0 {
		return nil, nil, fmt.Errorf("record %s has no program main", r.ID)
	}
	progs := map[string]program{}
	for _, name := range slices.Sorted(maps.Keys(r.Setup.Programs)) {
		p, err := parseOps(r.Setup.Programs[name])
		if err != nil {
			return nil, nil, fmt.Errorf("record %s, routine %s: %v", r.ID, name, err)
		}
		progs[name] = p
	}
	return &r, progs, nil
}

func parseOps(raw []json.RawMessage) (program, error) {
	var out program
	for i, m := range raw {
		o, err := parseOp(m)
		if err != nil {
			return nil, fmt.Errorf("operation %d: %v", i+1, err)
		}
		out = append(out, o)
	}
	return out, nil
}

// signatures gives the argument kinds of each operation: n number, x 32-bit hexadecimal, s string, z string
// or null, b boolean, l list of strings.
var signatures = [...]struct{ name, args string }{
	{"alloc", "nn"}, {"free", "n"}, {"reuse", "nx"}, {"use", "n"}, {"own_location", ""}, {"request", "nx"},
	{"set_completion", "sbbb"}, {"clear_completion", ""}, {"copy", ""}, {"skip", ""}, {"call", "s"},
	{"mark_pending", ""}, {"set_status", "xn"}, {"complete", ""}, {"cancel", ""}, {"set_cancel", "z"},
	{"release_cancel_lock", ""}, {"lock_cancel", ""}, {"unlock_cancel", ""}, {"snap", ""}, {"async", "ss"},
	{"join", ""},
	{"signal", "n"}, {"wait", "n"}, {"return", "x"}, {"return_last", ""}, {"copy_status", "nn"},
	{"build_ioctl", "nsxnnl"}, {"build_sync_fsd", "nsnnn"}, {"build_async_fsd", "nsnnn"}, {"params", ""},
	{"params", "s"},
	{"iosb", "n"}, {"wait_event", "n"}, {"attach", "ss"}, {"detach", "s"}, {"attached_top", "s"},
	{"stack_size", "s"},
}

func parseOp(m json.RawMessage) (op, error) {
	var parts []json.RawMessage
	if err := json.Unmarshal(m, &parts); err != nil || len(parts) == 0 {
		return op{}, fmt.Errorf("not a list: %s", m)
	}
	var o op
	if err := json.Unmarshal(parts[0], &o.name); err != nil {
		return op{}, fmt.Errorf("no name: %s", m)
	}
	if o.name == "if" {
		return parseIf(parts)
	}
	known := false
	for _, s := range signatures {
		if s.name != o.name {
			continue
		}
		known = true
		if len(s.args) != len(parts)-1 {
			continue
		}
		args, err := parseArgs(s.args, parts[1:])
		if err != nil {
			return op{}, fmt.Errorf("%s: %v", o.name, err)
		}
		o.args = args
		return o, nil
	}
	if !known {
		return op{}, fmt.Errorf("unknown operation %q", o.name)
	}
	return op{}, fmt.Errorf("%s: wrong number of arguments: %s", o.name, m)
}

func parseArgs(kinds string, raw []json.RawMessage) ([]any, error) {
	var out []any
	for i, k := range kinds {
		v, err := parseArg(byte(k), raw[i])
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func parseArg(kind byte, raw json.RawMessage) (any, error) {
	switch kind {
	case 'n':
		var n int64
		if err := json.Unmarshal(raw, &n); err != nil {
			return nil, fmt.Errorf("not a whole number: %s", raw)
		}
		return n, nil
	case 'x':
		return parseHex(raw)
	case 'b':
		var b bool
		if err := json.Unmarshal(raw, &b); err != nil {
			return nil, fmt.Errorf("neither true nor false: %s", raw)
		}
		return b, nil
	case 'l':
		var l []string
		if err := json.Unmarshal(raw, &l); err != nil {
			return nil, fmt.Errorf("not a list of strings: %s", raw)
		}
		return l, nil
	}
	if kind == 'z' && string(raw) == "null" {
		return "", nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("not a string: %s", raw)
	}
	return s, nil
}

func parseHex(raw json.RawMessage) (uint32, error) {
	var n uint32
	if err := json.Unmarshal(raw, &n); err == nil {
		return n, nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return 0, fmt.Errorf("neither a hexadecimal string nor a 32-bit number: %s", raw)
	}
	v, err := strconv.ParseUint(s, 0, 32)
	if err != nil {
		return 0, fmt.Errorf("not a 32-bit number: %q", s)
	}
	return uint32(v), nil
}

var conditions = [...]string{"cancelled", "pending_returned", "last_pending", "previous_cancel_null",
	"status_success", "last_success"}

func parseIf(parts []json.RawMessage) (op, error) {
	o := op{name: "if"}
	if len(parts) < 3 || len(parts) > 4 {
		return o, fmt.Errorf("if: needs a condition and one or two branches")
	}
	cond, err := parseCondition(parts[1])
	if err != nil {
		return o, err
	}
	o.args = cond
	for i, dst := range []*[]op{&o.yes, &o.no} {
		if len(parts) <= 2+i {
			break
		}
		var raw []json.RawMessage
		if err := json.Unmarshal(parts[2+i], &raw); err != nil {
			return o, fmt.Errorf("if: a branch is not a list")
		}
		p, err := parseOps(raw)
		if err != nil {
			return o, err
		}
		*dst = p
	}
	return o, nil
}

func parseCondition(raw json.RawMessage) ([]any, error) {
	var name string
	if err := json.Unmarshal(raw, &name); err == nil {
		for _, c := range conditions {
			if c == name {
				return []any{name}, nil
			}
		}
		return nil, fmt.Errorf("if: unknown condition %q", name)
	}
	var pair []any
	if err := json.Unmarshal(raw, &pair); err == nil && len(pair) == 2 && pair[0] == "invocation_below" {
		if n, ok := pair[1].(float64); ok {
			return []any{"invocation_below", int64(n)}, nil
		}
	}
	return nil, fmt.Errorf("if: unknown condition %s", raw)
}
