package wsk

import "calloutsim/internal/verify"

// clientRules are about calls of the client: sockets made, control codes, events of the client.
var clientRules = []verify.Record{
	{ID: verify.WSK_030, Name: "ForeignClient",
		Why: "The client pointer is not the one that the capture delivered.",
		Fix: "pass WSK_PROVIDER_NPI.Client as WskCaptureProviderNPI filled it."},
	{ID: verify.WSK_031, Name: "SeveralCategories",
		Why: "A socket is of exactly one category.",
		Fix: "pass exactly one of the WSK_FLAG_…_SOCKET flags."},
	{ID: verify.WSK_032, Name: "WrongClientTable",
		Why: "The table of callbacks is not that of the socket's category; the wrong routine would be " +
			"called.",
		Fix: "use the dispatch table of the category that the socket was created with."},
	{ID: verify.WSK_033, Name: "BasicSocketContext",
		Why: "A basic socket has no callbacks, so a context or table given to it is an error.",
		Fix: "pass NULL as context and dispatch for a basic socket."},
	{ID: verify.WSK_034, Name: "WrongSocketType",
		Why: "Type and protocol do not fit the category. Creating a listening socket succeeds all the " +
			"same and the bind fails.",
		Fix: "choose socket type and protocol that fit the category: SOCK_STREAM with IPPROTO_TCP to " +
			"listen or connect, SOCK_DGRAM with IPPROTO_UDP for datagrams."},
	{ID: verify.WSK_035, Name: "ContextGone",
		Why: "A socket context was freed or lies in paged memory although callbacks are possible.",
		Fix: "allocate the socket context with POOL_FLAG_NON_PAGED, and free it only after the IRP of " +
			"WskCloseSocket is completed."},
	{ID: verify.WSK_036, Name: "ClientTableGone",
		Why: "The client's table must stay until the socket is closed.",
		Fix: "put the dispatch table into static memory; it must stay until the IRP of WskCloseSocket " +
			"is completed."},
	{ID: verify.WSK_037, Name: "UncachedDescriptor",
		Why: "Only security descriptors that WSK has cached can be given to a socket.",
		Fix: "take the security descriptor from the cache (WskControlClient with WSK_CACHE_SD), or " +
			"pass NULL."},
	{ID: verify.WSK_038, Name: "DescriptorReleasedEarly",
		Why: "The descriptor is used until the IRP is completed.",
		Fix: "release it behind the completion of WskSocket, or of SO_WSK_SECURITY."},
	{ID: verify.WSK_039, Name: "DescriptorKept",
		Why: "Closing a socket does not release the descriptor it was made with.",
		Fix: "call WskControlClient with WSK_RELEASE_SD for each cached descriptor before " +
			"WskReleaseProviderNPI."},
	{ID: verify.WSK_040, Name: "FailedInformation",
		ByConstruction: "IoStatus.Pointer is a *WSK_SOCKET only where the IRP succeeded",
		Fix:            "look at IoStatus.Status before IoStatus.Information."},
	{ID: verify.WSK_041, Name: "SocketLeft",
		Why: "A socket was made or accepted and forgotten.",
		Fix: "call WskCloseSocket for every socket that was created or accepted, on error paths as " +
			"well; an accepted one is in IoStatus.Information."},
	{ID: verify.WSK_042, Name: "ReservedFlags",
		Why: "Flags that are reserved must be 0.",
		Fix: "pass 0 for Flags."},
	{ID: verify.WSK_043, Name: "RecordsAfterSocketConnect",
		Why: "WskSocketConnect leaves no moment in which records could be set before the connection is made.",
		Fix: "use WskSocket, set the options or records, then WskBind and WskConnect in place of " +
			"WskSocketConnect."},
	{ID: verify.WSK_044, Name: "ClientControlIrp",
		Why: "Each control code demands an IRP or forbids it.",
		Fix: "pass an IRP where the page of the code says so, and NULL elsewhere."},
	{ID: verify.WSK_045, Name: "ClientControlLate",
		Why: "Static events and the like hold for sockets that are made later.",
		Fix: "call WskControlClient before the first WskSocket."},
	{ID: verify.WSK_046, Name: "StaticDisable",
		Why: "Static events cannot be disabled.",
		Fix: "leave WSK_EVENT_DISABLE out of the mask."},
	{ID: verify.WSK_047, Name: "NoSizeOfList",
		Why: "The size of the list is told in *OutputSizeReturned only.",
		Fix: "pass the address of a SIZE_T."},
	{ID: verify.WSK_048, Name: "OverflowTakenForData",
		Why: "STATUS_BUFFER_OVERFLOW gives the size of the list and nothing of it. To NT_ERROR it is no " +
			"error.",
		Fix: "ask again with a buffer of *OutputSizeReturned bytes; look at the list after STATUS_SUCCESS " +
			"only."},
	{ID: verify.WSK_049, Name: "MemberOfALaterVersion",
		ByConstruction: "the tables are those of Windows 10 1703, which have all members",
		Why:            "Tables of earlier versions end before the member.",
		Fix:            "look at WSK_PROVIDER_DISPATCH.Version before calling newer members."},
}
