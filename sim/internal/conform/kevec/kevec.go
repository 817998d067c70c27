// Package kevec plays the recorded behaviour of dispatcher objects (ke_vectors.jsonl): a list of operations
// that one thread performs at PASSIVE_LEVEL, and the events an independent implementation produced for it.
package kevec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// slots is the number of objects a record may use.
const slots = 8

// Event is one event of a trace: "ev" and what the operation logs.
type Event map[string]any

type record struct {
	ID    string `json:"id"`
	Setup struct {
		Ops [][]json.RawMessage `json:"ops"`
	} `json:"setup"`
	Trace []json.RawMessage `json:"trace"`
}

// Run plays one record on a machine of its own. mismatch is "" when the events are those recorded, otherwise
// a line for each difference; err says that the record cannot be played.
func Run(line []byte) (mismatch string, err error) {
	rec, err := parse(line)
	if err != nil {
		return "", err
	}
	m := ke.New(ke.Config{Events: -1, Continues: func(verify.RuleID) bool { return true }})
	defer m.Close()
	g := &game{rec: rec}
	m.NewThread("vector "+rec.ID, nil, g.play)
	if broke := ended(m); broke != "" {
		return fmt.Sprintf("%s: the run ended early: %s", rec.ID, broke), nil
	}
	if g.err != nil {
		return "", fmt.Errorf("record %s: %w", rec.ID, g.err)
	}
	if f := m.Findings(); len(f) > 0 {
		return fmt.Sprintf("%s: finding %v %s", rec.ID, f[0].Rule, f[0].Headline), nil
	}
	return compare(rec, g.log)
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
	return ""
}

func compare(rec *record, got []Event) (string, error) {
	var b strings.Builder
	for i := range max(len(got), len(rec.Trace)) {
		want, have := "nothing", "nothing"
		if i < len(rec.Trace) {
			var e Event
			if err := json.Unmarshal(rec.Trace[i], &e); err != nil {
				return "", err
			}
			want = text(e)
		}
		if i < len(got) {
			have = text(got[i])
		}
		if want != have {
			fmt.Fprintf(&b, "%s event %d: recorded %s, got %s\n", rec.ID, i, want, have)
		}
	}
	return b.String(), nil
}

// text is the canonical form of an event: JSON with sorted keys.
func text(e Event) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(b.String())
}

// game is the state of one play.
type game struct {
	rec  *record
	objs [slots]any
	lock irp.IO_REMOVE_LOCK
	log  []Event
	err  error
}

func (g *game) play(k *irql.K) {
	for i, op := range g.rec.Setup.Ops {
		if err := g.step(k, op); err != nil {
			g.err = fmt.Errorf("operation %d: %w", i+1, err)
			return
		}
	}
}

func (g *game) emit(ev string, obj int, key string, value any) {
	g.log = append(g.log, Event{"ev": ev, "obj": obj, key: value})
}

// args reads the operands after the name of an operation.
func args(op []json.RawMessage, into ...any) error {
	if len(op)-1 < len(into) {
		return fmt.Errorf("%s: %d operands, %d expected", op[0], len(op)-1, len(into))
	}
	for i, p := range into {
		if err := json.Unmarshal(op[i+1], p); err != nil {
			return fmt.Errorf("%s: %w", op[0], err)
		}
	}
	return nil
}

func (g *game) step(k *irql.K, op []json.RawMessage) error {
	var name string
	if err := json.Unmarshal(op[0], &name); err != nil {
		return err
	}
	if strings.Contains(name, "remove_lock") {
		return g.removeLock(k, op)
	}
	if name == "sleep" {
		var ms int64
		err := args(op, &ms)
		due := -ms * ke.Millisecond
		irql.KeDelayExecutionThread(k, irql.KernelMode, false, &due)
		return err
	}
	if name == "wait_multiple" {
		return g.waitMultiple(k, op)
	}
	var o int
	if err := args(op, &o); err != nil {
		return err
	}
	if o < 0 || o >= slots {
		return fmt.Errorf("%s: no object %d", name, o)
	}
	return g.onObject(k, name, o, op)
}

func (g *game) onObject(k *irql.K, name string, o int, op []json.RawMessage) error {
	var ms int64
	switch name {
	case "event", "semaphore", "mutex", "timer":
		return g.make(k, name, o, op)
	case "set":
		return with(g, o, func(e *irql.KEVENT) {
			g.emit(name, o, "previous", irql.KeSetEvent(k, e, 0, false) != 0)
		})
	case "reset":
		return with(g, o, func(e *irql.KEVENT) { g.emit(name, o, "previous", irql.KeResetEvent(k, e) != 0) })
	case "clear":
		return with(g, o, func(e *irql.KEVENT) { irql.KeClearEvent(k, e) })
	case "release_semaphore":
		var n int32
		if err := args(op, &o, &n); err != nil {
			return err
		}
		return with(g, o, func(s *irql.KSEMAPHORE) {
			g.emit(name, o, "previous", irql.KeReleaseSemaphore(k, s, 0, n, false))
		})
	case "release_mutex":
		return with(g, o, func(m *irql.KMUTEX) {
			g.emit(name, o, "previous", irql.KeReleaseMutex(k, m, false))
		})
	case "read":
		return g.read(k, o)
	case "wait":
		if len(op) > 2 {
			if err := args(op, &o, &ms); err != nil {
				return err
			}
		}
		due := -ms * ke.Millisecond
		s := irql.KeWaitForSingleObject(k, g.objs[o], irql.Executive, irql.KernelMode, false, &due)
		g.emit(name, o, "ret", hex(s))
		return nil
	case "set_timer":
		if err := args(op, &o, &ms); err != nil {
			return err
		}
		return with(g, o, func(t *irql.KTIMER) {
			g.emit(name, o, "was_set", irql.KeSetTimer(k, t, -ms*ke.Millisecond, nil))
		})
	case "cancel_timer":
		return with(g, o, func(t *irql.KTIMER) { g.emit(name, o, "was_set", irql.KeCancelTimer(k, t)) })
	}
	return fmt.Errorf("unknown operation %q", name)
}

// with hands object o to fn if it is a T.
//
//go:norace
func with[T any](g *game, o int, fn func(T)) error {
	t, ok := g.objs[o].(T)
	if !ok {
		return fmt.Errorf("object %d is a %T", o, g.objs[o])
	}
	fn(t)
	return nil
}

func (g *game) make(k *irql.K, name string, o int, op []json.RawMessage) error {
	var kind string
	switch name {
	case "event":
		var state bool
		e := &irql.KEVENT{}
		g.objs[o] = e
		err := args(op, &o, &kind, &state)
		t := irql.NotificationEvent
		if kind == "synchronization" {
			t = irql.SynchronizationEvent
		}
		irql.KeInitializeEvent(k, e, t, state)
		return err
	case "semaphore":
		var count, limit int32
		s := &irql.KSEMAPHORE{}
		g.objs[o] = s
		err := args(op, &o, &count, &limit)
		irql.KeInitializeSemaphore(k, s, count, limit)
		return err
	case "mutex":
		m := &irql.KMUTEX{}
		g.objs[o] = m
		irql.KeInitializeMutex(k, m, 0)
		return nil
	}
	t := &irql.KTIMER{}
	g.objs[o] = t
	err := args(op, &o, &kind)
	tt := irql.NotificationTimer
	if kind == "synchronization" {
		tt = irql.SynchronizationTimer
	}
	irql.KeInitializeTimerEx(k, t, tt)
	return err
}

func (g *game) read(k *irql.K, o int) error {
	switch x := g.objs[o].(type) {
	case *irql.KEVENT:
		g.emit("read", o, "state", irql.KeReadStateEvent(k, x))
	case interface{ Header() *ke.Object }:
		g.emit("read", o, "state", x.Header().Signal)
	default:
		return fmt.Errorf("object %d is a %T", o, x)
	}
	return nil
}

func (g *game) waitMultiple(k *irql.K, op []json.RawMessage) error {
	var how string
	var which []int
	if err := args(op, &how, &which); err != nil {
		return err
	}
	t := irql.WaitAny
	if how == "all" {
		t = irql.WaitAll
	}
	var objs []any
	for _, o := range which {
		if o < 0 || o >= slots || g.objs[o] == nil {
			return fmt.Errorf("no object %d", o)
		}
		objs = append(objs, g.objs[o])
	}
	zero := int64(0)
	s := irql.KeWaitForMultipleObjects(k, uint32(len(objs)), objs, t, irql.Executive, irql.KernelMode, false,
		&zero, make([]irql.KWAIT_BLOCK, len(objs)))
	g.log = append(g.log, Event{"ev": "wait_" + how, "ret": hex(s)})
	return nil
}

// vectorTag is the one tag of a record's acquisitions.
const vectorTag = "Vect"

func (g *game) removeLock(k *irql.K, op []json.RawMessage) error {
	words := make([]string, len(op))
	for i := range op {
		if err := json.Unmarshal(op[i], &words[i]); err != nil {
			return err
		}
	}
	switch strings.Join(words, " ") {
	case "remove_lock_init":
		irp.IoInitializeRemoveLock(k, &g.lock, irp.Tag(vectorTag), 0, 0)
	case "acquire_remove_lock":
		s := irp.IoAcquireRemoveLock(k, &g.lock, vectorTag)
		g.log = append(g.log, Event{"ev": words[0], "ret": hex(s)})
	case "release_remove_lock":
		irp.IoReleaseRemoveLock(k, &g.lock, vectorTag)
	case "release_remove_lock and_wait":
		irp.IoReleaseRemoveLockAndWait(k, &g.lock, vectorTag)
		g.log = append(g.log, Event{"ev": "release_remove_lock_and_wait"})
	default:
		return fmt.Errorf("%s: unknown form", strings.Join(words, " "))
	}
	return nil
}

func hex(s ntstatus.NTSTATUS) string { return fmt.Sprintf("0x%08x", uint32(s)) }
