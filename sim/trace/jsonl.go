package trace

import (
	"bufio"
	"encoding/json"
	"io"

	"calloutsim/internal/trace"
)

// Schema names the form of trace.jsonl; it changes when a reader would have to.
const Schema = "calloutsim-trace/1"

// Header is the first line of trace.jsonl.
type Header struct {
	Schema   string        `json:"schema"`
	Scenario string        `json:"scenario,omitempty"`
	Seed     uint64        `json:"seed"`
	Token    string        `json:"token,omitempty"`
	Options  any           `json:"options,omitempty"`
	Drivers  []string      `json:"drivers,omitempty"`
	Contexts []ContextName `json:"contexts,omitempty"`
	Dropped  uint64        `json:"dropped,omitempty"` // events before the first one kept
}

// ContextName is the name of one context that has events.
type ContextName struct {
	Ctx  uint16 `json:"ctx"`
	Name string `json:"name"`
}

// record is one event line of trace.jsonl.
type record struct {
	Seq    uint64            `json:"seq"`
	TimeNS int64             `json:"t_ns"`
	CPU    uint8             `json:"cpu"`
	IRQL   uint8             `json:"irql"`
	Ctx    uint16            `json:"ctx"`
	Driver string            `json:"driver,omitempty"`
	Kind   string            `json:"kind"`
	Name   string            `json:"name,omitempty"`
	Args   map[string]string `json:"args,omitempty"` // printed in order of key
	Obj    string            `json:"obj,omitempty"`
	Src    string            `json:"src,omitempty"`
}

// kinds are the words for the sorts of events.
var kinds = [...]string{trace.Call: "call", trace.Return: "return", trace.Enter: "enter",
	trace.Leave: "leave", trace.Switch: "switch", trace.Start: "start", trace.End: "end", trace.Wake: "wake",
	trace.Deliver: "deliver", trace.Clock: "clock", trace.Note: "note", trace.Finding: "finding"}

// WriteJSONL writes the header and one object per event. The same run gives the same bytes.
func WriteJSONL(w io.Writer, h Header, log *trace.Log, n *Names) error {
	b := bufio.NewWriter(w)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	h.Schema, h.Dropped = Schema, log.First()-1
	h.Contexts = contexts(log, n)
	if err := enc.Encode(h); err != nil {
		return err
	}
	for seq := log.First(); seq <= log.Len(); seq++ {
		if err := enc.Encode(newRecord(seq, log.At(seq), n)); err != nil {
			return err
		}
	}
	return b.Flush()
}

// contexts lists the contexts that have events, in order of appearance.
func contexts(log *trace.Log, n *Names) []ContextName {
	var out []ContextName
	seen := map[uint16]bool{0: true}
	for seq := log.First(); seq <= log.Len(); seq++ {
		if c := log.At(seq).Ctx; !seen[c] {
			seen[c] = true
			out = append(out, ContextName{c, n.context(c)})
		}
	}
	return out
}

func newRecord(seq uint64, e *trace.Event, n *Names) record {
	r := record{Seq: seq, TimeNS: (e.Time - n.Start) * 100, CPU: e.CPU, IRQL: e.IRQL, Ctx: e.Ctx,
		Driver: n.driver(e.Driver), Kind: kinds[e.What], Src: ask(n.Source, seq)}
	if e.Obj != 0 {
		r.Obj = e.Obj.String()
	}
	arg := func(key, value string) {
		if value == "" {
			return
		}
		if r.Args == nil {
			r.Args = map[string]string{}
		}
		r.Args[key] = value
	}
	switch e.What {
	case trace.Call, trace.Return:
		r.Name = e.Code.String()
		arg("text", e.Text)
	case trace.Finding:
		r.Name = n.rule(e.A)
		return r
	default:
		r.Name = e.Text
	}
	if e.Obj2 != 0 {
		arg("obj2", e.Obj2.String())
	}
	arg("fn", n.routine(e.Fn))
	if e.Flags&trace.HasA != 0 {
		arg("a", number(e.A, e.Flags&trace.HexA != 0))
	}
	if e.Flags&trace.HasB != 0 {
		arg("b", number(e.B, e.Flags&trace.HexB != 0))
	}
	if s := status(e); s != "" {
		arg("status", s[1:])
	}
	return r
}
