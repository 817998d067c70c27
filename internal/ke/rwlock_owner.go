package ke

// GiveRW makes key the owner of what the thread of k has of l, which it owns or shares. Any thread may
// release it for that owner.
func GiveRW(k *K, l *RWLock, key uint64) {
	Adds(k, Writes(l.ID))
	i := l.index(k.owns())
	l.owners[i].t, l.owners[i].key = nil, key
}

// RWOwner says which thread owns or shares l under an id, nil for an owner that is no thread; found is false
// when nobody does. id is the key of GiveRW, or that of a thread as asked of idOf.
func RWOwner(l *RWLock, id uint64, idOf func(t *Thread) uint64) (t *Thread, n int, found bool) {
	if i := l.find(id, idOf); i >= 0 {
		return l.owners[i].t, l.owners[i].count, true
	}
	return nil, 0, false
}

func (l *RWLock) find(id uint64, idOf func(t *Thread) uint64) int {
	for i := range l.owners {
		o := &l.owners[i]
		if o.t != nil && idOf(o.t) == id || o.t == nil && o.key == id {
			return i
		}
	}
	return -1
}

// ReleaseRWFor is ReleaseRW for an owner that RWOwner has found.
func ReleaseRWFor(k *K, l *RWLock, id uint64, idOf func(t *Thread) uint64) {
	Adds(k, Releases(l.ID))
	l.releaseAt(k, l.find(id, idOf))
}
