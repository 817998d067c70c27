package pool

// Null makes the address off bytes from NULL; NULL itself for 0. As in C it may be computed with, and whoever
// touches what is there dereferences NULL. Pages that were allocated without an address are counted from it.
func Null(off int) *Buffer {
	if off == 0 {
		return nil
	}
	return &Buffer{off: int32(off)}
}

// FromNull reports whether v is NULL or was computed from it, and how far from it.
func FromNull(v *Buffer) (off int, null bool) {
	if v == nil {
		return 0, true
	}
	return int(v.off), v.blk == nil
}
