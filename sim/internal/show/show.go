// Package show is how `ksim replay` learns from the process of a test what it prints of a run: the command
// asks in a variable of the environment, the test's machine answers in a file.
package show

import (
	"encoding/json"
	"os"
)

// Env is the variable that holds a Request.
const Env = "SIM_SHOW"

// Request says what to answer, and where.
type Request struct {
	File    string   // of the answer
	Width   int      // of the timeline; 0: no timeline
	Color   bool     // of the timeline
	Inspect []string // commands of the debugger
	Trace   bool
}

// Inspected is what one command printed. Err says why it could not.
type Inspected struct {
	Command, Err string
	Lines        []string
}

// Answer is a run in the forms that were asked for.
type Answer struct {
	Described string // run and options
	Timeline  string
	Inspected []Inspected
	Moment    string // which the commands show
	Verdict   string
	Trace     string // trace.jsonl
}

// Setting is the request as a setting of the environment.
func (r *Request) Setting() (string, error) {
	b, err := json.Marshal(r)
	return Env + "=" + string(b), err
}

// Asked gives the request that this process was started with, nil where there is none.
func Asked() *Request {
	r := &Request{}
	if json.Unmarshal([]byte(os.Getenv(Env)), r) != nil || r.File == "" {
		return nil
	}
	return r
}

// Answer writes what was asked for.
func (r *Request) Answer(a *Answer) error {
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return os.WriteFile(r.File, b, 0o600)
}

// Read reads the answer, nil where none was given.
func (r *Request) Read() *Answer {
	a := &Answer{}
	b, err := os.ReadFile(r.File)
	if err != nil || json.Unmarshal(b, a) != nil {
		return nil
	}
	return a
}
