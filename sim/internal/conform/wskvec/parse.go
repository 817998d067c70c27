package wskvec

import (
	"encoding/json"
	"fmt"
	"strings"
)

// The numbers of things a record may use.
const (
	requests   = 12
	sockets    = 12
	buffers    = 4
	bufferSize = 65536
	ports      = 8
	maxSleep   = 24 * 60 * 60 * 1000 // milliseconds: a day
)

// Event is one event of a trace: "ev" and what the operation logs.
type Event map[string]any

type record struct {
	ID        string `json:"id"`
	Certainty string `json:"certainty"`
	Setup     struct {
		Ops [][]any `json:"ops"`
	} `json:"setup"`
	Trace []Event `json:"trace"`
}

// operations gives the operands of each operation: r request, s socket, b buffer, n number, z number or null,
// w milliseconds or infinite, c category, a address, p port or null, y boolean, t text or null. A question
// mark stands before what may be left out; o is the option null_irp.
var operations = map[string]string{
	"register": "", "capture": "w", "release": "", "deregister": "", "socket": "rnnnc?o", "take": "sr",
	"bind": "srap?o", "accept": "sry?o", "connect": "srap?o", "send": "srbnn", "receive": "srbnn",
	"close": "sr", "await": "r", "state": "r", "fill": "bz", "data": "bnn", "addresses": "r",
	"get_address_info": "rtt?o", "sleep": "w",
}

// parse reads a record and checks its operations.
func parse(line []byte) (*record, error) {
	var rec record
	if err := json.Unmarshal(line, &rec); err != nil {
		return nil, fmt.Errorf("not a vector record: %w", err)
	}
	switch {
	case rec.ID == "":
		return nil, fmt.Errorf("the record has no id")
	case len(rec.Setup.Ops) == 0:
		return nil, fmt.Errorf("record %s has no operation", rec.ID)
	case rec.Certainty != "exact" && rec.Certainty != "class":
		return nil, fmt.Errorf("record %s: its certainty is neither exact nor class", rec.ID)
	}
	for i, op := range rec.Setup.Ops {
		if err := check(op); err != nil {
			return nil, fmt.Errorf("record %s, operation %d: %w", rec.ID, i+1, err)
		}
	}
	return &rec, nil
}

func check(op []any) error {
	if len(op) == 0 {
		return fmt.Errorf("it is empty, or no list")
	}
	name, _ := op[0].(string)
	kinds, known := operations[name]
	if !known {
		return fmt.Errorf("unknown operation %v", op[0])
	}
	must, may, _ := strings.Cut(kinds, "?")
	if n := len(op) - 1; n != len(must) && n != len(must)+len(may) {
		return fmt.Errorf("%s: %d operands, %d expected", name, n, len(must))
	}
	for i, v := range op[1:] {
		if kind := (must + may)[i]; !fits(kind, v) {
			return fmt.Errorf("%s: operand %d is %v", name, i+1, v)
		}
	}
	if name == "send" || name == "receive" || name == "data" {
		n := len(op)
		if number(op[n-2])+number(op[n-1]) > bufferSize && name == "data" {
			return fmt.Errorf("data: outside of the buffer")
		}
	}
	return nil
}

// fits reports whether a value is of a kind of operand.
func fits(kind byte, v any) bool {
	whole := func(limit int) bool {
		f, ok := v.(float64)
		return ok && f >= 0 && f < float64(limit) && f == float64(int(f))
	}
	one := func(words ...string) bool {
		for _, w := range words {
			if v == w {
				return true
			}
		}
		return false
	}
	switch kind {
	case 'r':
		return whole(requests)
	case 's':
		return whole(sockets)
	case 'b':
		return whole(buffers)
	case 'n':
		return whole(1 << 31)
	case 'z':
		return v == nil || whole(1<<31)
	case 'w':
		return one("infinite") || whole(maxSleep)
	case 'c':
		return one("listen", "connection")
	case 'a':
		return one("any", "loopback", "nonlocal")
	case 'p':
		return v == nil || one("P0", "P1", "P2", "P3", "P4", "P5", "P6", "P7")
	case 'y':
		_, ok := v.(bool)
		return ok
	case 't':
		s, ok := v.(string)
		return v == nil || ok && len(s) < 256
	}
	return v == nil || one("null_irp")
}

func number(v any) int {
	f, _ := v.(float64)
	return int(f)
}
