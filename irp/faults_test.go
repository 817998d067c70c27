package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Every place of this package where something may fail, with the failing alternative taken: NULL or a status
// comes back and nothing is left behind.

// failing runs act with one site pinned to its failing alternative and then unloads the client, which shows
// leaks.
func failing(t *testing.T, site string, act func(k *irql.K, d *driver)) {
	t.Helper()
	l := newLab(t, ke.Config{Pins: []ke.Pin{{Site: site, Alt: 1}}})
	d := &driver{l: l}
	if site != "fault/IoCreateDevice" {
		d = l.stack(completes(ok))[0]
	}
	asked := false
	l.as(l.image, func(k *irql.K) { act(k, d) })
	l.m.Run(nil)
	for _, c := range l.m.Choices() {
		asked = asked || c.Site.Name == site && c.Pick == 1
	}
	assert.True(t, asked, "%s was never asked", site)
	l.unload(l.client)
	l.rest()
	l.silent()
}

func TestFault_IoAllocateIrp(t *testing.T) {
	failing(t, "fault/IoAllocateIrp", func(k *irql.K, d *driver) {
		assert.Nil(t, irp.IoAllocateIrp(k, 1, false))
	})
}

func TestFault_IoBuildDeviceIoControlRequest(t *testing.T) {
	failing(t, "fault/IoBuildDeviceIoControlRequest", func(k *irql.K, d *driver) {
		assert.Nil(t, irp.IoBuildDeviceIoControlRequest(k, ioctlTest, d.dev, nil, 0, nil, 0, false, nil, nil))
	})
}

func TestFault_IoBuildSynchronousFsdRequest(t *testing.T) {
	failing(t, "fault/IoBuildSynchronousFsdRequest", func(k *irql.K, d *driver) {
		assert.Nil(t, irp.IoBuildSynchronousFsdRequest(k, irp.IRP_MJ_FLUSH_BUFFERS, d.dev, nil, 0, nil,
			nil, nil))
	})
}

func TestFault_IoBuildAsynchronousFsdRequest(t *testing.T) {
	failing(t, "fault/IoBuildAsynchronousFsdRequest", func(k *irql.K, d *driver) {
		assert.Nil(t, irp.IoBuildAsynchronousFsdRequest(k, irp.IRP_MJ_FLUSH_BUFFERS, d.dev, nil, 0, nil, nil))
	})
}

// buildsWithBuffer tries every build routine that needs memory of its own for a buffer.
func buildsWithBuffer(t *testing.T, flags, method uint32) func(k *irql.K, d *driver) {
	return func(k *irql.K, d *driver) {
		d.dev.Flags |= flags
		b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 16, irp.Tag("test"))
		for _, major := range []uint32{irp.IRP_MJ_READ, irp.IRP_MJ_WRITE} {
			assert.Nil(t, irp.IoBuildSynchronousFsdRequest(k, major, d.dev, b, 16, nil, nil, nil))
			assert.Nil(t, irp.IoBuildAsynchronousFsdRequest(k, major, d.dev, b, 16, nil, nil))
		}
		assert.Nil(t, irp.IoBuildDeviceIoControlRequest(k, ioctlTest|method, d.dev, b, 16, b, 16, false,
			nil, nil))
		irp.ExFreePoolWithTag(k, b, irp.Tag("test"))
	}
}

func TestFault_SystemBuffer(t *testing.T) {
	failing(t, "fault/SystemBuffer", buildsWithBuffer(t, irp.DO_BUFFERED_IO, irp.METHOD_BUFFERED))
}

func TestFault_MdlOfARequest(t *testing.T) {
	failing(t, "fault/IoAllocateMdl", buildsWithBuffer(t, irp.DO_DIRECT_IO, irp.METHOD_OUT_DIRECT))
}

func TestFault_IoCreateDevice(t *testing.T) {
	failing(t, "fault/IoCreateDevice", func(k *irql.K, d *driver) {
		s := irp.IoCreateDevice(k, d.l.client, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &d.dev)
		assert.Equal(t, ntstatus.STATUS_INSUFFICIENT_RESOURCES, s)
		assert.Nil(t, d.dev)
	})
}

func TestFault_IoAllocateWorkItem(t *testing.T) {
	failing(t, "fault/IoAllocateWorkItem", func(k *irql.K, d *driver) {
		assert.Nil(t, irp.IoAllocateWorkItem(k, d.dev))
	})
}
