package ke

import "slices"

// Gives notes that the driver acting in k has given the system a routine to call, if anybody keeps account of
// these (Config.Callbacks). Whether it was called, the events tell.
func Gives(k *K, role string, fn uintptr) {
	if k.m.cfg.Callbacks && fn != 0 {
		k.m.gives(Given{Image: driverNum(k), Role: role, Fn: fn})
	}
}

// GivesFor is Gives for a routine of the driver img, which may be an entry of a table.
func GivesFor(k *K, img *Image, role string, fn uintptr, entry uint8, name string) {
	if k.m.cfg.Callbacks && fn != 0 && img != nil {
		k.m.gives(Given{Image: img.Num, Role: role, Fn: fn, Entry: entry, Name: name})
	}
}

func (m *Machine) gives(g Given) {
	if g.Image != 0 && !slices.Contains(m.given, g) {
		m.given = append(m.given, g)
	}
}

// Given lists the routines that drivers have given the system in this run, if Config.Callbacks says so.
func (m *Machine) Given() []Given { return m.given }
