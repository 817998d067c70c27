package irp

import (
	"strings"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// symlink is a symbolic link of the object manager.
type symlink struct {
	name, target string
	image        *ke.Image // who made it
	seq          uint64
}

var siteCreateLink = ke.Site{Name: "fault/IoCreateSymbolicLink",
	Alts: []string{"succeeds", "STATUS_INSUFFICIENT_RESOURCES"}, Spec: "irp.md 12, 19.2"}

// maxLinks is how many links one name may go through; more are a circle.
const maxLinks = 32

// canonical replaces the names of the directory of DOS devices by the one name links are kept under. The
// session's own directory is not modelled, so all of them mean the global one.
func canonical(name string) string {
	for _, dir := range []string{`\DosDevices\`, `\GLOBAL??\`} {
		if len(name) > len(dir) && strings.EqualFold(name[:len(dir)], dir) {
			return `\??\` + name[len(dir):]
		}
	}
	return name
}

// below reports whether name is the object called of, or something below it; rest is "" or begins with a
// backslash. Names are compared without regard to case.
func below(name, of string) (rest string, ok bool) {
	if len(name) < len(of) || !strings.EqualFold(name[:len(of)], of) {
		return "", false
	}
	rest = name[len(of):]
	return rest, rest == "" || rest[0] == '\\'
}

// resolve finds the device of a name, and what follows it in the name.
func (io *ioManager) resolve(name string) (dev *DEVICE_OBJECT, rest string, s ntstatus.NTSTATUS) {
	if name == "" || name[0] != '\\' {
		return nil, "", ntstatus.STATUS_OBJECT_PATH_SYNTAX_BAD
	}
	for range maxLinks {
		name = canonical(name)
		for _, d := range io.devices {
			if d.name == "" || d.deleted {
				continue
			}
			if rest, ok := below(name, d.name); ok {
				return d, rest, ntstatus.STATUS_SUCCESS
			}
		}
		l, rest := io.findLink(name)
		if l == nil {
			break
		}
		name = l.target + rest
	}
	return nil, "", ntstatus.STATUS_OBJECT_NAME_NOT_FOUND
}

func (io *ioManager) findLink(name string) (*symlink, string) {
	for i := range io.links {
		if rest, ok := below(name, io.links[i].name); ok {
			return &io.links[i], rest
		}
	}
	return nil, ""
}

// IoCreateSymbolicLink gives a device a second name, `\DosDevices\NAME` as a rule, under which programs open
// it as `\\.\NAME`.
//
// IRQL: PASSIVE_LEVEL. Ownership: the driver deletes it, at the latest in DriverUnload. Rules: IRQL-001,
// UNLOAD-006. Not modelled: directories per session, security. Reference: wdm/nf-wdm-iocreatesymboliclink.
func IoCreateSymbolicLink(k *irql.K, symbolicLinkName, deviceName string) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.IoCreateSymbolicLink)
	io := state.Of(k)
	ke.Point(k, ke.Use{Obj: io.names, How: ke.W})
	name := canonical(symbolicLinkName)
	s := ntstatus.STATUS_SUCCESS
	link, rest := io.findLink(name)
	switch {
	case name == "" || name[0] != '\\':
		s = ntstatus.STATUS_OBJECT_PATH_SYNTAX_BAD
	case link != nil && rest == "" || io.findDevice(name) != nil:
		s = ntstatus.STATUS_OBJECT_NAME_COLLISION
	case ke.Fails(k, &siteCreateLink):
		s = ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	seq := ke.CallStatus(k, ddi.IoCreateSymbolicLink, io.idOf(deviceName), uint32(s))
	if s == ntstatus.STATUS_SUCCESS {
		io.links = append(io.links, symlink{name, deviceName, ke.Acting(k), seq})
	}
	return s
}

// idOf is the id of the device of a name, for events; a link may be made before its device.
func (io *ioManager) idOf(name string) trace.ID {
	if d := io.findDevice(name); d != nil {
		return d.id
	}
	return 0
}

// IoDeleteSymbolicLink takes a name away that IoCreateSymbolicLink gave.
//
// IRQL: PASSIVE_LEVEL. Rules: IRQL-001. Reference: wdm/nf-wdm-iodeletesymboliclink.
func IoDeleteSymbolicLink(k *irql.K, symbolicLinkName string) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.IoDeleteSymbolicLink)
	io := state.Of(k)
	ke.Point(k, ke.Use{Obj: io.names, How: ke.W})
	s, id := ntstatus.STATUS_OBJECT_NAME_NOT_FOUND, trace.ID(0)
	name := canonical(symbolicLinkName)
	for i := range io.links {
		if strings.EqualFold(io.links[i].name, name) {
			id = io.idOf(io.links[i].target)
			io.links = list.Cut(io.links, i)
			s = ntstatus.STATUS_SUCCESS
			break
		}
	}
	ke.CallStatus(k, ddi.IoDeleteSymbolicLink, id, uint32(s))
	return s
}
