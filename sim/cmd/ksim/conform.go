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
		Long: "conform replays records, one a line, and prints mismatches as diffs; - is standard\n" +
			"input. What is no record is said with its file and line, and the others are played all\n" +
			"the same.",
		Example: "  ksim conform irp_vectors.jsonl\n" +
			"  ksim conform ke_vectors.jsonl wsk_vectors.jsonl",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("conform: FILE.jsonl is missing")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			t := tally{out: c.OutOrStdout(), err: c.ErrOrStderr()}
			for _, file := range args {
				t.file(c.InOrStdin(), file)
			}
			return t.verdict()
		},
	}
}

// tally counts records.
type tally struct {
	out, err                 io.Writer
	passed, failed           int
	malformed, broken, files int // files that cannot be read or have no record
}

// maxMalformed is how many malformed records of one file are told.
const maxMalformed = 20

// maxLine is the longest line.
const maxLine = 64 << 20

// complain prints one line.
func (t *tally) complain(format string, args ...any) {
	text := []rune(strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " "))
	if len(text) > 300 {
		text = append(text[:300], '…')
	}
	fmt.Fprintf(t.err, "ksim: %s\n", string(text))
}

// file plays the records of a file; "-" is standard input.
func (t *tally) file(stdin io.Reader, name string) {
	in := stdin
	if name == "-" {
		name = "standard input"
	} else {
		f, err := os.Open(name)
		if err != nil {
			t.files++
			t.complain("conform: %v", err)
			return
		}
		defer f.Close()
		in = f
	}
	r := bufio.NewReaderSize(in, 64<<10)
	bad, records := 0, 0
	for n := 1; ; n++ {
		line, err := readLine(r)
		if line = bytes.TrimSpace(line); len(line) > 0 || errors.Is(err, errTooLong) {
			records++
		}
		switch {
		case errors.Is(err, errTooLong):
			bad++
			t.complain("%s:%d: %v", name, n, err)
		case err != nil && err != io.EOF && n == 1:
			t.files++
			t.complain("conform: %v", err)
			return
		case err != nil && err != io.EOF:
			t.files++
			t.complain("%s:%d: %v", name, n, err)
			return
		case len(line) > 0:
			if fault := t.record(line); fault != nil {
				bad++
				t.complain("%s:%d: %v", name, n, plain(fault))
			}
		}
		if err == io.EOF {
			break
		}
		if bad >= maxMalformed {
			t.complain("%s: %d malformed records; what comes behind them is not read", name, bad)
			break
		}
	}
	if t.malformed += bad; records == 0 {
		t.files++
		t.complain("conform: %s has no record", name)
	}
}

var errTooLong = fmt.Errorf("no record: the line is longer than %d MB", maxLine>>20)

// readLine reads to the end of a line, without keeping what is too long.
func readLine(r *bufio.Reader) (line []byte, err error) {
	long := false
	for {
		part, err := r.ReadSlice('\n')
		if long = long || len(line)+len(part) > maxLine; long {
			line = nil
		} else {
			line = append(line, part...)
		}
		switch {
		case err == bufio.ErrBufferFull:
		case long && (err == nil || err == io.EOF):
			return nil, errTooLong
		default:
			return line, err
		}
	}
}

// verdict prints the numbers and gives the exit code: files that cannot be played count most.
func (t *tally) verdict() error {
	fmt.Fprintf(t.out, "%d passed, %d failed", t.passed, t.failed)
	if t.malformed > 0 {
		fmt.Fprintf(t.out, ", %d malformed", t.malformed)
	}
	fmt.Fprintln(t.out)
	switch {
	case t.broken > 0:
		return &exit{code: exitFault}
	case t.malformed+t.files > 0:
		return &exit{code: exitUsage}
	case t.failed > 0:
		return &exit{code: exitFindings}
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

// record plays one record; an error says what is wrong with it.
func (t *tally) record(line []byte) (fault error) {
	defer func() {
		if v := recover(); v != nil {
			t.broken++
			fault = fmt.Errorf("a fault of the simulator itself: %v", v)
		}
	}()
	var s shape
	if err := json.Unmarshal(line, &s); err != nil {
		return fmt.Errorf("no record: %w", err)
	}
	if s.ID == "" {
		return fmt.Errorf("no record: it has no id")
	}
	play := s.player()
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
	fmt.Fprintf(t.out, "--- %s\n%s\n", s.ID, strings.TrimRight(mismatch, "\n"))
	return nil
}
