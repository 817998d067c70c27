package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Names of the object manager: what a name for something new may be, and how far an opening gets.

// TestIoCreateDevice_Names: the directory has to exist, the last part of the name not. IMPL, reactos:
// ntoskrnl/ob/obname.c, ObpLookupObjectName.
func TestIoCreateDevice_Names(t *testing.T) {
	cases := []struct {
		name         string
		device, link ntstatus.NTSTATUS
	}{
		{`\Device1\x`, ntstatus.STATUS_OBJECT_PATH_NOT_FOUND, ntstatus.STATUS_OBJECT_PATH_NOT_FOUND},
		{`\Device\Absent\x`, ntstatus.STATUS_OBJECT_PATH_NOT_FOUND, ntstatus.STATUS_OBJECT_PATH_NOT_FOUND},
		{`\DosDevices\Absent\x`, ntstatus.STATUS_OBJECT_PATH_NOT_FOUND,
			ntstatus.STATUS_OBJECT_PATH_NOT_FOUND},
		{`Device\x`, ntstatus.STATUS_OBJECT_PATH_SYNTAX_BAD, ntstatus.STATUS_OBJECT_PATH_SYNTAX_BAD},
		{`\Device\\x`, ntstatus.STATUS_OBJECT_NAME_INVALID, ntstatus.STATUS_OBJECT_NAME_INVALID},
		{`\Device\`, ntstatus.STATUS_OBJECT_NAME_INVALID, ntstatus.STATUS_OBJECT_NAME_INVALID},
		{`\DosDevices\`, ntstatus.STATUS_OBJECT_NAME_INVALID, ntstatus.STATUS_OBJECT_NAME_INVALID},
		{`\Device`, ntstatus.STATUS_OBJECT_NAME_COLLISION, ntstatus.STATUS_OBJECT_NAME_COLLISION},
		{`\GLOBAL??`, ntstatus.STATUS_OBJECT_NAME_COLLISION, ntstatus.STATUS_OBJECT_NAME_COLLISION},
		{`\`, ntstatus.STATUS_OBJECT_NAME_COLLISION, ntstatus.STATUS_OBJECT_NAME_COLLISION},
		{`\DEVICE\test`, ntstatus.STATUS_OBJECT_NAME_COLLISION, ntstatus.STATUS_OBJECT_NAME_COLLISION},
		{`\Device\Test\below`, ntstatus.STATUS_OBJECT_TYPE_MISMATCH, ntstatus.STATUS_OBJECT_TYPE_MISMATCH},
		{`\??\Test`, ntstatus.STATUS_OBJECT_NAME_COLLISION, ntstatus.STATUS_OBJECT_NAME_COLLISION},
		{`\??\Test\below`, ntstatus.STATUS_OBJECT_TYPE_MISMATCH, ntstatus.STATUS_OBJECT_TYPE_MISMATCH},
		{`\device\NEW`, ok, ok},
		{`\New`, ok, ok},
		{`\Driver\New`, ok, ok},
		{`\DosDevices\New`, ok, ok},
		{`\DosDevices\Global\New`, ok, ok},
		{`\??\global\Test`, ntstatus.STATUS_OBJECT_NAME_COLLISION, ntstatus.STATUS_OBJECT_NAME_COLLISION},
		{`\DosDevices\Global`, ntstatus.STATUS_OBJECT_NAME_COLLISION, ntstatus.STATUS_OBJECT_NAME_COLLISION},
		{`\DosDevices\Global\Absent\x`, ntstatus.STATUS_OBJECT_PATH_NOT_FOUND,
			ntstatus.STATUS_OBJECT_PATH_NOT_FOUND},
	}
	passes(t, func(l *lab) {
		new(control).load(l)
		l.run(func(k *irql.K) {
			for _, c := range cases {
				var d *irp.DEVICE_OBJECT
				s := irp.IoCreateDevice(k, l.client, 0, c.name, irp.FILE_DEVICE_UNKNOWN, 0, false, &d)
				assert.Equal(t, c.device, s, c.name)
				assert.Equal(t, s == ok, d != nil, c.name)
				if d != nil {
					irp.IoDeleteDevice(k, d)
				}
				s = irp.IoCreateSymbolicLink(k, c.name, devName)
				assert.Equal(t, c.link, s, c.name)
				if s == ok {
					assert.Equal(t, ok, irp.IoDeleteSymbolicLink(k, c.name), c.name)
				}
			}
		})
	}, noFaults...)
}

// TestIoGetDeviceObjectPointer_Names: the same walk for what is to be opened, or deleted.
func TestIoGetDeviceObjectPointer_Names(t *testing.T) {
	passes(t, func(l *lab) {
		new(control).load(l)
		l.run(func(k *irql.K) {
			assert.Equal(t, ok, irp.IoCreateSymbolicLink(k, `\DosDevices\Round`, `\DosDevices\Round`))
			for _, c := range []struct {
				name string
				want ntstatus.NTSTATUS
			}{
				{devName, ok},
				{`\??\test\rest\of it`, ok},
				{`\Device\Absent`, ntstatus.STATUS_OBJECT_NAME_NOT_FOUND},
				{`\Device1\x`, ntstatus.STATUS_OBJECT_PATH_NOT_FOUND},
				{`\DosDevices\Absent\x`, ntstatus.STATUS_OBJECT_PATH_NOT_FOUND},
				{`\Device`, ntstatus.STATUS_OBJECT_TYPE_MISMATCH},
				{`Test`, ntstatus.STATUS_OBJECT_PATH_SYNTAX_BAD},
				{`\??\Round`, ntstatus.STATUS_OBJECT_NAME_NOT_FOUND},
			} {
				var f *irp.FILE_OBJECT
				var d *irp.DEVICE_OBJECT
				s := irp.IoGetDeviceObjectPointer(k, c.name, 0, &f, &d)
				assert.Equal(t, c.want, s, c.name)
				if s == ok {
					irp.ObDereferenceObject(k, f)
				}
			}
			assert.Equal(t, ok, irp.IoDeleteSymbolicLink(k, `\??\ROUND`))
			assert.Equal(t, ntstatus.STATUS_OBJECT_PATH_NOT_FOUND, irp.IoDeleteSymbolicLink(k, `\Device1\x`))
			assert.Equal(t, ntstatus.STATUS_OBJECT_TYPE_MISMATCH, irp.IoDeleteSymbolicLink(k, devName))
		})
	}, noFaults...)
}

// TestIoCreateDevice_ThroughALinkToNothing: the link is followed, and the device made where it leads.
func TestIoCreateDevice_ThroughALinkToNothing(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			irp.IoCreateSymbolicLink(k, linkName, devName)
			var d, again *irp.DEVICE_OBJECT
			assert.Equal(t, ok, irp.IoCreateDevice(k, l.client, 0, linkName, irp.FILE_DEVICE_UNKNOWN, 0,
				false, &d))
			assert.Equal(t, ntstatus.STATUS_OBJECT_NAME_COLLISION, irp.IoCreateDevice(k, l.client, 0, devName,
				irp.FILE_DEVICE_UNKNOWN, 0, false, &again))
			irp.IoDeleteDevice(k, d)
			irp.IoDeleteSymbolicLink(k, linkName)
		})
	}, noFaults...)
}

// noFaults keeps allocations from failing where statuses are compared.
var noFaults = []ke.Pin{{Site: "fault/IoCreateDevice"}, {Site: "fault/IoCreateSymbolicLink"},
	{Site: "fault/OpenDevice"}}
