package wsk

import "calloutsim/internal/verify"

// nameRules are about names, security descriptors, extensions.
var nameRules = []verify.Record{
	{ID: verify.WSK_260, Name: "AddressListKept",
		Why: "The list is memory of the subsystem, which only WskFreeAddressInfo takes back, while the NPI " +
			"is captured.",
		Fix: "call WskFreeAddressInfo once for each list, before WskReleaseProviderNPI.",
		Cases: []verify.Case{{Name: "no such list",
			Fix: "pass the head of the list as WskGetAddressInfo gave it, once."}}},
	{ID: verify.WSK_261, Name: "NameGone",
		Why: "Names and result are used until the IRP is completed.",
		Fix: "keep the strings, the hints and the Result variable until the completion routine has run."},
	{ID: verify.WSK_262, Name: "ThreadWithoutProcess",
		Why: "A security context comes from a process, or from a thread of it.",
		Fix: "pass the OwningProcess of the OwningThread, or NULL for both."},
	{ID: verify.WSK_263, Name: "NothingAskedFor",
		Why: "There must be a name or a service.",
		Fix: "pass a NodeName, a ServiceName, or both."},
	{ID: verify.WSK_264, Name: "NoRoomForTerminator",
		Why: "The text is stored with a zero behind it.",
		Fix: "make the buffer, and MaximumLength, two bytes larger than the text."},
	{ID: verify.WSK_265, Name: "OneStatusForUnknownNames",
		ByConstruction: "the site doc/WskGetAddressInfo/unresolvable gives either status",
		Why:            "Which status an unknown name ends with depends on the version of Windows.",
		Fix:            "take every failure for a name that cannot be resolved."},
	{ID: verify.WSK_266, Name: "NotInTheCache",
		Why: "Only what WSK_CACHE_SD or SO_WSK_SECURITY gave can be released, once.",
		Fix: "release each cached descriptor once, and nothing else."},
	{ID: verify.WSK_267, Name: "ExtensionAfterClose",
		ByConstruction: "no extension interface is defined, so there is no function to call",
		Fix:            "call nothing of a socket behind WskCloseSocket."},
	{ID: verify.WSK_268, Name: "StatusInInformation",
		ByConstruction: "IoStatus.Information is always 0",
		Why:            "The pages say that Information is the status; on Windows it is 0.",
		Fix:            "read IoStatus.Status."},
}
