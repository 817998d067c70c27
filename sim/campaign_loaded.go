package sim

import (
	"maps"
	"slices"

	"calloutsim/ntstatus"
)

// A driver that no run got loaded was never tried: its DriverEntry failed every time, or never returned, and
// everything behind it was skipped. That an exploration found nothing then says nothing.

// add takes up what a run has loaded.
func (l attempts) add(more attempts) {
	for name, loaded := range more {
		l[name] = l[name] || loaded
	}
}

// learns gives what a run adds: what it has loaded and no run before, or failed to load and nobody tried.
func (l attempts) learns(m *Machine) (news attempts) {
	for _, drv := range m.drivers {
		s, done := drv.EntryStatus()
		name, loaded := drv.Image().Name, done && ntstatus.NT_SUCCESS(s)
		if known, tried := l[name]; tried && (known || !loaded) {
			continue
		}
		if news == nil {
			news = attempts{}
		}
		news.add(attempts{name: loaded})
	}
	return news
}

// neverLoaded names the drivers that no run has loaded, in order.
func (e *explorer) neverLoaded() (names []string) {
	for _, name := range slices.Sorted(maps.Keys(e.loads)) {
		if !e.loads[name] {
			names = append(names, name)
		}
	}
	return names
}
