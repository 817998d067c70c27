//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package results

import (
	"errors"
	"io/fs"
	"os"
)

// openLocked makes a file that is not there yet. Where the process that made it has died the file stays, and
// has to be removed by hand.
func openLocked(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil, ErrLocked
	}
	return f, err
}

func removeLocked(f *os.File) {
	_ = f.Close()
	_ = os.Remove(f.Name())
}
