package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"calloutsim/internal/verify"
)

// jsonFinding fixes names and order of the fields. Files are base names, times nanoseconds.
type jsonFinding struct {
	Rule         string      `json:"rule"`
	Severity     string      `json:"severity"`
	Fatal        bool        `json:"fatal,omitempty"`
	Headline     string      `json:"headline"`
	Text         string      `json:"text,omitempty"`
	BugCheck     string      `json:"bugcheck,omitempty"`
	BugCheckName string      `json:"bugcheck_name,omitempty"`
	Args         []jsonArg   `json:"args,omitempty"`
	Obj          string      `json:"obj,omitempty"`
	Driver       string      `json:"driver,omitempty"`
	CPU          uint8       `json:"cpu"`
	IRQL         uint8       `json:"irql"`
	AllowedIRQL  *uint8      `json:"allowed_irql,omitempty"`
	Ctx          string      `json:"ctx,omitempty"`
	TimeNS       int64       `json:"t_ns"`
	Seq          uint64      `json:"seq"`
	Stack        []jsonFrame `json:"stack,omitempty"`
	Places       []jsonPlace `json:"places,omitempty"`
	Dump         []string    `json:"dump,omitempty"`
	Events       []string    `json:"events,omitempty"`
	Blocked      []string    `json:"blocked,omitempty"`
	Fix          string      `json:"fix,omitempty"`
	Signature    string      `json:"signature"`
}

type jsonArg struct {
	Value   string `json:"value"`
	Meaning string `json:"meaning,omitempty"`
}

type jsonFrame struct {
	Driver string `json:"driver,omitempty"`
	Func   string `json:"func"`
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
}

type jsonPlace struct {
	Label  string      `json:"label"`
	Seq    uint64      `json:"seq"`
	TimeNS int64       `json:"t_ns"`
	CPU    uint8       `json:"cpu"`
	IRQL   uint8       `json:"irql"`
	Ctx    string      `json:"ctx,omitempty"`
	Event  string      `json:"event,omitempty"`
	Stack  []jsonFrame `json:"stack,omitempty"`
}

// JSON gives one finding as one line without a line end. The same finding gives the same bytes.
func JSON(f *verify.Finding) ([]byte, error) {
	j := jsonFinding{Rule: f.Name(), Severity: f.Severity().String(), Fatal: f.Fatal(),
		Headline: f.Headline, Text: f.Text, Obj: f.Obj, Driver: f.Driver, CPU: f.CPU, IRQL: f.IRQL,
		Ctx: f.Ctx, TimeNS: f.Time * 100, Seq: f.Seq, Stack: jsonStack(f.Stack), Dump: f.Dump,
		Events: f.Events, Blocked: f.Blocked, Fix: f.Fix, Signature: f.Signature()}
	if f.BugCheck != 0 {
		j.BugCheck = fmt.Sprintf("0x%X", f.BugCheck)
		j.BugCheckName = verify.BugCheckName(f.BugCheck)
	}
	if f.BugCheck != 0 || f.Args != [4]verify.Arg{} {
		for _, a := range f.Args {
			j.Args = append(j.Args, jsonArg{Value: cmp.Or(a.Value, "0"), Meaning: a.Meaning})
		}
	}
	if p := (printer{f: f, row: verify.Rule(f.Rule)}); p.limited() {
		j.AllowedIRQL = &f.AllowedIRQL
	}
	for _, l := range f.Places {
		j.Places = append(j.Places, jsonPlace{Label: l.Label, Seq: l.Seq, TimeNS: l.Time * 100, CPU: l.CPU,
			IRQL: l.IRQL, Ctx: l.Ctx, Event: l.Event, Stack: jsonStack(l.Stack)})
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // event lines hold arrows
	if err := e.Encode(j); err != nil {
		return nil, fmt.Errorf("finding %s: %w", strings.TrimSpace(j.Rule), err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func jsonStack(st []verify.Frame) []jsonFrame {
	var out []jsonFrame
	for _, s := range st {
		out = append(out, jsonFrame{Driver: s.Driver, Func: s.Func, File: base(s.File), Line: s.Line})
	}
	return out
}
