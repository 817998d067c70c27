package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// player replays one recorded record. A mismatch is a diff; an error means that the record makes no sense.
type player func(line []byte) (mismatch string, err error)

func newConform() *cobra.Command {
	return &cobra.Command{
		Use:   "conform FILE.jsonl...",
		Short: "Replay recorded behaviour; print mismatches as diffs",
		Example: "  ksim conform irp_vectors.jsonl\n" +
			"  ksim conform ke_vectors.jsonl",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("conform: FILE.jsonl is missing")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			var t tally
			for _, file := range args {
				if err := t.file(c.OutOrStdout(), file); err != nil {
					return err
				}
			}
			fmt.Fprintf(c.OutOrStdout(), "%d passed, %d failed\n", t.passed, t.failed)
			if t.failed > 0 {
				return &exit{code: exitFindings}
			}
			return nil
		},
	}
}

// tally counts records.
type tally struct{ passed, failed int }

func (t *tally) file(w io.Writer, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return usagef("conform: %v", err)
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	in.Buffer(nil, 64<<20)
	n, records := 0, 0
	for in.Scan() {
		n++
		line := bytes.TrimSpace(in.Bytes())
		if len(line) == 0 {
			continue
		}
		records++
		if err := t.record(w, line); err != nil {
			return usagef("%s:%d: %v", name, n, plain(err))
		}
	}
	switch err := in.Err(); {
	case err != nil && n == 0:
		return usagef("conform: %v", err)
	case err != nil:
		return usagef("%s:%d: %v", name, n+1, err)
	case records == 0:
		return usagef("conform: %s has no record", name)
	}
	return nil
}

// plain words a value of the wrong JSON type without the names that Go code has for it.
func plain(err error) error {
	var e *json.UnmarshalTypeError
	switch {
	case !errors.As(err, &e):
		return err
	case e.Field == "":
		return fmt.Errorf("no record: JSON %s in an unexpected place", e.Value)
	}
	return fmt.Errorf("no record: JSON %s in an unexpected place, %s", e.Value, e.Field)
}

// shape is what tells the kinds of records apart.
type shape struct {
	ID        string `json:"id"`
	Certainty string `json:"certainty"` // WSK records say how sure they are
	Setup     struct {
		Programs json.RawMessage `json:"programs"`
		Ops      json.RawMessage `json:"ops"`
	} `json:"setup"`
}

func (t *tally) record(w io.Writer, line []byte) error {
	var s shape
	if err := json.Unmarshal(line, &s); err != nil {
		return fmt.Errorf("no record: %w", err)
	}
	if s.ID == "" {
		return fmt.Errorf("no record: it has no id")
	}
	play := s.player()
	if play == nil && s.Certainty != "" {
		return fmt.Errorf("record %s is a WSK record; those of the I/O manager and the kernel are replayed",
			s.ID)
	}
	if play == nil {
		return fmt.Errorf("record %s is of no kind known here: its setup has neither programs nor ops", s.ID)
	}
	mismatch, err := play(line)
	if err != nil {
		return err
	}
	if mismatch == "" {
		t.passed++
		return nil
	}
	t.failed++
	fmt.Fprintf(w, "--- %s\n%s\n", s.ID, strings.TrimRight(mismatch, "\n"))
	return nil
}
