package sim

import (
	"fmt"
	"strings"
	"time"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/ntstatus"
)

// Device is a handle of a process to a device, Win32-shaped. Its calls make IRPs that are bound to the thread
// that makes them, or to a completion port (completionport.go), and block that thread only.
type Device struct {
	u    *User
	h    *irp.UserHandle
	path string

	noEvents bool
}

// errorIOIncomplete is ERROR_IO_INCOMPLETE, which belongs to no NTSTATUS.
const errorIOIncomplete = 996

// OpenOptions are what CreateFile is told. The zero value opens for reading and writing and lets many
// requests be outstanding (FILE_FLAG_OVERLAPPED).
type OpenOptions struct {
	Access      uint32 // irp.FILE_READ_ACCESS, irp.FILE_WRITE_ACCESS or both; 0 means both
	Synchronous bool   // without FILE_FLAG_OVERLAPPED: one request after the other, and Start waits
	NoEvents    bool   // OVERLAPPED structures have no event: the end of any request signals the handle
}

// DeviceError is what a program sees when a call fails, and the status below it.
type DeviceError struct {
	Call   string // "DeviceIoControl"
	Errno  uint32 // GetLastError(): 995
	Status ntstatus.NTSTATUS
}

// Error prints the call, the Win32 error and the status.
func (e *DeviceError) Error() string {
	return fmt.Sprintf("%s: %s (%d), %v", e.Call, win32Name(e.Errno), e.Errno, e.Status)
}

func win32Name(errno uint32) string {
	if errno == errorIOIncomplete {
		return "ERROR_IO_INCOMPLETE"
	}
	if n := ntstatus.Win32ErrorName(errno); n != "" {
		return n
	}
	return "error"
}

// win32 is nil for success; a warning such as STATUS_BUFFER_OVERFLOW is an error that comes with data.
func win32(call string, s ntstatus.NTSTATUS) error {
	if ntstatus.NT_SUCCESS(s) {
		return nil
	}
	return &DeviceError{Call: call, Errno: ntstatus.RtlNtStatusToDosError(s), Status: s}
}

// Open is CreateFile: path is `\\.\NAME`, which a driver made with IoCreateSymbolicLink. IRP_MJ_CREATE is
// sent in the calling thread.
func (u *User) Open(path string, opts ...OpenOptions) (*Device, error) {
	u.here(createFile)
	var o OpenOptions
	switch len(opts) {
	case 0:
	case 1:
		o = opts[0]
	default:
		fatalf(u.p.m.tb, "sim: Open takes one OpenOptions, or none")
	}
	if o.Access == 0 {
		o.Access = irp.FILE_READ_ACCESS | irp.FILE_WRITE_ACCESS
	}
	h, s := irp.Sim.OpenUser(u.k, u.p.p, ntName(path), o.Access, o.Synchronous)
	u.leave()
	if h == nil {
		u.openRefused(path, s)
		return nil, win32(createFile, s)
	}
	return &Device{u, h, path, o.NoEvents}, nil
}

// ntName is the name the object manager sees for a path of Win32. Paths of files lead nowhere here.
func ntName(path string) string {
	for _, prefix := range []string{`\\.\`, `\\?\`} {
		rest, ok := strings.CutPrefix(path, prefix)
		if !ok {
			continue
		}
		const global = `GLOBALROOT\`
		if len(rest) > len(global) && strings.EqualFold(rest[:len(global)], global) {
			return rest[len(global)-1:]
		}
		return `\??\` + rest
	}
	return `\??\` + path
}

// For gives the handle to another thread of the process; closed is closed for both.
func (d *Device) For(u *User) *Device {
	d.u.same(u, d.path)
	return &Device{u, d.h, d.path, d.noEvents}
}

// same stops the test when a handle is given to another process.
func (u *User) same(other *User, what string) {
	if u.p != other.p {
		panic(ke.Misuse(fmt.Sprintf("For: %s was opened by %s and means nothing in %s", what, u.p.Image(),
			other.p.Image())))
	}
}

// Path gives the name the device was opened under.
func (d *Device) Path() string { return d.path }

// Duplicate is DuplicateHandle: a second handle to the same file object. The driver hears IRP_MJ_CLEANUP when
// the last one is closed.
func (d *Device) Duplicate() (*Device, error) {
	d.u.here("DuplicateHandle")
	h, s := d.h.Duplicate(d.u.k, d.u.p.p)
	d.u.leave()
	if h == nil {
		return nil, win32("DuplicateHandle", s)
	}
	return &Device{d.u, h, d.path, d.noEvents}, nil
}

// Close is CloseHandle. Outstanding requests are the driver's to complete, at IRP_MJ_CLEANUP.
func (d *Device) Close() error {
	d.u.here("CloseHandle")
	return leaving(d.u, win32("CloseHandle", d.h.Close(d.u.k)))
}

// Ioctl is DeviceIoControl; it waits for the end of the request. out is filled as far as the driver did.
func (d *Device) Ioctl(code uint32, in, out []byte) (int, error) {
	return d.StartIoctl(code, in, out).Wait()
}

// Read is ReadFile at offset 0; it waits for the end of the request.
func (d *Device) Read(b []byte) (int, error) { return d.StartRead(b, 0).Wait() }

// Write is WriteFile at offset 0; it waits for the end of the request.
func (d *Device) Write(b []byte) (int, error) { return d.StartWrite(b, 0).Wait() }

// StartIoctl is DeviceIoControl with an OVERLAPPED that has an event. out is filled by Wait.
func (d *Device) StartIoctl(code uint32, in, out []byte) *Pending {
	return d.start("DeviceIoControl",
		&irp.DeviceRequest{Major: irp.IRP_MJ_DEVICE_CONTROL, Code: code, In: in, Out: out})
}

// StartRead is ReadFile with an OVERLAPPED that has an event.
func (d *Device) StartRead(b []byte, offset int64) *Pending {
	return d.start("ReadFile", &irp.DeviceRequest{Major: irp.IRP_MJ_READ, Out: b, Offset: offset})
}

// StartWrite is WriteFile with an OVERLAPPED that has an event.
func (d *Device) StartWrite(b []byte, offset int64) *Pending {
	return d.start("WriteFile", &irp.DeviceRequest{Major: irp.IRP_MJ_WRITE, In: b, Offset: offset})
}

func (d *Device) start(call string, r *irp.DeviceRequest) *Pending {
	d.u.here(call)
	r.NoEvent = d.noEvents
	return leaving(d.u, &Pending{u: d.u, call: call, op: d.h.Begin(d.u.k, r)})
}

// StartReadEx is ReadFileEx: done is called in the thread that made the request, in an alertable wait
// (SleepEx) after the request has ended. It is not called when the call itself fails.
func (d *Device) StartReadEx(b []byte, offset int64, done func(u *User, n int, err error)) *Pending {
	return d.startEx("ReadFileEx", &irp.DeviceRequest{Major: irp.IRP_MJ_READ, Out: b, Offset: offset}, done)
}

// StartWriteEx is WriteFileEx; done is as in StartReadEx.
func (d *Device) StartWriteEx(b []byte, offset int64, done func(u *User, n int, err error)) *Pending {
	return d.startEx("WriteFileEx", &irp.DeviceRequest{Major: irp.IRP_MJ_WRITE, In: b, Offset: offset}, done)
}

// StartIoctlEx is NtDeviceIoControlFile with an APC routine; done is as in StartReadEx.
func (d *Device) StartIoctlEx(code uint32, in, out []byte, done func(u *User, n int, err error)) *Pending {
	return d.startEx("NtDeviceIoControlFile",
		&irp.DeviceRequest{Major: irp.IRP_MJ_DEVICE_CONTROL, Code: code, In: in, Out: out}, done)
}

func (d *Device) startEx(call string, r *irp.DeviceRequest, done func(u *User, n int, err error)) *Pending {
	u := d.u
	r.APC = func(_ *ke.K, s ntstatus.NTSTATUS, information uint64) {
		done(u, int(information), win32(call, s))
	}
	return d.start(call, r)
}

// Cancel is CancelIoEx for all requests made through the handle's file object. ERROR_NOT_FOUND says that
// there were none. It does not wait: they end when the driver completes them.
func (d *Device) Cancel() error {
	d.u.here("CancelIoEx")
	return leaving(d.u, win32("CancelIoEx", d.h.CancelAll(d.u.k)))
}

// WaitFor is WaitForSingleObject on the handle: it reports whether the file object was signalled in time. The
// end of each request signals it that has no event of its own (OpenOptions.NoEvents, or a synchronous
// handle); the next request resets it. Of which request the end was the caller must find out.
func (d *Device) WaitFor(t time.Duration) (bool, error) {
	const call = "WaitForSingleObject"
	d.u.here(call)
	due := -int64(t / 100)
	ok, s := d.h.Wait(d.u.k, &due)
	d.u.leave()
	return ok, win32(call, s)
}

// Pending is a request that was started, under way or ended.
type Pending struct {
	u    *User
	call string
	op   *irp.UserIO
}

// For gives the request to another thread of the process, to be waited for or cancelled there. When the
// thread that made it ends, it is cancelled all the same.
func (p *Pending) For(u *User) *Pending {
	p.u.same(u, "the request of "+p.call)
	return &Pending{u, p.call, p.op}
}

// Done reports whether the request has ended (HasOverlappedIoCompleted).
func (p *Pending) Done() bool { return p.op.Done() }

// Status gives the status of the request, STATUS_PENDING while it is under way.
func (p *Pending) Status() ntstatus.NTSTATUS {
	s, _ := p.op.Result()
	return s
}

// Wait is GetOverlappedResult: it blocks until the request's event is set and gives the number of bytes.
// Where requests have no events the handle is waited for, and the end of another request gives
// ERROR_IO_INCOMPLETE: the page of GetOverlappedResult asks for an event for that reason.
func (p *Pending) Wait() (int, error) {
	p.u.here("GetOverlappedResult")
	ended := p.op.Wait(p.u.k, nil)
	p.u.leave()
	if !ended {
		return 0, &DeviceError{Call: "GetOverlappedResult", Errno: errorIOIncomplete,
			Status: ntstatus.STATUS_PENDING}
	}
	s, n := p.op.Result()
	return int(n), win32(p.call, s)
}

// WaitFor is WaitForSingleObject on the request's event: it reports whether the request has ended in time.
func (p *Pending) WaitFor(d time.Duration) bool {
	p.u.here("WaitForSingleObject")
	due := -int64(d / 100)
	return leaving(p.u, p.op.Wait(p.u.k, &due))
}

// Cancel is CancelIoEx for this request. ERROR_NOT_FOUND says that it has ended. It does not wait.
func (p *Pending) Cancel() error {
	p.u.here("CancelIoEx")
	return leaving(p.u, win32("CancelIoEx", p.op.Cancel(p.u.k)))
}
