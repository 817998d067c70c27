package wsk

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// Functions of name resolution. Each comment stands for the function of that type in the client-level table.
type (
	// PFN_WSK_GET_ADDRESS_INFO gives the addresses that a name and a service stand for, a list at *result
	// that WskFreeAddressInfo takes back. IoStatus.Information is 0.
	//
	// IRQL: PASSIVE_LEVEL.
	// Ownership: the names, hints and result are the subsystem's until the IRP is completed; the list is the
	// client's then, until WskFreeAddressInfo.
	// Returns: STATUS_PENDING where the IRP is completed later, else what it was completed with:
	// STATUS_SUCCESS, or STATUS_NOT_FOUND or STATUS_NO_MATCH for what nobody knows (wsk.md 17);
	// STATUS_INVALID_PARAMETER for no name at all, or for a thread without a process;
	// STATUS_INSUFFICIENT_RESOURCES when memory is short. STATUS_INVALID_PARAMETER, and nothing is completed,
	// for a NULL IRP; STATUS_INVALID_HANDLE for a client that has no provider.
	// Rules: WSK-015, WSK-030, WSK-060 to WSK-069, WSK-077, WSK-091, WSK-261 to WSK-263; later WSK-260.
	// Not modelled: name spaces and their providers, the security context of the owner, impersonation.
	// Reference: wsk/nc-wsk-pfn_wsk_get_address_info.
	PFN_WSK_GET_ADDRESS_INFO func(k *irql.K, client *WSK_CLIENT, nodeName, serviceName *irp.UNICODE_STRING,
		nameSpace uint32, provider any, hints *ws2def.ADDRINFOEXW, result **ws2def.ADDRINFOEXW,
		owningProcess *irql.KPROCESS, owningThread *irql.KTHREAD, p *irp.IRP) ntstatus.NTSTATUS

	// PFN_WSK_FREE_ADDRESS_INFO takes a list of WskGetAddressInfo back.
	//
	// IRQL: PASSIVE_LEVEL.
	// Ownership: the list is gone when the call returns.
	// Rules: WSK-015, WSK-030, WSK-091, WSK-260.
	// Not modelled: none.
	// Reference: wsk/nc-wsk-pfn_wsk_free_address_info.
	PFN_WSK_FREE_ADDRESS_INFO func(k *irql.K, client *WSK_CLIENT, addrInfo *ws2def.ADDRINFOEXW)

	// PFN_WSK_GET_NAME_INFO gives the name of an address, and of the service at its port, as text with a zero
	// behind it. IoStatus.Information is 0.
	//
	// IRQL: PASSIVE_LEVEL.
	// Ownership: the address and the strings are the subsystem's until the IRP is completed.
	// Returns: STATUS_PENDING where the IRP is completed later, else what it was completed with:
	// STATUS_SUCCESS, or STATUS_BUFFER_TOO_SMALL for a string without room; STATUS_NOT_FOUND or
	// STATUS_NO_MATCH for NI_NAMEREQD where there is no name; STATUS_INVALID_PARAMETER for no string at all,
	// for an address that is none or a length that is not its own, or for a thread without a process;
	// STATUS_INSUFFICIENT_RESOURCES when memory is short. STATUS_INVALID_PARAMETER, and nothing is completed,
	// for a NULL IRP; STATUS_INVALID_HANDLE for a client that has no provider.
	// Rules: WSK-015, WSK-030, WSK-060 to WSK-069, WSK-077, WSK-091, WSK-261 to WSK-264.
	// Not modelled: the security context of the owner, impersonation.
	// Reference: wsk/nc-wsk-pfn_wsk_get_name_info.
	PFN_WSK_GET_NAME_INFO func(k *irql.K, client *WSK_CLIENT, sockAddr ws2def.SOCKADDR, sockAddrLength uint32,
		nodeName, serviceName *irp.UNICODE_STRING, flags uint32, owningProcess *irql.KPROCESS,
		owningThread *irql.KTHREAD, p *irp.IRP) ntstatus.NTSTATUS
)
