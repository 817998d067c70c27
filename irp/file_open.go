package irp

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// open opens a device by its name: a file object, IRP_MJ_CREATE to the top of the stack, one handle.
//
// What refuses an open before the driver hears of it follows IMPL (reactos: ntoskrnl/io/iomgr/file.c,
// IopCheckDeviceAndDriver, IopParseDevice): a device that is not ready or whose driver goes has no name, so
// to speak, and an exclusive one that is open is not opened again.
func (io *ioManager) open(k *irql.K, by *ke.Process, mode irql.KPROCESSOR_MODE, name string,
	a access) (*FILE_OBJECT, ntstatus.NTSTATUS) {
	ke.Adds(k, ke.Reads(io.names))
	dev, rest, s := io.resolve(name)
	if dev != nil {
		ke.Adds(k, ke.Counts(dev.DriverObject.id))
		if dev.Flags&DO_EXCLUSIVE != 0 {
			ke.Adds(k, ke.Swaps(dev.id))
		}
	}
	switch {
	case s != ntstatus.STATUS_SUCCESS:
		return nil, s
	case dev.Flags&DO_DEVICE_INITIALIZING != 0 || dev.DriverObject.stopping:
		return nil, ntstatus.STATUS_NO_SUCH_DEVICE
	case dev.Flags&DO_EXCLUSIVE != 0 && dev.ReferenceCount > 0:
		return nil, ntstatus.STATUS_ACCESS_DENIED
	case ke.Fails(k, &siteOpen):
		return nil, ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	f := &FILE_OBJECT{DeviceObject: dev, FileName: rest, ReadAccess: a.read, WriteAccess: a.write,
		id: io.m.NewID(trace.File), process: by, handles: 1, refs: 1}
	f.lock = ke.Object{Kind: ke.SynchronizationEvent, ID: f.id, Signal: 1}
	f.event = ke.Object{Kind: ke.NotificationEvent, ID: f.id}
	if a.sync {
		f.Flags |= FO_SYNCHRONOUS_IO
	}
	io.files = append(io.files, f)
	dev.ReferenceCount++
	dev.hold(k)
	f.seq = ke.Log(k, trace.Event{What: trace.Note, Text: "opened", Obj: f.id, Obj2: dev.id})
	s = io.tell(k, f, IRP_MJ_CREATE, mode)
	if !ntstatus.NT_SUCCESS(s) {
		f.handles, f.refs = 0, 0 // neither IRP_MJ_CLEANUP nor IRP_MJ_CLOSE follows a create that failed
		io.forget(k, f)
		return nil, s
	}
	ke.Adds(k, ke.Writes(f.id))
	f.created = true
	f.Flags |= FO_HANDLE_CREATED
	return f, s
}

// closeHandle ends one handle. With the last one the driver hears IRP_MJ_CLEANUP, in the thread that closes
// it, and has to complete what it still queues for the file object (irp.md 10.2).
func (io *ioManager) closeHandle(k *irql.K, f *FILE_OBJECT) {
	ke.Adds(k, ke.Writes(f.id))
	ke.Log(k, trace.Event{What: trace.Note, Text: "handle closed", Obj: f.id})
	if f.handles--; f.handles == 0 {
		io.tell(k, f, IRP_MJ_CLEANUP, irql.KernelMode) // its status means nothing to anybody
		ke.Adds(k, ke.Writes(f.id))
		f.Flags |= FO_CLEANUP_COMPLETE
		if f.port != nil {
			io.cancelBound(k, f)
		}
	}
	io.dereference(k, f)
}

// dereference gives one reference back; what happens with the last one is up to lastGone.
func (io *ioManager) dereference(k *irql.K, f *FILE_OBJECT) {
	how := ke.A
	if f.handles > 0 {
		how = ke.Count // the handle's own reference stays
	}
	ke.Adds(k, ke.Use{Obj: f.id, How: how})
	if f.Dereference() == 0 {
		io.lastGone(k, f)
	}
}

// lastGone ends a file object nobody refers to any more. IRP_MJ_CLOSE is sent at PASSIVE_LEVEL: where the
// last reference goes above it, as at the end of an IRP, a system worker thread does it (IMPL, reactos:
// ntoskrnl/ob/obref.c, ObfDereferenceObject).
func (io *ioManager) lastGone(k *irql.K, f *FILE_OBJECT) {
	if ke.IRQL(k) == ke.Passive {
		io.closeFile(k, f)
		return
	}
	io.m.QueueWork("System worker", func(k *ke.K) { io.closeFile(k, f) })
}

func (io *ioManager) closeFile(k *irql.K, f *FILE_OBJECT) {
	io.tell(k, f, IRP_MJ_CLOSE, irql.KernelMode)
	io.forget(k, f)
}

// forget takes a file object from the books, and lets an unload go on that waited for it.
func (io *ioManager) forget(k *irql.K, f *FILE_OBJECT) {
	for i, o := range io.files {
		if o == f {
			io.files = list.Cut(io.files, i)
			break
		}
	}
	dev := f.DeviceObject
	dev.ReferenceCount--
	if dev.Flags&DO_EXCLUSIVE != 0 {
		ke.Adds(k, ke.Swaps(dev.id))
	}
	io.letGo(k, dev)
	dev.DriverObject.left(k)
}

// tell sends the driver one of the requests about the life of a file object and waits for its end.
func (io *ioManager) tell(k *irql.K, f *FILE_OBJECT, major uint8,
	mode irql.KPROCESSOR_MODE) ntstatus.NTSTATUS {
	ke.Push(k, ke.Frame{Kind: ke.FrameSystem}) // the I/O manager acts, whoever made it act
	var event irql.KEVENT
	var iosb IO_STATUS_BLOCK
	*event.Header() = ke.Object{Kind: ke.NotificationEvent, ID: f.id}
	f.DeviceObject.looks(k)
	dev := f.DeviceObject.top()
	p := io.newIRP(k, dev.StackSize, byManager)
	p.bind(k, &event, &iosb)
	p.requestorMode = mode
	p.flags = IRP_CLOSE_OPERATION | IRP_SYNCHRONOUS_API
	if major == IRP_MJ_CREATE {
		p.flags = IRP_CREATE_OPERATION | IRP_SYNCHRONOUS_API
	}
	l := p.loc(p.stackCount)
	l.major, l.file, p.file = major, f, f
	p.allocSeq = ke.Log(k, trace.Event{What: trace.Note, Text: Sim.MajorName(major), Obj: p.id, Obj2: f.id})
	s := IoCallDriver(k, dev, p)
	if s == ntstatus.STATUS_PENDING {
		io.awaitTold(k, p, mode, event.Header(), Sim.MajorName(major))
		s = iosb.Status
	}
	ke.Pop(k)
	return s
}

// awaitTold waits for the end of such a request. A program that is to end meanwhile gives its IRP_MJ_CREATE
// up (IMPL, reactos: ntoskrnl/io/iomgr/file.c, IopParseDevice); cleanup and close are waited for.
func (io *ioManager) awaitTold(k *irql.K, p *IRP, mode irql.KPROCESSOR_MODE, event *ke.Object, name string) {
	how := ke.WaitHow(0)
	if mode == irql.UserMode {
		how = ke.WaitUser
	}
	objs := [1]*ke.Object{event}
	if ke.WaitAs(k, how, objs[:], false, nil, name) == ntstatus.STATUS_SUCCESS {
		return
	}
	p.cancelIn(ke.ThreadOf(k), func() bool { return event.Signal == 0 })
	if event.Signal == 0 {
		ke.Wait(k, objs[:], false, nil, name)
	}
}

// IoGetDeviceObjectPointer opens a device by its name and returns the top of its stack and a file object with
// one reference for the caller to give back. The handle is closed again at once, so the driver sees
// IRP_MJ_CREATE and IRP_MJ_CLEANUP now and IRP_MJ_CLOSE with the last reference.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: ObDereferenceObject on the file object, not on the device.
// Returns: STATUS_SUCCESS; what the driver completed IRP_MJ_CREATE with; STATUS_OBJECT_NAME_NOT_FOUND and
// the like for a name that leads nowhere; STATUS_NO_SUCH_DEVICE for a device that goes; STATUS_ACCESS_DENIED
// for an exclusive one that is open; STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: IRQL-001, OBJ-003, OBJ-012.
// Not modelled: access checks.
// Reference: wdm/nf-wdm-iogetdeviceobjectpointer.
func IoGetDeviceObjectPointer(k *irql.K, objectName string, desiredAccess uint32, fileObject **FILE_OBJECT,
	deviceObject **DEVICE_OBJECT) ntstatus.NTSTATUS {
	_ = desiredAccess
	ke.Enter(k, ddi.IoGetDeviceObjectPointer)
	io := state.Of(k)
	ke.Point(k, ke.Reads(io.names))
	f, s := io.open(k, nil, irql.KernelMode, objectName, access{read: true, write: true})
	if !ntstatus.NT_SUCCESS(s) {
		ke.CallStatus(k, ddi.IoGetDeviceObjectPointer, 0, uint32(s))
		return s
	}
	f.Reference()
	*fileObject, *deviceObject = f, f.DeviceObject.top()
	seq := ke.CallStatus(k, ddi.IoGetDeviceObjectPointer, f.id, uint32(s))
	io.took(k, f, f.id, seq)
	io.closeHandle(k, f)
	return s
}

// Dereference gives a reference back and returns the new count; drivers call ObDereferenceObject.
func (f *FILE_OBJECT) Dereference() int {
	f.refs--
	return f.refs
}

// access is what a handle may be used for.
type access struct {
	read, write bool
	sync        bool
}
