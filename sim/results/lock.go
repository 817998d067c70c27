package results

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// lockExt ends the name of the file that says that somebody writes a result file.
const lockExt = ".lock"

// ErrLocked means that somebody else writes the file.
var ErrLocked = errors.New("another process writes these results")

// Lock keeps others from writing a result file.
type Lock struct{ f *os.File }

// TakeLock makes the caller the one that writes the result file with this name, or says that somebody else
// does. It makes the directory.
func TakeLock(path string) (*Lock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	for {
		f, err := openLocked(path + lockExt)
		if err != nil {
			if errors.Is(err, ErrLocked) {
				return nil, fmt.Errorf("%s: %w; name another directory, or wait for it", path, err)
			}
			return nil, err
		}
		mine, err1 := f.Stat()
		now, err2 := os.Stat(path + lockExt)
		if err1 == nil && err2 == nil && os.SameFile(mine, now) {
			return &Lock{f}, nil
		}
		_ = f.Close() // its owner has removed it meanwhile
		if err2 != nil && !errors.Is(err2, fs.ErrNotExist) {
			return nil, err2
		}
	}
}

// Release lets others write.
func (l *Lock) Release() {
	if l == nil || l.f == nil {
		return
	}
	removeLocked(l.f)
	l.f = nil
}
