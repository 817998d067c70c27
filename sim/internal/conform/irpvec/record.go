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
	"strings"
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
		if !routineName(name) {
			return nil, nil, fmt.Errorf("record %s: %q names no routine: they are main, dispatch.D0 to "+
				"dispatch.D8, completion.NAME, cancel.NAME and async.NAME", r.ID, name)
		}
		p, err := parseOps(r.Setup.Programs[name])
		if err != nil {
			return nil, nil, fmt.Errorf("record %s, routine %s: %v", r.ID, name, err)
		}
		progs[name] = p
	}
	return &r, progs, nil
}

func routineName(s string) bool {
	kind, name, _ := strings.Cut(s, ".")
	switch kind {
	case "completion", "cancel", "async":
		return name != ""
	case "dispatch":
		return len(name) == 2 && name[0] == 'D' && name[1] >= '0' && name[1] <= '8'
	}
	return s == "main"
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

// signatures gives the argument kinds of each operation: n number that a LONGLONG holds, x 32-bit
// hexadecimal, s string, z string or null, b boolean, l list of event and internal; and of what a record has
// only a few: r register, e event, d device, c size of a stack, m major function, k bytes, t how an async
// program runs, f the one word of params.
var signatures = [...]struct{ name, args string }{
	{"alloc", "rc"}, {"free", "r"}, {"reuse", "rx"}, {"use", "r"}, {"own_location", ""}, {"request", "mx"},
	{"set_completion", "sbbb"}, {"clear_completion", ""}, {"copy", ""}, {"skip", ""}, {"call", "d"},
	{"mark_pending", ""}, {"set_status", "xn"}, {"complete", ""}, {"cancel", ""}, {"set_cancel", "z"},
	{"release_cancel_lock", ""}, {"lock_cancel", ""}, {"unlock_cancel", ""}, {"snap", ""}, {"async", "st"},
	{"join", ""},
	{"signal", "e"}, {"wait", "e"}, {"return", "x"}, {"return_last", ""}, {"copy_status", "rr"},
	{"build_ioctl", "rdxkkl"}, {"build_sync_fsd", "rdmkn"}, {"build_async_fsd", "rdmkn"}, {"params", ""},
	{"params", "f"},
	{"iosb", "r"}, {"wait_event", "r"}, {"attach", "dd"}, {"detach", "d"}, {"attached_top", "d"},
	{"stack_size", "d"},
}

// ranges are the bounds of numbers.
var ranges = map[byte]struct {
	to   int64
	what string
}{
	'r': {registers - 1, "register"}, 'e': {eventCount - 1, "event"}, 'c': {127, "size of a stack"},
	'm': {255, "major function"}, 'k': {1 << 20, "number of bytes"},
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
	if kind != 'z' && string(raw) == "null" {
		return nil, fmt.Errorf("null is no value")
	}
	if r, ok := ranges[kind]; ok {
		var n int64
		if err := json.Unmarshal(raw, &n); err != nil || n < 0 || n > r.to {
			return nil, fmt.Errorf("no such %s: %s; it is a number from 0 to %d", r.what, raw, r.to)
		}
		return n, nil
	}
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
		for _, w := range l {
			if w != "event" && w != "internal" {
				return nil, fmt.Errorf("%q is neither event nor internal", w)
			}
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
	switch {
	case kind == 'd' && (len(s) != 2 || s[0] != 'D' || s[1] < '0' || s[1] > '8'):
		return nil, fmt.Errorf("no such device: %q; they are D0 to D8", s)
	case kind == 'f' && s != "buffers":
		return nil, fmt.Errorf("%q is not buffers", s)
	case kind == 't' && s != "thread" && s != "dpc" && s != "workitem":
		return nil, fmt.Errorf("%q: an async program runs as thread, workitem or dpc", s)
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
	var pair []json.RawMessage
	if err := json.Unmarshal(raw, &pair); err == nil && len(pair) == 2 {
		if err := json.Unmarshal(pair[0], &name); err == nil && name == "invocation_below" {
			n, err := parseArg('n', pair[1])
			return []any{name, n}, err
		}
	}
	return nil, fmt.Errorf("if: unknown condition %s", raw)
}
