package kevec

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// maxWait is the longest time a record may wait, in milliseconds: a day.
const maxWait = 24 * 60 * 60 * 1000

// operations gives the operands of each operation: e event, s semaphore, m mutex, t timer or o any object
// that exists; capitals make one; w time in milliseconds, n 32-bit number, b boolean, k kind of event or
// timer, h any or all, l list of objects, a the word and_wait. A question mark stands before what may be left
// out.
var operations = []struct{ name, operands string }{
	{"event", "Ekb"}, {"semaphore", "Snn"}, {"mutex", "M"}, {"timer", "Tk"},
	{"set", "e"}, {"reset", "e"}, {"clear", "e"}, {"release_semaphore", "sn"}, {"release_mutex", "m"},
	{"read", "o"}, {"wait", "o?w"}, {"set_timer", "tw"}, {"cancel_timer", "t"}, {"sleep", "w"},
	{"wait_multiple", "hl"},
	{"remove_lock_init", ""}, {"acquire_remove_lock", ""}, {"release_remove_lock", "?a"},
}

// made says what an object is, by the letter of the operation that made it.
var made = map[byte]string{'E': "event", 'S': "semaphore", 'M': "mutex", 'T': "timer"}

// parse reads a record and checks that every operation is known, has its operands, and uses what an operation
// before it has made.
func parse(line []byte) (*record, error) {
	var rec record
	if err := json.Unmarshal(line, &rec); err != nil {
		return nil, fmt.Errorf("not a vector record: %w", err)
	}
	if rec.ID == "" {
		return nil, fmt.Errorf("the record has no id")
	}
	if len(rec.Setup.Ops) == 0 {
		return nil, fmt.Errorf("record %s has no operation", rec.ID)
	}
	var c checker
	for i, op := range rec.Setup.Ops {
		if err := c.op(op); err != nil {
			return nil, fmt.Errorf("record %s, operation %d: %w", rec.ID, i+1, err)
		}
	}
	for i, e := range rec.Trace {
		var ev Event
		if err := json.Unmarshal(e, &ev); err != nil || ev == nil {
			return nil, fmt.Errorf("record %s: event %d of the trace is not an object: %s", rec.ID, i+1, e)
		}
	}
	return &rec, nil
}

// checker knows what the operations so far have made.
type checker struct {
	objs [slots]byte
	lock bool
}

func (c *checker) op(op []json.RawMessage) error {
	if len(op) == 0 {
		return fmt.Errorf("it is empty, or no list")
	}
	var name string
	if err := json.Unmarshal(op[0], &name); err != nil || name == "" {
		return fmt.Errorf("it begins with no name: %s", op[0])
	}
	for _, o := range operations {
		if o.name == name {
			if err := c.operands(o.operands, op[1:]); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return c.locks(name)
		}
	}
	return fmt.Errorf("unknown operation %q", name)
}

func (c *checker) operands(kinds string, given []json.RawMessage) error {
	must, may, _ := strings.Cut(kinds, "?")
	if len(given) != len(must) && len(given) != len(must)+len(may) {
		return fmt.Errorf("%d operands, %d expected", len(given), len(must))
	}
	all := must + may
	for i, raw := range given {
		if err := c.operand(all[i], raw); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) operand(kind byte, raw json.RawMessage) error {
	read := func(into any, what string) error {
		if string(raw) == "null" || json.Unmarshal(raw, into) != nil {
			return fmt.Errorf("%s is not %s", raw, what)
		}
		return nil
	}
	word := func(words ...string) error {
		var s string
		if read(&s, "") != nil || !slices.Contains(words, s) {
			return fmt.Errorf("%s is not %s", raw, strings.Join(words, " or "))
		}
		return nil
	}
	switch kind {
	case 'w':
		var ms int64
		if read(&ms, "") != nil || ms < 0 || ms > maxWait {
			return fmt.Errorf("%s is no time in milliseconds, of a day at most", raw)
		}
		return nil
	case 'n':
		return read(new(int32), "a whole number of 32 bits")
	case 'b':
		return read(new(bool), "true or false")
	case 'k':
		return word("notification", "synchronization")
	case 'h':
		return word("any", "all")
	case 'a':
		return word("and_wait")
	case 'l':
		return c.list(raw)
	}
	o := -1
	if read(&o, "") != nil || o < 0 || o >= slots {
		return fmt.Errorf("%s is no object: they are numbered from 0 to %d", raw, slots-1)
	}
	return c.object(kind, o)
}

// object checks that o is what an operation needs, or notes that it is made.
func (c *checker) object(kind byte, o int) error {
	switch is, upper := c.objs[o], kind&^0x20; {
	case kind == upper:
		c.objs[o] = kind
	case is == 0:
		return fmt.Errorf("object %d is used before an operation makes it", o)
	case kind != 'o' && is != upper:
		return fmt.Errorf("object %d is a %s, no %s", o, made[is], made[upper])
	}
	return nil
}

// maxMultiple is MAXIMUM_WAIT_OBJECTS.
const maxMultiple = 64

func (c *checker) list(raw json.RawMessage) error {
	var which []json.RawMessage
	if err := json.Unmarshal(raw, &which); err != nil || len(which) == 0 || len(which) > maxMultiple {
		return fmt.Errorf("%s is no list of 1 to %d objects", raw, maxMultiple)
	}
	for _, o := range which {
		if err := c.operand('o', o); err != nil {
			return err
		}
	}
	return nil
}

// locks keeps the order of the remove lock's operations.
func (c *checker) locks(name string) error {
	switch {
	case name == "remove_lock_init":
		c.lock = true
	case strings.Contains(name, "remove_lock") && !c.lock:
		return fmt.Errorf("%s: the remove lock is used before remove_lock_init", name)
	}
	return nil
}
