package irp

import "calloutsim/internal/verify"

// objectFixes are the likely fixes of the rules about devices, objects, locks of drivers and unloading,
// for reports whose finding knows no cause that is more particular.
var objectFixes = []verify.Record{
	{ID: verify.LOCK_020, Fix: "do not hold a driver's lock across IoAcquireCancelSpinLock and " +
		"IoCancelIrp; a cancel-safe queue needs neither."},
	{ID: verify.LOCK_021, Fix: "acquire the remove lock at the entry of a request, release it once with " +
		"the same tag on every path (in the completion routine if the request was sent), and remove the " +
		"device once."},
	{ID: verify.OBJ_003, Fix: "call ObDereferenceObject exactly once for each reference that was taken, " +
		"and do not touch the object behind the last one."},
	{ID: verify.OBJ_004, Fix: "detach first (IoDetachDevice on the device that attach returned), then " +
		"IoDeleteDevice, once."},
	{ID: verify.OBJ_005, Fix: "as the last step of making the device: dev.Flags &^= " +
		"irp.DO_DEVICE_INITIALIZING."},
	{ID: verify.OBJ_006, Fix: "take the flags over when attaching: dev.Flags |= lower.Flags & " +
		"(irp.DO_BUFFERED_IO | irp.DO_DIRECT_IO), and the DeviceType of the device below."},
	{ID: verify.OBJ_009, Fix: "use one work item per request, or remember in the extension that the item " +
		"is queued; free it only in its own routine or when it is not queued."},
	{ID: verify.OBJ_011, Fix: "initialise the handle, check the status of the call that opens it, and " +
		"close it once with ZwClose."},
	{ID: verify.OBJ_012, Fix: "call ObDereferenceObject on the device that IoGetAttachedDeviceReference " +
		"returned, on every path."},
	{ID: verify.OBJ_013, Fix: "let the callbacks keep exactly the IRPs that InsertIrp added and " +
		"RemoveIrp has not removed, initialise the queue once, and use an IRP only after taking it out."},
	{ID: verify.OBJ_014, Fix: "remove an entry once and before its memory goes; call InitializeListHead " +
		"once, and use only interlocked or only plain routines with one list."},
	{ID: verify.UNLOAD_001, Fix: "free every block in DriverUnload: empty the lists and caches, and free " +
		"what only a failed path of DriverEntry has kept."},
	{ID: verify.UNLOAD_002, Fix: "KeCancelTimer, then KeFlushQueuedDpcs, before DriverUnload returns."},
	{ID: verify.UNLOAD_003, Fix: "ExDeleteLookasideListEx in DriverUnload."},
	{ID: verify.UNLOAD_004, Fix: "use IoQueueWorkItem, which holds the driver, wait for every work item, " +
		"and tell threads to stop and wait for their objects before DriverUnload returns."},
	{ID: verify.UNLOAD_005, Fix: "ExDeleteResourceLite in DriverUnload."},
	{ID: verify.UNLOAD_006, Fix: "IoDeleteSymbolicLink and IoDeleteDevice for each device in DriverUnload."},
	{ID: verify.UNLOAD_007, Fix: "cancel the IRP and wait for its completion routine before DriverUnload " +
		"returns, or register it with IoSetCompletionRoutineEx."},
	{ID: verify.UNLOAD_008, Fix: "deregister everything in DriverUnload, and where the answer is busy or " +
		"pending wait for the callback that says it is over."},
	{ID: verify.UNLOAD_010, Fix: "stop threads and work items first and wait for them, then free what " +
		"they allocated."},
	{ID: verify.UNLOAD_012, Fix: "end every source of calls before DriverUnload returns: deregister " +
		"callbacks, cancel timers and flush DPCs, wait for work items, threads and IRPs."},
}
