package wsk

import "calloutsim/internal/verify"

// irqlRules are about levels.
var irqlRules = []verify.Record{
	{ID: verify.WSK_090, Name: "WskLevel",
		Why: "WSK functions need DISPATCH_LEVEL or less.",
		Fix: "queue a DPC (KeInsertQueueDpc) or a work item and call it there."},
	{ID: verify.WSK_091, Name: "NamesAtDispatch",
		Why: "Name resolution waits for others.",
		Fix: "move the call to a work item (IoQueueWorkItem): its routine runs at PASSIVE_LEVEL."},
	{ID: verify.WSK_092, Name: "AddressListLevel",
		Why: "The control codes for the list of addresses need PASSIVE_LEVEL.",
		Fix: "make the request in a work item."},
	{ID: verify.WSK_093, Name: "RedirectLevel",
		Why: "The control codes of redirection need PASSIVE_LEVEL; completion routines often run above.",
		Fix: "make the request in a work item (IoQueueWorkItem), at PASSIVE_LEVEL."},
	{ID: verify.WSK_094, Name: "FastPathLevel",
		Why: "SIO_LOOPBACK_FAST_PATH needs PASSIVE_LEVEL.",
		Fix: "make the request in a thread, before it takes a spin lock."},
	{ID: verify.WSK_095, Name: "PagedInCompletion",
		Why: "Completion routines of WSK may run at DISPATCH_LEVEL, where paged memory cannot be touched.",
		Fix: "allocate what callbacks and completion routines use with POOL_FLAG_NON_PAGED."},
	{ID: verify.WSK_096, Name: "LevelOfCallback",
		Why: "WSK_FLAG_AT_DISPATCH_LEVEL that is clear says nothing about the level.",
		Fix: "queue a work item for what needs PASSIVE_LEVEL."},
	{ID: verify.WSK_097, Name: "WaitAtDispatch",
		Why: "The network that would complete the request cannot run on this processor.",
		Fix: "wait in a thread or work item at PASSIVE_LEVEL, or go on in the completion routine."},
}
