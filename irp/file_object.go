package irp

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Bits of FILE_OBJECT.Flags (HEADER).
const (
	FO_SYNCHRONOUS_IO   = 0x00000002
	FO_CLEANUP_COMPLETE = 0x00004000
	FO_HANDLE_CREATED   = 0x00040000
)

// FILE_OBJECT is one opening of a device. FsContext and FsContext2 are the driver's, from IRP_MJ_CREATE until
// IRP_MJ_CLOSE; the other fields are to be read only.
//
// It has two counts, as in Windows: handles, whose end is told by IRP_MJ_CLEANUP, and references, those of
// handles and outstanding IRPs included, whose end is told by IRP_MJ_CLOSE (irp.md 10.2).
type FILE_OBJECT struct {
	DeviceObject *DEVICE_OBJECT // the device that was named, at the bottom of its stack
	FileName     string         // what follows the device in the name: "" or "\rest"
	FsContext    any
	FsContext2   any
	Flags        uint32
	ReadAccess   bool
	WriteAccess  bool
	FinalStatus  ntstatus.NTSTATUS // of the last request of a synchronous file object

	id      trace.ID
	process *ke.Process // who opened it; nil is the system
	handles int
	refs    int
	created bool      // the driver has answered IRP_MJ_CREATE with success
	judged  bool      // IRP-040 has been reported
	lock    ke.Object // free while no request of a synchronous file object is under way
	event   ke.Object // signalled when a request of a synchronous file object has ended
	port    *CompletionPort
	portKey uint64
	seq     uint64
}

// ID returns the id reports use for the file object.
func (f *FILE_OBJECT) ID() trace.ID { return f.id }

// Reference counts a reference and returns the new count; drivers call ObReferenceObject.
func (f *FILE_OBJECT) Reference() int {
	f.refs++
	return f.refs
}

// finalStatus says with what the last request of a synchronous file object has ended.
func (f *FILE_OBJECT) finalStatus(k *irql.K, s ntstatus.NTSTATUS) {
	f.FinalStatus = s
	ke.SetSignal(k, &f.event, 1)
}

// FileObject is the opening the request belongs to; nil for requests that drivers make without one. Rules:
// IRP-005.
func (l *IO_STACK_LOCATION) FileObject() *FILE_OBJECT {
	l.p.look()
	return l.file
}

// SetFileObject sets the file object in a location that is being prepared. Rules: IRP-005, IRP-069.
func (l *IO_STACK_LOCATION) SetFileObject(f *FILE_OBJECT) {
	l.p.touch()
	l.file = f
}

var siteOpen = ke.Site{Name: "fault/OpenDevice",
	Alts: []string{"succeeds", "STATUS_INSUFFICIENT_RESOURCES"}, Spec: "irp.md 12, 19.2"}

// UserHandle is a handle of a process to an open device.
type UserHandle struct {
	io      *ioManager
	process *ke.Process
	f       *FILE_OBJECT
	closed  bool
}
