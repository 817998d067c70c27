package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// StartIo is how a driver of a device that does one thing at a time leaves the queueing to the I/O manager: a
// dispatch routine marks its IRP and hands it to IoStartPacket; the routine StartIo of the driver is called
// with one IRP after the other, the device's CurrentIrp, and whoever ends one asks for the next with
// IoStartNextPacket.
//
//	IRP                    CurrentIrp   device queue   CancelRoutine of IoStartPacket
//	IoStartPacket, queued  other        holds it       set; called at once if the IRP is cancelled already
//	StartIo                it           busy           set still, or taken away (NonCancelable)
//	cancelled, queued      other        takes it out   has been taken by IoCancelIrp
//	IoStartNextPacket      the next     busy, or not   -
//
// With a cancel routine the cancel spin lock guards CurrentIrp and the queue. StartIo is then called without
// it, so a driver must look, with the lock, whether the IRP was cancelled meanwhile (K:
// cancel-routines-in-drivers-with-startio-routines).

// DRIVER_STARTIO begins the work on an IRP of the device queue. It does not wait for its end.
//
// IRQL: DISPATCH_LEVEL.
// Ownership: the IRP is the driver's.
// Rules: IRQL-007, LOCK-008.
// Reference: wdm/nc-wdm-driver_startio.
type DRIVER_STARTIO func(k *irql.K, dev *DEVICE_OBJECT, p *IRP)

// startOf names the queue, CurrentIrp and StartIo attributes of a device, apart from the rest of it.
func startOf(id trace.ID) trace.ID { return ke.Content.Of(id) }

// prepareStart makes the device queue of a new device.
func (d *DEVICE_OBJECT) prepareStart(m *ke.Machine) {
	d.DeviceQueue = KDEVICE_QUEUE{run: m.Stamp(), id: startOf(d.id), dev: d}
}

// CurrentIrp is the IRP that StartIo was called with last, nil after IoStartNextPacket found none. It means
// something only for drivers with a StartIo routine.
func (d *DEVICE_OBJECT) CurrentIrp() *IRP {
	ke.Accesses(d.DriverObject.io.m.Current(), ke.Reads(startOf(d.id)))
	return d.start.current
}

// hasStartIo reports a driver without StartIo; false means that the routine has no effect.
func (d *DEVICE_OBJECT) hasStartIo(k *irql.K, by ddi.ID) bool {
	if d.DriverObject.DriverStartIo != nil {
		return true
	}
	ke.Report(k, verify.Finding{Rule: verify.IRP_070, Case: "no StartIo routine", Obj: d.id.String(),
		Headline: fmt.Sprintf("%v for %v, and %s has no StartIo routine", by, d.id,
			d.DriverObject.image.Name)})
	return false
}

// IoStartPacket calls the driver's StartIo routine with an IRP, or puts it into the device queue while
// another one is current; with a key behind those whose keys are not larger. cancelFunction, unless it is
// nil, becomes the IRP's cancel routine, and is called at once for an IRP that is queued and has been
// cancelled.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the IRP must be marked pending before; it may be ended already when the routine returns.
// Rules: IRP-005, IRP-067, IRP-070, IRP-076, IRP-078, IRQL-001, OBJ-014.
// Reference: wdm/nf-wdm-iostartpacket.
func IoStartPacket(k *irql.K, dev *DEVICE_OBJECT, p *IRP, key *uint32, cancelFunction DRIVER_CANCEL) {
	const d = ddi.IoStartPacket
	ke.Enter(k, d)
	ke.Point(k, ke.Writes(startOf(dev.id)))
	p.check(k)
	if !dev.hasStartIo(k, d) {
		return
	}
	io, old := state.Of(k), ke.IRQL(k)
	ke.SetIRQL(k, ke.Dispatch)
	var level uint8
	if cancelFunction != nil {
		ke.PointSpin(k, ke.Acquires(io.cancelLock.ID), &io.cancelLock)
		level = io.lockCancel(k)
		p.check(k)
		p.cancelRoutine = cancelFunction
	}
	p.uses(ke.W)
	p.started = p.serial
	queued := dev.DeviceQueue.insert(k, d, p.queueEntry(), key)
	switch {
	case !queued:
		dev.begin(k, io, p, cancelFunction != nil, level)
	case cancelFunction == nil:
	case p.cancelled():
		p.cancelRoutine = nil
		p.cancelIrql, io.cancelOwner = irql.KIRQL(level), p
		p.runCancel(k, io, cancelFunction, level)
	default:
		io.unlockCancel(k, level)
	}
	ke.SetIRQL(k, old)
}

// unlockCancel gives the cancel lock back.
func (io *ioManager) unlockCancel(k *irql.K, level uint8) {
	ke.Unhold(k, &io.cancelLock)
	ke.ReleaseSpin(k, &io.cancelLock)
	ke.SetIRQL(k, level)
}

// begin makes p the current IRP, gives the cancel lock back if that is held, and calls StartIo.
func (d *DEVICE_OBJECT) begin(k *irql.K, io *ioManager, p *IRP, locked bool, level uint8) {
	d.start.current = p
	if locked {
		if d.start.nonCancelable {
			p.cancelRoutine = nil
		}
		io.unlockCancel(k, level)
	}
	d.callStartIo(k, p)
	for d.start.owed && d.start.inside == 0 {
		// What a StartIo routine or others asked for meanwhile, with DeferredStartIo.
		d.start.owed = false
		if p := d.dequeue(k, d.start.owedNext); p != nil {
			d.callStartIo(k, p)
		}
	}
}

// callStartIo calls the driver's StartIo routine.
func (d *DEVICE_OBJECT) callStartIo(k *irql.K, p *IRP) {
	ke.Adds(k, ke.Writes(startOf(d.id)))
	fn := d.DriverObject.DriverStartIo
	d.start.inside++
	ke.Push(k, ke.Frame{Kind: ke.FrameStartIo, Image: d.DriverObject.image, Device: d, Object: p, Obj: p.id,
		Fn: ke.CodeOf(fn)})
	ke.PointHere(k, p.id)
	fn(k, d, p)
	ke.Adds(k, ke.Writes(startOf(d.id)))
	ke.Pop(k)
	d.start.inside--
}

// IoStartNextPacket takes the next IRP out of the device queue and calls the driver's StartIo routine with
// it. Without one CurrentIrp is NULL and the device not busy. cancelable must be TRUE if IoStartPacket was
// given a cancel routine.
//
// IRQL: DISPATCH_LEVEL.
// Ownership: the IRP that was current is not touched; it may be completed before or after.
// Rules: IRP-070, IRP-078, IRQL-001, IRQL-002, LOCK-013, OBJ-014; a StartIo routine that calls it without
// DeferredStartIo is told so (SDV StartIoRecursion).
// Reference: ntifs/nf-ntifs-iostartnextpacket.
func IoStartNextPacket(k *irql.K, dev *DEVICE_OBJECT, cancelable bool) {
	const d = ddi.IoStartNextPacket
	ke.Enter(k, d)
	dev.startNext(k, nextPacket{d: d, cancelable: cancelable})
}

// IoStartNextPacketByKey is IoStartNextPacket for the first IRP whose key is not smaller, or else the first.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: as IoStartNextPacket.
// Rules: as IoStartNextPacket.
// Reference: wdm/nf-wdm-iostartnextpacketbykey.
func IoStartNextPacketByKey(k *irql.K, dev *DEVICE_OBJECT, cancelable bool, key uint32) {
	const d = ddi.IoStartNextPacketByKey
	ke.Enter(k, d)
	// StartIo is called at DISPATCH_LEVEL whoever calls it (nc-wdm-driver_startio); that the routine raises
	// the level where its caller did not is INFERRED from that.
	old := ke.IRQL(k)
	ke.SetIRQL(k, ke.Dispatch)
	dev.startNext(k, nextPacket{d: d, cancelable: cancelable, byKey: true, key: key})
	ke.SetIRQL(k, old)
}

func (d *DEVICE_OBJECT) startNext(k *irql.K, next nextPacket) {
	io := state.Of(k)
	if _, held := ke.FindHeld(k, &io.cancelLock); !held || !next.cancelable { // else IRP-078
		ke.LeavesDriver(k, next.d.String())
	}
	ke.Point(k, ke.Writes(startOf(d.id)))
	if !d.hasStartIo(k, next.d) {
		return
	}
	if d.start.deferred && d.start.inside > 0 {
		d.start.owed, d.start.owedNext = true, next
		ke.Call(k, next.d, d.id)
		return
	}
	p := d.dequeue(k, next)
	if p == nil {
		return
	}
	if f := ke.Top(k); f != nil && f.Kind == ke.FrameStartIo && f.Device == d {
		startsItself(k, d, next.d)
	}
	d.begin(k, io, p, false, 0)
}

// dequeue makes the next IRP of the device queue the current one.
func (d *DEVICE_OBJECT) dequeue(k *irql.K, next nextPacket) *IRP {
	io := state.Of(k)
	var level uint8
	if next.cancelable {
		ke.PointSpin(k, ke.Acquires(io.cancelLock.ID), &io.cancelLock)
		level = io.lockCancel(k)
		defer io.unlockCancel(k, level)
	}
	key := &next.key
	if !next.byKey {
		key = nil
	}
	d.start.current = nil
	e := d.DeviceQueue.remove(k, next.d, key)
	if e == nil {
		return nil
	}
	if e.of == nil {
		d.DeviceQueue.broken(k, next.d, e, fmt.Sprintf("%s in %s is not that of an IRP", e.name(),
			d.DeviceQueue.name()), "no IRP")
		return nil
	}
	p := e.of
	d.start.current = p
	if next.cancelable && d.start.nonCancelable {
		p.cancelRoutine = nil
	}
	return p
}

// startsItself is the advice of SDV's StartIoRecursion, which no catalogue has a number for.
func startsItself(k *irql.K, d *DEVICE_OBJECT, by ddi.ID) {
	ke.Report(k, verify.Finding{Kind: "StartIo recursion", Warning: true, PerPlace: true, Obj: d.id.String(),
		Headline: fmt.Sprintf("StartIo of %s calls %v, which calls StartIo again: with every IRP that "+
			"waits for %v the stack grows", d.DriverObject.image.Name, by, d.id),
		Fix: "IoSetStartIoAttributes with DeferredStartIo TRUE: the next call is made when this one has " +
			"returned."})
}

// IoSetStartIoAttributes says how StartIo is called for a device: with deferredStartIo not again before it
// has returned, with nonCancelable for IRPs whose cancel routine was taken away.
//
// IRQL: any.
// Rules: none.
// Reference: wdm/nf-wdm-iosetstartioattributes.
func IoSetStartIoAttributes(k *irql.K, dev *DEVICE_OBJECT, deferredStartIo, nonCancelable bool) {
	const d = ddi.IoSetStartIoAttributes
	ke.Enter(k, d)
	ke.Point(k, ke.Writes(startOf(dev.id)))
	dev.start.deferred, dev.start.nonCancelable = deferredStartIo, nonCancelable
	ke.Call(k, d, dev.id)
}
