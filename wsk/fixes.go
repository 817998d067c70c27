package wsk

import "calloutsim/internal/verify"

// fixes are the likely fixes of the rules about Winsock Kernel,
// for reports whose finding knows no cause that is more particular.
var fixes = []verify.Record{
	{ID: verify.WSK_001, Fix: "call WskRegister in DriverEntry or a work item, with no spin lock held."},
	{ID: verify.WSK_002, Fix: "set Reserved of WSK_CLIENT_DISPATCH to 0."},
	{ID: verify.WSK_004, Fix: "use one WSK_REGISTRATION per registration, and call WskDeregister before " +
		"the block is used again."},
	{ID: verify.WSK_005, Fix: "call WskDeregister once for each successful WskRegister, in DriverUnload " +
		"and on the error paths of DriverEntry."},
	{ID: verify.WSK_006, Fix: "call WskDeregister once, and only where WskRegister returned STATUS_SUCCESS."},
	{ID: verify.WSK_007, Fix: "keep the registration block until WskDeregister and every other " +
		"registration call have returned."},
	{ID: verify.WSK_008, Fix: "put the dispatch table into static memory or the device extension; it " +
		"must stay until WskDeregister has returned."},
	{ID: verify.WSK_009, Fix: "leave the members of WSK_REGISTRATION alone; they are the subsystem's."},
	{ID: verify.WSK_010, Fix: "pass WSK_NO_WAIT, or capture at PASSIVE_LEVEL."},
	{ID: verify.WSK_011, Fix: "pass WSK_NO_WAIT or a short time-out in DriverEntry, and capture in a " +
		"work item or thread where it must wait."},
	{ID: verify.WSK_013, Fix: "call WskReleaseProviderNPI once for each successful " +
		"WskCaptureProviderNPI, before WskDeregister."},
	{ID: verify.WSK_014, Fix: "release only what was captured: call WskReleaseProviderNPI once, where " +
		"WskCaptureProviderNPI returned STATUS_SUCCESS."},
	{ID: verify.WSK_015, Fix: "close the sockets first, release the provider NPI last."},
	{ID: verify.WSK_016, Fix: "call WskReleaseProviderNPI before WskDeregister, and nothing of the " +
		"registration behind it."},
	{ID: verify.WSK_017, Fix: "close every socket and release the NPI before WskDeregister, which waits " +
		"for both."},
	{ID: verify.WSK_018, Fix: "call WskDeregister in DriverUnload or a work item, not in a callback that " +
		"it waits for."},
	{ID: verify.WSK_019, Fix: "call WskDeregister at PASSIVE_LEVEL, with no spin lock held."},
	{ID: verify.WSK_020, Fix: "call WskDeregister in DriverUnload itself, or wait there for the work " +
		"item that does."},
	{ID: verify.WSK_021, Fix: "take STATUS_NOINTERFACE as final: register with another version " +
		"(WskQueryProviderCharacteristics says which there are)."},
	{ID: verify.WSK_022, Fix: "call WskCaptureProviderNPI first; ask for the characteristics only when " +
		"it returned STATUS_NOINTERFACE."},
	{ID: verify.WSK_030, Fix: "pass WSK_PROVIDER_NPI.Client as WskCaptureProviderNPI filled it."},
	{ID: verify.WSK_031, Fix: "pass exactly one of the WSK_FLAG_…_SOCKET flags."},
	{ID: verify.WSK_032, Fix: "use the dispatch table of the category that the socket was created with."},
	{ID: verify.WSK_033, Fix: "pass NULL as context and dispatch for a basic socket."},
	{ID: verify.WSK_034, Fix: "choose socket type and protocol that fit the category: SOCK_STREAM with " +
		"IPPROTO_TCP to listen or connect, SOCK_DGRAM with IPPROTO_UDP for datagrams."},
	{ID: verify.WSK_035, Fix: "allocate the socket context with POOL_FLAG_NON_PAGED, and free it only " +
		"after the IRP of WskCloseSocket is completed."},
	{ID: verify.WSK_036, Fix: "put the dispatch table into static memory; it must stay until the IRP of " +
		"WskCloseSocket is completed."},
	{ID: verify.WSK_037, Fix: "take the security descriptor from the cache (WskControlClient with " +
		"WSK_CACHE_SD), or pass NULL."},
	{ID: verify.WSK_041, Fix: "call WskCloseSocket for every socket that was created or accepted, on " +
		"error paths as well; an accepted one is in IoStatus.Information."},
	{ID: verify.WSK_042, Fix: "pass 0 for Flags."},
	{ID: verify.WSK_043, Fix: "use WskSocket, set the options or records, then WskBind and WskConnect in " +
		"place of WskSocketConnect."},
	{ID: verify.WSK_060, Fix: "pass an IRP of IoAllocateIrp with a completion routine."},
	{ID: verify.WSK_061, Fix: "call IoSetCompletionRoutine(k, p, routine, context, true, true, true) " +
		"before the WSK function, each time."},
	{ID: verify.WSK_062, Fix: "pass TRUE for InvokeOnSuccess, InvokeOnError and InvokeOnCancel."},
	{ID: verify.WSK_063, Fix: "return STATUS_MORE_PROCESSING_REQUIRED from the completion routine of an " +
		"IRP of your own."},
	{ID: verify.WSK_064, Fix: "allocate the IRP with at least one stack location (IoAllocateIrp(k, 1, " +
		"false)); one that is passed down needs a location left."},
	{ID: verify.WSK_065, Fix: "let the climb go on: whoever made the IRP frees it."},
	{ID: verify.WSK_066, Fix: "free or reuse the IRP in its completion routine or after it has run; to " +
		"end it early call IoCancelIrp and wait."},
	{ID: verify.WSK_067, Fix: "allocate an IRP for each request that is under way."},
	{ID: verify.WSK_068, Fix: "call IoReuseIrp and set the completion routine again before the next WSK " +
		"function."},
	{ID: verify.WSK_069, Fix: "set the completion routine again behind IoReuseIrp, which clears it."},
	{ID: verify.WSK_070, Fix: "reuse only IRPs of your own IoAllocateIrp."},
	{ID: verify.WSK_071, Fix: "in the completion routine: if p.PendingReturned() { " +
		"irp.IoMarkIrpPending(k, p) }."},
	{ID: verify.WSK_072, Fix: "complete the IRP (IoCompleteRequest) after the work the routine stopped " +
		"it for, or return STATUS_SUCCESS."},
	{ID: verify.WSK_073, Fix: "use the status that the function returned, or let the waiter free the IRP " +
		"in place of the routine."},
	{ID: verify.WSK_074, Fix: "when the function returned STATUS_PENDING, wait until the completion " +
		"routine has run, then read IoStatus."},
	{ID: verify.WSK_075, Fix: "when the function returned STATUS_PENDING, wait for the IRP, take its " +
		"IoStatus.Status for the result, and go on then."},
	{ID: verify.WSK_077, Fix: "queue a work item (IoQueueWorkItem) in the completion routine and call " +
		"the WSK function there."},
	{ID: verify.WSK_078, Fix: "post the next request in a work item, or in a loop that ends with " +
		"STATUS_PENDING, not in the completion routine itself."},
	{ID: verify.WSK_081, Fix: "free the IRP with IoFreeIrp when the last request with it is done, in the " +
		"completion routine or behind the wait."},
	{ID: verify.WSK_084, Fix: "call IoCancelIrp and wait for the completion routine in place of " +
		"completing the IRP."},
	{ID: verify.WSK_090, Fix: "queue a DPC (KeInsertQueueDpc) or a work item and call it there."},
	{ID: verify.WSK_093, Fix: "make the request in a work item (IoQueueWorkItem), at PASSIVE_LEVEL."},
	{ID: verify.WSK_095, Fix: "allocate what callbacks and completion routines use with " +
		"POOL_FLAG_NON_PAGED."},
	{ID: verify.WSK_097, Fix: "wait in a thread or work item at PASSIVE_LEVEL, or go on in the " +
		"completion routine."},
	{ID: verify.WSK_101, Fix: "bind a socket once."},
	{ID: verify.WSK_102, Fix: "call WskBind and wait for it before WskConnect; a local address of zeros " +
		"and port 0 let the system choose."},
	{ID: verify.WSK_103, Fix: "bind the socket first (and call WskListen for a stream socket), wait for " +
		"that, then accept."},
	{ID: verify.WSK_104, Fix: "wait until the connect or accept has completed with STATUS_SUCCESS."},
	{ID: verify.WSK_106, Fix: "bind before WskGetLocalAddress, and connect before WskGetRemoteAddress."},
	{ID: verify.WSK_107, Fix: "use a stream socket for one role: either WskListen and WskAccept, or " +
		"WskConnect."},
	{ID: verify.WSK_108, Fix: "call WskBind and wait for it before WskListen."},
	{ID: verify.WSK_109, Fix: "send everything before the graceful WskDisconnect, or pass the last data " +
		"to it as Buffer."},
	{ID: verify.WSK_110, Fix: "close the socket (WskCloseSocket) behind an abort; make a new one for more."},
	{ID: verify.WSK_115, Fix: "call WskDisconnect without WSK_FLAG_ABORTIVE and wait for it before " +
		"WskCloseSocket."},
	{ID: verify.WSK_116, Fix: "take a receive of zero bytes for the end of the stream: post no further " +
		"one, disconnect and close."},
	{ID: verify.WSK_117, Fix: "post one WskAccept at a time, or use WskAcceptEvent."},
	{ID: verify.WSK_130, Fix: "unlock and free the MDLs and their memory in the completion routine of " +
		"the request."},
	{ID: verify.WSK_131, Fix: "set Length to what the MDL chain holds behind Offset."},
	{ID: verify.WSK_132, Fix: "set Offset to a place inside the first MDL; begin the chain with a later " +
		"one for more."},
	{ID: verify.WSK_133, Fix: "set Length to 0 where there is no MDL."},
	{ID: verify.WSK_134, Fix: "call MmBuildMdlForNonPagedPool for nonpaged memory or MmProbeAndLockPages " +
		"for other memory behind IoAllocateMdl."},
	{ID: verify.WSK_135, Fix: "lock with IoWriteAccess or IoModifyAccess what is received into."},
	{ID: verify.WSK_136, Fix: "keep the address buffers until the IRP is completed: in the context of " +
		"the request, not on a stack that goes."},
	{ID: verify.WSK_137, Fix: "pass a SOCKADDR_STORAGE, which fits every family."},
	{ID: verify.WSK_138, Fix: "put the address buffer into nonpaged memory."},
	{ID: verify.WSK_139, Fix: "pass an address of the family that the socket was created with."},
	{ID: verify.WSK_140, Fix: "pass WSK_FLAG_WAITALL or WSK_FLAG_DRAIN, not both."},
	{ID: verify.WSK_141, Fix: "pass a WSK_BUF with Length 0 and no MDL together with WSK_FLAG_DRAIN."},
	{ID: verify.WSK_143, Fix: "pass NULL for Buffer with WSK_FLAG_ABORTIVE."},
	{ID: verify.WSK_153, Fix: "pass the address of a SIZE_T."},
	{ID: verify.WSK_200, Fix: "pass an IRP with a completion routine; only a few options may be set " +
		"without one."},
	{ID: verify.WSK_202, Fix: "pass the size that the option has (4 for a ULONG)."},
	{ID: verify.WSK_203, Fix: "pass 0 or 1."},
	{ID: verify.WSK_204, Fix: "set the option between WskSocket and WskBind."},
	{ID: verify.WSK_205, Fix: "use the option on a socket of a category that has it."},
	{ID: verify.WSK_206, Fix: "pass the level that goes with the option: SOL_SOCKET for SO_…, " +
		"IPPROTO_TCP, IPPROTO_IP or IPPROTO_IPV6 for theirs."},
	{ID: verify.WSK_207, Fix: "keep the buffers until the IRP is completed: in nonpaged memory of the " +
		"request, not on a stack that goes."},
	{ID: verify.WSK_220, Fix: "pass an IRP with a completion routine."},
	{ID: verify.WSK_221, Fix: "set a completion routine on the IRP, also on one that is passed down."},
	{ID: verify.WSK_222, Fix: "free the buffer in the completion routine of the IRP."},
	{ID: verify.WSK_223, Fix: "pass no input with a query, and no output and no OutputSizeReturned with " +
		"a set."},
	{ID: verify.WSK_225, Fix: "take the size for the next query from IoStatus.Information of the " +
		"completed IRP."},
	{ID: verify.WSK_229, Fix: "set the records on the new outbound socket, behind WskBind at the latest " +
		"and before WskConnect."},
	{ID: verify.WSK_230, Fix: "query the records of the accepted socket and set them " +
		"(SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS) on the outbound one before WskConnect."},
	{ID: verify.WSK_231, Fix: "query on the accepted socket of a redirected connection, and go on " +
		"without records where there are none."},
	{ID: verify.WSK_232, Fix: "pass the bytes of the query on as they are, with their length."},
	{ID: verify.WSK_233, Fix: "make the request in a work item (IoQueueWorkItem), at PASSIVE_LEVEL."},
	{ID: verify.WSK_234, Fix: "pass a buffer of OutputSize bytes, or OutputSize 0."},
	{ID: verify.WSK_235, Fix: "give the completion routine a context that holds the buffer, so that it " +
		"can read and free it."},
	{ID: verify.WSK_236, Fix: "use the constants SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS, …_CONTEXT " +
		"and SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS."},
	{ID: verify.WSK_240, Fix: "let every call on the socket return before WskCloseSocket: a rundown " +
		"protection or a reference count says when."},
	{ID: verify.WSK_241, Fix: "mark the socket as closing under a lock before WskCloseSocket, and look " +
		"at that before every call."},
	{ID: verify.WSK_242, Fix: "let one place close the socket, and set the pointer to nil there."},
	{ID: verify.WSK_243, Fix: "free context, buffers and dispatch table in the completion routine of " +
		"WskCloseSocket."},
	{ID: verify.WSK_245, Fix: "pass an IRP with a completion routine to WskCloseSocket."},
	{ID: verify.WSK_246, Fix: "call IoCancelIrp, wait until the completion routine has run, then free " +
		"the IRP."},
	{ID: verify.WSK_247, Fix: "cancel only IRPs of your own; complete a received one with STATUS_CANCELLED."},
	{ID: verify.WSK_252, Fix: "let the completion routine and the canceller agree with one interlocked " +
		"exchange on who frees the IRP, the later of the two."},
}
