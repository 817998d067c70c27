package fwps

import "calloutsim/internal/verify"

// objectRules are about notifyFn, filters and other objects.
var objectRules = []verify.Record{
	{ID: verify.WFP_025, Name: "UnknownNotificationRefused",
		Why: "A later version of Windows may notify of more; a driver that fails what it does not know " +
			"blocks filters then.",
		Fix: "return STATUS_SUCCESS for types that notifyFn does not know."},
	{ID: verify.WFP_026, Name: "FilterKeyOfDeletion",
		ByConstruction: "filterKey is nil in FWPS_CALLOUT_NOTIFY_DELETE_FILTER: reading it is a Go panic, " +
			"bug check 0x1E, at the line that does it",
		Why: "A filter that is deleted has no key to show: the pointer is NULL.",
		Fix: "look at filterKey only when the type is FWPS_CALLOUT_NOTIFY_ADD_FILTER; filter->filterId is " +
			"there always."},
	{ID: verify.WFP_027, Name: "DeletionWithoutAddition",
		ByConstruction: "the engine tells of the deletion of filters that were there before the callout " +
			"was registered, with Context 0, so that what the driver does with it shows",
		Why: "No ADD_FILTER comes for filters that are older than the registration.",
		Fix: "take filter->context 0 for a filter that the driver never heard of."},
	{ID: verify.WFP_028, Name: "FilterKept",
		ByConstruction: "FWPS_FILTER is overwritten when the callback returns: whatever reads it later " +
			"finds no filter",
		Why: "The structure is the engine's and lives as long as the call.",
		Fix: "copy filterId, and whatever else is needed, before the callback returns."},
	{ID: verify.WFP_029, Name: "FilterContextFreed", Alias: verify.POOL_013,
		Why: "DELETE_FILTER comes while classifyFn may run for the filter, and once for each filter.",
		Fix: "count references to what filter->context names, and free it when the last one is gone."},
	{ID: verify.WFP_030, Name: "CalloutsShareSublayer",
		Why: "The first filter that decides ends its sublayer. A lighter callout in the same sublayer " +
			"is not called and does not notice.",
		Fix: "add a sublayer of its own for each callout (FwpmSubLayerAdd0)."},
	{ID: verify.WFP_031, Name: "SublayerAboveUniversal",
		Why: "Callouts of the transport and ALE layers see traffic before IPsec has dealt with it, when " +
			"their sublayer is heavier than FWPM_SUBLAYER_UNIVERSAL.",
		Fix: "give the callout's sublayer a smaller weight than FWPM_SUBLAYER_UNIVERSAL has, " +
			"0 for instance."},
	{ID: verify.WFP_032, Name: "FilterNamesWrongCallout",
		Why: "A filter can only call a callout that was added at the filter's own layer; the engine " +
			"refuses the filter.",
		Fix: "add the callout for the layer of the filter (FwpmCalloutAdd0 with the same applicableLayer)."},
	{ID: verify.WFP_033, Name: "BlockedByMissingCallout",
		Why: "A terminating filter whose callout is not registered blocks. Traffic stops between boot " +
			"and start, and after unload.",
		Fix: "register the callout (FwpsCalloutRegister1) before the filter is added, or set " +
			"FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED."},
	{ID: verify.WFP_035, Name: "ObjectReference",
		Why: "An object that others refer to cannot be deleted, and none may refer to one that can " +
			"vanish earlier.",
		Fix: "delete the filters before the callout, sublayer and provider they name, and give an " +
			"object no target that goes earlier."},
	{ID: verify.WFP_036, Name: "TransactionMisuse",
		Why: "Transactions do not nest, are committed once, and read-only ones change nothing; the " +
			"engine refuses the call.",
		Fix: "commit or abort each transaction once before the next begins, and begin it without " +
			"FWPM_TXN_READ_ONLY where something is changed."},
	{ID: verify.WFP_037, Name: "SessionOpenAtUnload",
		Why: "A session that is never closed is leaked, and with it the lock of a transaction and the " +
			"objects of a dynamic session.",
		Fix: "call FwpmEngineClose0 before DriverUnload returns, on the error paths of DriverEntry as well."},
}
