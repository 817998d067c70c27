package fwps

import (
	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
)

// image is who owns something.
type image = *ke.Image

// ownerOf is the driver an object of a device belongs to, or who acts when the device does not tell.
func ownerOf(k *irql.K, dev *irp.DEVICE_OBJECT) image {
	if dev != nil && dev.DriverObject != nil {
		return dev.DriverObject.Image()
	}
	return ke.Acting(k)
}

func imageNameOf(i image) string {
	if i == nil {
		return ""
	}
	return i.Name
}

func imageName(p *ke.Process) string {
	if p == nil {
		return "System"
	}
	return p.Image
}
