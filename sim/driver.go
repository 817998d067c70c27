package sim

import (
	"calloutsim/irp"
	"calloutsim/ntstatus"
)

// Load loads a driver: its DriverEntry runs in a system thread, and the machine until it has returned. A
// DriverEntry that fails ends the run: where something was made to fail in it, or Windows gave an answer that
// is not the boring one, without a word; else the test fails, with the status and where it comes from.
func (m *Machine) Load(name string, entry irp.DRIVER_INITIALIZE) *irp.DRIVER_OBJECT {
	m.tb.Helper()
	drv, s := m.load(name, entry)
	if !ntstatus.NT_SUCCESS(s) && !m.ke.Dead() {
		m.refusedLoad(m.entryRefused(drv, entry, s))
	}
	return drv
}

// LoadStatus is Load for a test that looks at what DriverEntry returned, STATUS_PENDING where a violation
// ended the run before it did. A failure that nothing in the run accounts for fails the test, unless MayFail
// was told of DriverEntry.
func (m *Machine) LoadStatus(name string,
	entry irp.DRIVER_INITIALIZE) (drv *irp.DRIVER_OBJECT, status ntstatus.NTSTATUS) {
	m.tb.Helper()
	drv, status = m.load(name, entry)
	if !ntstatus.NT_SUCCESS(status) && !m.ke.Dead() {
		m.refuse(m.entryRefused(drv, entry, status))
	}
	return drv, status
}

func (m *Machine) load(name string, entry irp.DRIVER_INITIALIZE) (*irp.DRIVER_OBJECT, ntstatus.NTSTATUS) {
	m.tb.Helper()
	drv := irp.Sim.LoadDriver(m.ke, name, entry)
	m.Service(name, entry)
	m.loaded(drv)
	done := func() bool { _, done := drv.EntryStatus(); return done }
	if !m.runUntil(done) && !done() {
		m.stuck(driverEntry + " of " + name)
		return drv, ntstatus.STATUS_PENDING
	}
	s, _ := drv.EntryStatus()
	return drv, s
}

// Service makes a driver known to the registry without loading it: a driver may do so with ZwLoadDriver, and
// the key `\Registry\Machine\System\CurrentControlSet\Services\` + name. A driver that was loaded with Load
// has such a key, too.
func (m *Machine) Service(name string, entry irp.DRIVER_INITIALIZE) {
	irp.Sim.AddService(m.ke, name, entry, m.loaded)
}

func (m *Machine) loaded(drv *irp.DRIVER_OBJECT) { m.drivers = append(m.drivers, drv) }

// Unload calls the unload routine of a driver in a system thread, runs the machine until it has returned,
// and makes the checks of the UNLOAD family; what they find is reported at the end of the run.
func (m *Machine) Unload(name string) {
	m.tb.Helper()
	drv := m.Driver(name)
	if m.ke.Dead() {
		return // with Collect, or in a deferred call: a violation ended the run
	}
	if drv == nil || drv.Unloaded() {
		fatalf(m.tb, "sim: there is no driver %s to unload", name)
	}
	if !irp.Sim.UnloadDriver(m.ke, drv) {
		fatalf(m.tb, "sim: %s cannot be unloaded: its DriverUnload is nil, or it is being unloaded", name)
	}
	if !m.runUntil(drv.Unloaded) && !drv.Unloaded() {
		m.stuck("DriverUnload of " + name)
	}
}

// Driver gives the driver that was loaded last under a name, nil if there is none.
func (m *Machine) Driver(name string) *irp.DRIVER_OBJECT {
	for i := len(m.drivers) - 1; i >= 0; i-- {
		if m.drivers[i].Image().Name == name {
			return m.drivers[i]
		}
	}
	return nil
}

// stuck is called when a routine that has to return did not, and nothing can run any more.
func (m *Machine) stuck(routine string) {
	m.tb.Helper()
	if m.ke.Dead() {
		return // with Collect: a violation ended the run
	}
	m.ke.RunEndChecks() // what is found here says why
	if m.violated() {
		if !m.opt.Collect {
			m.fail()
		}
		return
	}
	words := routine + " does not return: it waits, and nothing can run any more"
	for _, drv := range m.drivers {
		if why := irp.Sim.WhyLoaded(m.ke, drv); why != "" && routine == "DriverUnload of "+drv.Image().Name {
			words = routine + " is not called: " + why
		}
	}
	m.toldLeft = true
	fatalf(m.tb, "sim: %s%s", words, m.whyStuck())
}
