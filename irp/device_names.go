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

var siteCreateLink = ke.Site{Name: "fault/IoCreateSymbolicLink",
	Alts: []string{"succeeds", "STATUS_INSUFFICIENT_RESOURCES"}, Spec: "irp.md 12, 19.2"}

// maxLinks is how many links one name may go through; more are a circle.
const maxLinks = 32

// canonical replaces the names of the directory of DOS devices by the one name links are kept under. The
// session's own directory is not modelled, so all of them mean the global one, and so does Global in each of
// them (kernel/local-and-global-ms-dos-device-names).
func canonical(name string) string {
	for _, dir := range [...]string{`\??`, `\DosDevices`, `\GLOBAL??`} {
		rest, ok := below(name, dir)
		if !ok {
			continue
		}
		for {
			further, again := below(rest, `\Global`)
			if !again || further == "" {
				return `\??` + rest
			}
			rest = further
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

// isDirectory reports whether a directory of the object manager has the name: those that are there before any
// driver. Directories that drivers make are not modelled.
func isDirectory(name string) bool {
	for _, dir := range [...]string{`\Device`, `\??`, `\??\Global`, `\Driver`, `\FileSystem`, `\Callback`,
		`\BaseNamedObjects`, `\KernelObjects`, `\ObjectTypes`, `\Security`, `\Sessions`, `\Windows`,
		`\RPC Control`, `\KnownDlls`, `\NLS`, `\ArcName`} {
		if strings.EqualFold(name, dir) {
			return true
		}
	}
	return false
}

// purpose is what a name is looked up for.
type purpose uint8

const (
	toOpen       purpose = iota // a device
	toOpenLink                  // the link itself
	toMakeDevice                // a name for a device
	toMakeLink                  // a name for a link
)

// entry is what a name was found to be.
type entry struct {
	dev  *DEVICE_OBJECT
	link *symlink
	rest string // what follows the device in the name
	at   string // the name behind all links
}

// lookup goes along a name component by component, through links. Its statuses are IMPL (reactos:
// ntoskrnl/ob/obname.c, ObpLookupObjectName): a device is parsed only when it is to be opened, a link always,
// unless it is wanted itself.
func (io *ioManager) lookup(name string, to purpose) (entry, ntstatus.NTSTATUS) {
	if name == "" || name[0] != '\\' {
		return entry{}, ntstatus.STATUS_OBJECT_PATH_SYNTAX_BAD
	}
	for range maxLinks {
		name = canonical(name)
		e, again, s := io.along(name, to)
		if again == "" {
			return e, s
		}
		name = again
	}
	return entry{}, ntstatus.STATUS_OBJECT_NAME_NOT_FOUND
}

// along is lookup up to the first link; again is the name to go on with.
func (io *ioManager) along(name string, to purpose) (e entry, again string, s ntstatus.NTSTATUS) {
	insert := to == toMakeDevice || to == toMakeLink
	if name == `\` {
		return entry{}, "", occupied(insert)
	}
	for start := 1; ; {
		end := len(name)
		if i := strings.IndexByte(name[start:], '\\'); i >= 0 {
			end = start + i
		}
		part, rest := name[:end], name[end:]
		link := io.findLink(part)
		dev := io.findDevice(part)
		switch {
		case start == end:
			return entry{}, "", ntstatus.STATUS_OBJECT_NAME_INVALID
		case link != nil && rest == "" && to == toOpenLink:
			return entry{link: link}, "", ntstatus.STATUS_SUCCESS
		case link != nil && rest == "" && to == toMakeLink:
			return entry{}, "", ntstatus.STATUS_OBJECT_NAME_COLLISION
		case link != nil:
			return entry{}, link.target + rest, 0
		case dev != nil && to == toOpen:
			return entry{dev: dev, rest: rest, at: part}, "", ntstatus.STATUS_SUCCESS
		case dev != nil && rest != "":
			return entry{}, "", ntstatus.STATUS_OBJECT_TYPE_MISMATCH
		case dev != nil || isDirectory(part) && rest == "":
			return entry{}, "", occupied(insert)
		case isDirectory(part):
			start = end + 1
		case rest != "":
			return entry{}, "", ntstatus.STATUS_OBJECT_PATH_NOT_FOUND
		case insert:
			return entry{at: part}, "", ntstatus.STATUS_SUCCESS
		default:
			return entry{}, "", ntstatus.STATUS_OBJECT_NAME_NOT_FOUND
		}
	}
}

// occupied is the status for a name that something else has.
func occupied(insert bool) ntstatus.NTSTATUS {
	if insert {
		return ntstatus.STATUS_OBJECT_NAME_COLLISION
	}
	return ntstatus.STATUS_OBJECT_TYPE_MISMATCH
}

// resolve finds the device of a name, and what follows it in the name.
func (io *ioManager) resolve(name string) (dev *DEVICE_OBJECT, rest string, s ntstatus.NTSTATUS) {
	e, s := io.lookup(name, toOpen)
	return e.dev, e.rest, s
}

func (io *ioManager) findLink(name string) *symlink {
	for i := range io.links {
		if strings.EqualFold(io.links[i].name, name) {
			return &io.links[i]
		}
	}
	return nil
}

// IoCreateSymbolicLink gives a device a second name, `\DosDevices\NAME` as a rule, under which programs open
// it as `\\.\NAME`.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the driver deletes it, at the latest in DriverUnload.
// Returns: STATUS_SUCCESS; STATUS_OBJECT_NAME_COLLISION where there is such a name;
// STATUS_OBJECT_PATH_SYNTAX_BAD, STATUS_OBJECT_PATH_NOT_FOUND, STATUS_OBJECT_NAME_INVALID for a bad name;
// STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: IRQL-001, UNLOAD-006.
// Not modelled: directories per session, security.
// Reference: wdm/nf-wdm-iocreatesymboliclink.
func IoCreateSymbolicLink(k *irql.K, symbolicLinkName, deviceName string) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.IoCreateSymbolicLink)
	io := state.Of(k)
	ke.Point(k, ke.Writes(io.names))
	e, s := io.lookup(symbolicLinkName, toMakeLink)
	if s == ntstatus.STATUS_SUCCESS && ke.Fails(k, &siteCreateLink) {
		s = ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	seq := ke.CallStatus(k, ddi.IoCreateSymbolicLink, io.idOf(deviceName), uint32(s))
	if s == ntstatus.STATUS_SUCCESS {
		io.links = append(io.links, symlink{e.at, deviceName, ke.Acting(k), seq})
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
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_OBJECT_NAME_NOT_FOUND where there is none, STATUS_OBJECT_TYPE_MISMATCH
// where it is no link; STATUS_OBJECT_PATH_SYNTAX_BAD, STATUS_OBJECT_PATH_NOT_FOUND for a bad name.
// Rules: IRQL-001.
// Reference: wdm/nf-wdm-iodeletesymboliclink.
func IoDeleteSymbolicLink(k *irql.K, symbolicLinkName string) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.IoDeleteSymbolicLink)
	io := state.Of(k)
	ke.Point(k, ke.Writes(io.names))
	id := trace.ID(0)
	e, s := io.lookup(symbolicLinkName, toOpenLink)
	for i := range io.links {
		if e.link == &io.links[i] {
			id = io.idOf(e.link.target)
			io.links = list.Cut(io.links, i)
			break
		}
	}
	ke.CallStatus(k, ddi.IoDeleteSymbolicLink, id, uint32(s))
	return s
}

// deviceName says where a new device gets its name, if it is to have one.
func (io *ioManager) deviceName(name string) (string, ntstatus.NTSTATUS) {
	if name == "" {
		return "", ntstatus.STATUS_SUCCESS
	}
	e, s := io.lookup(name, toMakeDevice)
	return e.at, s
}

func (io *ioManager) findDevice(name string) *DEVICE_OBJECT {
	for _, d := range io.devices {
		if d.name != "" && strings.EqualFold(d.name, name) && !d.deleted {
			return d
		}
	}
	return nil
}
