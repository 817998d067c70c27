package irp

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// LoadDriver makes a driver object and starts DriverEntry in a system thread. The harness runs the machine
// until EntryStatus says that it has returned. It is not a routine of Windows.
func (sim) LoadDriver(m *ke.Machine, name string, entry DRIVER_INITIALIZE) *DRIVER_OBJECT {
	Sim.AddService(m, name, entry, nil)
	return loadDriver(m, name, entry)
}

func loadDriver(m *ke.Machine, name string, entry DRIVER_INITIALIZE) *DRIVER_OBJECT {
	io := state.On(m)
	drv := io.newDriver(m.NewImage(name))
	drv.inEntry = true
	m.NewThread("DriverEntry of "+name, nil, func(k *ke.K) {
		driverMapped(k, drv.image)
		ke.Push(k, ke.Frame{Kind: ke.FrameEntry, Image: drv.image, Object: drv, Obj: drv.id,
			Fn: ke.CodeOf(entry)})
		s := entry(k, drv, servicesKey+`\`+name)
		if ntstatus.NT_SUCCESS(s) {
			for d := drv.DeviceObject; d != nil; d = d.NextDevice {
				d.checkFlags(k)
			}
		}
		ke.PopStatus(k, s)
		drv.inEntry, drv.entered, drv.entry = false, true, s
		ke.Adds(k, ke.Writes(io.names))
		ke.Adds(k, ke.Writes(drv.id))
		for i, fn := range drv.MajorFunction {
			if fn == nil {
				drv.MajorFunction[i] = invalidDeviceRequest
			} else if ke.CodeOf(fn) != ke.CodeOf(DRIVER_DISPATCH(invalidDeviceRequest)) {
				ke.GivesFor(k, drv.image, "DRIVER_DISPATCH", ke.CodeOf(fn), uint8(i), Sim.MajorName(uint8(i)))
			}
			drv.table[i] = ke.CodeOf(drv.MajorFunction[i])
		}
		ke.GivesFor(k, drv.image, "DRIVER_UNLOAD", ke.CodeOf(drv.DriverUnload), 0, "")
		ke.GivesFor(k, drv.image, "DRIVER_STARTIO", ke.CodeOf(drv.DriverStartIo), 0, "")
		if ntstatus.NT_SUCCESS(s) {
			drv.Flags |= DRVO_INITIALIZED
		}
		io.noteNonPnp(drv)
		for d := drv.DeviceObject; d != nil; d = d.NextDevice {
			d.Flags &^= DO_DEVICE_INITIALIZING // devices made inside DriverEntry are ready when it returns
		}
		if !ntstatus.NT_SUCCESS(s) {
			io.unloaded(k, drv)
		}
		ke.SetSignal(k, &drv.turned, 1)
	})
	return drv
}

// EntryStatus returns what DriverEntry returned; done is false while it still runs.
func (d *DRIVER_OBJECT) EntryStatus() (status ntstatus.NTSTATUS, done bool) {
	return d.entry, d.entered
}

// Unloaded reports whether the image is gone.
func (d *DRIVER_OBJECT) Unloaded() bool { return d.gone }

// UnloadDriver calls the unload routine in a system thread and makes the checks of the UNLOAD family when it
// has returned. A driver without DriverUnload cannot be unloaded; then nothing happens and false is returned.
func (sim) UnloadDriver(m *ke.Machine, drv *DRIVER_OBJECT) bool {
	io := state.On(m)
	if drv.DriverUnload == nil || drv.gone || drv.stopping {
		return false
	}
	drv.stopping = true
	drv.Flags |= DRVO_UNLOAD_INVOKED
	m.NewThread("DriverUnload of "+drv.image.Name, nil, func(k *ke.K) {
		for io.isUsed(k, drv) { // not called while a device of the driver is referenced (irp.md 22)
			ke.Wait(k, []*ke.Object{&drv.idle}, false, nil, "the last file object of a device")
		}
		drv.image.Unloading = true
		io.m.Ends(drv.id)
		ke.Push(k, ke.Frame{Kind: ke.FrameUnload, Image: drv.image, Object: drv, Obj: drv.id,
			Fn: ke.CodeOf(drv.DriverUnload)})
		drv.DriverUnload(k, drv)
		ke.Pop(k)
		ke.SetSignal(k, &drv.turned, 1)
		io.unloaded(k, drv)
	})
	return true
}

// unloaded takes the image away. An I/O work item or a referenced device holds it until the routine has run.
func (io *ioManager) unloaded(k *irql.K, drv *DRIVER_OBJECT) {
	for io.holdsImage(k, drv) {
		ke.Wait(k, []*ke.Object{&drv.idle}, false, nil, "the end of a work item")
	}
	io.m.RunUnloadChecks(drv.image)
	drv.freeExtensions(k)
	drv.image.Unloaded = true
	io.m.Ends(drv.id)
	drv.gone = true
}

// isUsed reports whether a device of the driver is open or has another device attached to it.
func (io *ioManager) isUsed(k *irql.K, drv *DRIVER_OBJECT) bool {
	ke.Adds(k, ke.Writes(drv.id))
	for d := drv.DeviceObject; d != nil; d = d.NextDevice {
		ke.Adds(k, ke.Reads(stackOf(d.id)))
	}
	return len(io.openFiles(drv)) > 0 || drv.attached() != nil
}

// holdsImage reports whether a queued or running work item keeps the driver loaded (irp.md 18).
func (io *ioManager) holdsImage(k *irql.K, drv *DRIVER_OBJECT) bool {
	ke.Adds(k, ke.Writes(drv.id))
	for _, w := range io.items {
		if w.drv == drv && w.queued {
			return true
		}
	}
	return drv.exRoutines > 0 || drv.working > 0
}

// checkUnload makes this package's checks when a driver is gone: devices, IRPs with its routines, IRPs it
// made.
func (io *ioManager) checkUnload(m *ke.Machine, img *ke.Image) {
	for _, d := range io.devices {
		if d.DriverObject.image == img && !d.deleted { // a deleted one waits for references of others
			m.ReportEnd(verify.Finding{Rule: verify.UNLOAD_006, Obj: d.id.String(), Driver: img.Name,
				Ctx:      "unload of " + img.Name,
				Headline: fmt.Sprintf("%s is unloaded and its device %v still exists", img.Name, d.id),
				Places:   []verify.Place{{Label: "CREATED", Seq: d.seq}}})
		}
	}
	for _, w := range io.items {
		if w.drv.image == img && !w.own() {
			m.ReportEnd(verify.Finding{Rule: verify.UNLOAD_001, Case: "work item", Obj: w.id.String(),
				Driver: img.Name, Ctx: "unload of " + img.Name,
				Headline: fmt.Sprintf("%s is unloaded and its work item %v was never freed",
					img.Name, w.id),
				Args:   verify.Params(nil, img.Name),
				Places: []verify.Place{{Label: "ALLOCATED", Seq: w.seq}}})
		}
	}
	io.checkNames(m, img)
	io.checkReferences(m, img)
	for _, d := range io.drivers {
		if d.image == img {
			d.checkTable(m)
		}
	}
	for p := io.live; p != nil; p = p.next {
		io.checkUnloadIRP(m, img, p)
	}
	for _, l := range irql.Sim.Leftovers(m, img) {
		leftover(m, img, l)
	}
}

// leftover reports a timer, DPC or system thread that outlives its driver.
func leftover(m *ke.Machine, img *ke.Image, l irql.Leftover) {
	f := verify.Finding{Rule: verify.UNLOAD_002, Obj: l.ID.String(), Driver: img.Name,
		Ctx:      "unload of " + img.Name,
		Headline: fmt.Sprintf("%s is unloaded while %v %s", img.Name, l.ID, l.State),
		Places:   []verify.Place{{Label: "STARTED", Seq: l.Seq}}}
	switch l.Kind {
	case trace.Thread:
		f.Rule = verify.UNLOAD_004
	case trace.Resource:
		f.Rule = verify.UNLOAD_005
	}
	m.ReportEnd(f)
}

func (io *ioManager) checkUnloadIRP(m *ke.Machine, img *ke.Image, p *IRP) {
	ctx := "unload of " + img.Name
	inFlight := p.sent && p.state != stCreator
	if inFlight {
		if kind, fn := p.routineOf(img); fn != 0 {
			m.ReportEnd(verify.Finding{Rule: verify.UNLOAD_007, Obj: p.id.String(), Driver: img.Name,
				Ctx: ctx, Dump: dumpIRP(p),
				Headline: fmt.Sprintf("%s is unloaded while %v is in flight with a %s routine in it",
					img.Name, p.id, kind),
				Args: verify.Params(ke.FuncName(fn)), Places: p.story()})
			return
		}
	}
	if p.state == stQueued && p.owner == img && p.creator != img {
		m.ReportEnd(verify.Finding{Rule: verify.IRP_040, Case: "kept at unload", Obj: p.id.String(),
			Driver: img.Name, Ctx: ctx, Dump: dumpIRP(p),
			Headline: fmt.Sprintf("%s is unloaded and still keeps %v: nobody is left to complete it",
				img.Name, p.id),
			Places: p.story()})
		return
	}
	if p.creator == img && p.origin != byInitialize && (p.state == stCreator || p.state == stStopped &&
		p.backWithCreator()) {
		io.leaked(m, p, ctx)
	}
}

// routineOf finds a routine of img that the IRP will call: one that waits in a location, or the cancel
// routine.
func (p *IRP) routineOf(img *ke.Image) (kind string, fn uintptr) {
	for i := range p.locs {
		if l := &p.locs[i]; l.setBy == img && l.control&invokeAny != 0 && l.routine != nil && l.ex == nil {
			return "completion", ke.CodeOf(l.routine)
		}
	}
	if p.cancelRoutine != nil && p.owner == img {
		return "cancel", ke.CodeOf(p.cancelRoutine)
	}
	return "", 0
}

func (io *ioManager) leaked(m *ke.Machine, p *IRP, ctx string) {
	as := p.special(func(s *SubsystemRules) verify.RuleID { return s.Leaked })
	why := "was allocated and neither sent nor freed"
	if p.sent {
		why = "came back to its creator and was never freed"
	}
	m.ReportEnd(verify.Finding{Rule: verify.IRP_040, As: as, Obj: p.id.String(), Driver: p.creator.Name,
		Ctx:      ctx,
		Dump:     dumpIRP(p),
		Headline: fmt.Sprintf("%v of %s %s", p.id, p.creator.Name, why),
		Places:   p.story()})
}

// checkEnd makes this package's checks at the end of a run: nothing can run any more. A driver that is still
// loaded may keep an IRP for its next request; only unload shows whether it was forgotten.
func (io *ioManager) checkEnd(m *ke.Machine) {
	io.checkWaiters(m)
	for p := io.live; p != nil; p = p.next {
		p.checkParts(m)
		switch {
		case p.last().reported:
			// IRP-048
		case p.creator != nil && p.creator.Unloaded:
			// reported when the driver was unloaded
		case p.state == stStopped && p.level <= p.stackCount && p.owner != p.creator:
			as := p.special(func(s *SubsystemRules) verify.RuleID { return s.NeverResumed })
			m.ReportEnd(verify.Finding{Rule: verify.IRP_068, As: as, Obj: p.id.String(), Driver: p.owner.Name,
				Dump: dumpIRP(p),
				Headline: fmt.Sprintf("the climb of %v was stopped by %s and never resumed", p.id,
					p.owner.Name), Places: p.story(),
				Case: ""})
		default:
			io.checkHeld(m, p)
		}
	}
	for _, d := range io.drivers {
		if !d.gone {
			d.checkTable(m)
		}
	}
}

func (io *ioManager) newDriver(img *ke.Image) *DRIVER_OBJECT {
	drv := &DRIVER_OBJECT{DriverName: "\\Driver\\" + img.Name, id: img.ID, image: img, io: io,
		Flags: DRVO_LEGACY_DRIVER}
	for i := range drv.MajorFunction {
		drv.MajorFunction[i] = invalidDeviceRequest // DriverEntry finds the table filled (irp.md 3)
	}
	drv.idle = ke.Object{Kind: ke.SynchronizationEvent, ID: img.ID}
	drv.turned = ke.Object{Kind: ke.NotificationEvent, ID: img.ID}
	io.drivers = append(io.drivers, drv)
	return drv
}

// WhyLoaded says what keeps a driver from being unloaded, "" when nothing does: as long as a device of it is
// referenced through a file object, or has another device attached to it, DriverUnload is not called (irp.md
// 22).
func (sim) WhyLoaded(m *ke.Machine, drv *DRIVER_OBJECT) string {
	files := state.On(m).openFiles(drv)
	if drv.image.Unloading {
		return ""
	}
	if len(files) == 0 {
		d := drv.attached()
		if d == nil {
			return ""
		}
		return fmt.Sprintf("%v of %s is attached to its %v", d.AttachedDevice.id,
			d.AttachedDevice.DriverObject.image.Name, d.id)
	}
	f := files[0]
	who := "a driver"
	if f.process != nil {
		who = f.process.Image
	}
	what := "has a handle of it"
	if f.handles == 0 {
		what = "had the last handle of it, and requests or references are left"
	}
	return fmt.Sprintf("%v, an opening of %v, still exists: %s %s", f.id, f.DeviceObject.id, who, what)
}

// attached is a device of the driver that another one is attached to. Until that is detached the driver stays
// (IMPL, reactos: ntoskrnl/io/iomgr/driver.c, IopUnloadDriver).
func (d *DRIVER_OBJECT) attached() *DEVICE_OBJECT {
	for dev := d.DeviceObject; dev != nil; dev = dev.NextDevice {
		if dev.AttachedDevice != nil {
			return dev
		}
	}
	return nil
}
