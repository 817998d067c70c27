package irp

import (
	"calloutsim/internal/ke"
	"calloutsim/irql"
)

// SystemDriver makes a driver object and one device for a part of the system that is modelled in a package
// above: every major function is dispatch, and its code acts for the system driver of that name. It is not a
// routine of Windows.
func (sim) SystemDriver(k *irql.K, name string, dispatch DRIVER_DISPATCH,
	rules *SubsystemRules) *DEVICE_OBJECT {
	io := state.Of(k)
	drv := io.newDriver(ke.Of(k).NewImage(name))
	for i := range drv.MajorFunction {
		drv.MajorFunction[i] = dispatch
	}
	drv.system, drv.image.System = true, true
	dev := io.newDevice(drv, "")
	dev.Flags &^= DO_DEVICE_INITIALIZING
	dev.special = rules
	return dev
}

// Own reports whether the IRP is with the driver that made it, as opposed to one passed down from above.
func (sim) Own(p *IRP) bool { return p.backWithCreator() }

// Fresh reports whether the IRP has not been sent since it was made or made new with IoReuseIrp.
func (sim) Fresh(p *IRP) bool { return p.state == stCreator && !p.sent }
