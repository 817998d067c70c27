//go:build !linux && !darwin && !windows

package pool

import "errors"

// canProtect says that this system lacks what special pool needs: blocks come from the normal pool.
const canProtect = false

var errNoProtection = errors.ErrUnsupported

func reserve(int) ([]byte, error) { return nil, errNoProtection }
func commit([]byte) error         { return errNoProtection }
func protect([]byte) error        { return errNoProtection }
