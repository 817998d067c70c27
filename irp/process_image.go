package irp

import (
	"strings"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var siteLocateName = ke.Site{Name: "fault/SeLocateProcessImageName", Alts: faultAlts, Spec: "irp.md 19.2"}

// SeLocateProcessImageName gives the path of a process's image in a block of pool: what C frees with
// ExFreePool(name) is freed with ExFreePool(k, name.Handle()).
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the caller frees the block.
// Returns: STATUS_SUCCESS; STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: IRQL-001, UNLOAD-001.
// Reference: ntifs/nf-ntifs-selocateprocessimagename.
func SeLocateProcessImageName(k *irql.K, process *irql.KPROCESS,
	pImageFileName **Typed[UNICODE_STRING]) ntstatus.NTSTATUS {
	const d = ddi.SeLocateProcessImageName
	ke.Enter(k, d)
	id := process.Header().ID
	if ke.Fails(k, &siteLocateName) {
		ke.CallStatus(k, d, id, uint32(ntstatus.STATUS_INSUFFICIENT_RESOURCES))
		return ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	name := pool.New[UNICODE_STRING](k, &pool.Request{DDI: d, Tag: Tag("SeLo")})
	*name.Get() = imageName(process.Image())
	*pImageFileName = name
	ke.CallStatus(k, d, id, uint32(ntstatus.STATUS_SUCCESS))
	return ntstatus.STATUS_SUCCESS
}

// imageName is the path under which drivers see a program: its own if it has one, else one on the first
// volume.
func imageName(image string) UNICODE_STRING {
	if !strings.Contains(image, `\`) && image != "System" {
		image = `\Device\HarddiskVolume1\` + image
	}
	return *unicode(image)
}
