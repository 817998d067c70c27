package sim

import (
	"time"

	"calloutsim/irp"
)

// CompletionPort is an I/O completion port. Requests of a device that is associated with one do not end with
// the thread that made them; with the last handle of the device the system cancels what its driver has left.
type CompletionPort struct{ c *irp.CompletionPort }

// Completion is a packet of a port: a request that has ended, or what Post was given.
type Completion struct {
	Key   uint64 // of the device, given to Associate
	Bytes int
	Err   error
	op    *irp.UserIO
}

// Of reports whether the packet tells of the end of a request.
func (c Completion) Of(p *Pending) bool { return p.op == c.op }

// CreateIoCompletionPort makes a port, which every thread of the process may use.
func (u *User) CreateIoCompletionPort() *CompletionPort {
	u.here("CreateIoCompletionPort")
	return leaving(u, &CompletionPort{irp.Sim.NewPort(u.k)})
}

// Associate is CreateIoCompletionPort with a device and a port: whatever ends at the device from now on puts
// a packet with key into the port, unless the call itself returned its error. A device may have one port, and
// needs to be open for overlapped requests; routines to be called (StartReadEx) exclude a port.
func (d *Device) Associate(c *CompletionPort, key uint64) error {
	d.u.here("CreateIoCompletionPort")
	return leaving(d.u, win32("CreateIoCompletionPort", d.h.Associate(d.u.k, c.c, key)))
}

// GetQueuedCompletionStatus takes the next packet of the port, and waits for it as long as given; less than 0
// is for ever. ok is false when none came.
func (u *User) GetQueuedCompletionStatus(c *CompletionPort, wait time.Duration) (p Completion, ok bool) {
	u.here("GetQueuedCompletionStatus")
	var due *int64
	if wait >= 0 {
		t := -int64(wait / 100)
		due = &t
	}
	packet, ok := c.c.Get(u.k, due)
	u.leave()
	return Completion{packet.Key, int(packet.Information), win32("GetQueuedCompletionStatus", packet.Status),
		packet.Op}, ok
}

// PostQueuedCompletionStatus puts a packet into the port.
func (u *User) PostQueuedCompletionStatus(c *CompletionPort, key uint64, bytes int) {
	u.here("PostQueuedCompletionStatus")
	c.c.Post(u.k, irp.CompletionPacket{Key: key, Information: uint64(bytes)})
	u.leave()
}
