package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// writable says early that a file cannot be written. What the file holds stays as it is.
func writable(name string) error {
	st, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f, err := beside(name)
		if err != nil {
			return err
		}
		return errors.Join(f.Close(), os.Remove(f.Name()))
	case err != nil:
		return err
	case st.IsDir():
		return &os.PathError{Op: "open", Path: name, Err: errors.New("is a directory")}
	}
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// beside makes a file in the folder of the one with this name.
func beside(name string) (*os.File, error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".ksim-*")
	var p *os.PathError
	if errors.As(err, &p) {
		p.Path = name // the one that was asked for
	}
	return f, err
}

// replaceFile writes a file so that there is the old one or the new one, whatever happens: beside it, and
// under its name when it is complete. A device or pipe is written directly.
func replaceFile(name string, data []byte) error {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target
	}
	if st, err := os.Stat(name); err == nil && !st.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.Write(data)
		return errors.Join(err, f.Close())
	}
	f, err := beside(name)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// spill is standard output; what cannot be written there, because it is closed or its disk is full, goes to
// standard error.
type spill struct {
	to, err io.Writer
	fault   error
	wrapped io.Writer // to, in lines as long as the screen; nil where there is none
}

// Write writes p somewhere.
func (s *spill) Write(p []byte) (int, error) {
	n := 0
	to := s.to
	if s.wrapped != nil {
		to = s.wrapped
	}
	if s.fault == nil {
		if n, s.fault = to.Write(p); s.fault == nil {
			return n, nil
		}
	}
	_, err := s.err.Write(p[n:])
	return len(p), err
}

// fileOf is the file that w writes to, nil where there is none.
func fileOf(w io.Writer) *os.File {
	if s, ok := w.(*spill); ok {
		w = s.to
	}
	f, _ := w.(*os.File)
	return f
}
