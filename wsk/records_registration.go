package wsk

import "calloutsim/internal/verify"

// registrationRules are about registration and the provider.
var registrationRules = []verify.Record{
	{ID: verify.WSK_001, Name: "RegisterLevel",
		Why: "WskRegister may wait and therefore needs PASSIVE_LEVEL.",
		Fix: "call WskRegister in DriverEntry or a work item, with no spin lock held."},
	{ID: verify.WSK_002, Name: "DispatchReserved",
		Why: "The reserved member of the client dispatch table must be 0; later versions may give it a " +
			"meaning.",
		Fix: "set Reserved of WSK_CLIENT_DISPATCH to 0."},
	{ID: verify.WSK_003, Name: "ClientEventGarbage",
		ByConstruction: "WskClientEvent is a func: nil, or a routine",
		Fix:            "leave WskClientEvent NULL where there is no routine."},
	{ID: verify.WSK_004, Name: "BlockInUse",
		Why: "One registration block served two registrations; the first one can never be ended again.",
		Fix: "use one WSK_REGISTRATION per registration, and call WskDeregister before the block is " +
			"used again."},
	{ID: verify.WSK_005, Name: "RegistrationLeft",
		Why: "A driver was unloaded that is still a WSK client: the subsystem keeps pointers into " +
			"memory that is gone.",
		Fix: "call WskDeregister once for each successful WskRegister, in DriverUnload and on the " +
			"error paths of DriverEntry."},
	{ID: verify.WSK_006, Name: "DeregisteredTwice",
		Why: "WskDeregister was called on a block that is not registered; the block's lock and lists " +
			"are garbage then.",
		Fix: "call WskDeregister once, and only where WskRegister returned STATUS_SUCCESS."},
	{ID: verify.WSK_007, Name: "BlockGone",
		Why: "The registration block was freed while it was registered.",
		Fix: "keep the registration block until WskDeregister and every other registration call have " +
			"returned."},
	{ID: verify.WSK_008, Name: "DispatchGone",
		Why: "The client dispatch table must stay until WskDeregister; the subsystem reads it at every " +
			"capture.",
		Fix: "put the dispatch table into static memory or the device extension; it must stay until " +
			"WskDeregister has returned."},
	{ID: verify.WSK_009, Name: "BlockChanged",
		Why: "The members of the registration block belong to the subsystem.",
		Fix: "leave the members of WSK_REGISTRATION alone; they are the subsystem's."},
	{ID: verify.WSK_010, Name: "CaptureLevel",
		Why: "A capture that waits needs PASSIVE_LEVEL; only WSK_NO_WAIT may be used above.",
		Fix: "pass WSK_NO_WAIT, or capture at PASSIVE_LEVEL."},
	{ID: verify.WSK_011, Name: "CaptureInDriverEntry",
		Why: "A long wait in DriverEntry can hold up the loading of the very driver it waits for.",
		Fix: "pass WSK_NO_WAIT or a short time-out in DriverEntry, and capture in a work item or " +
			"thread where it must wait."},
	{ID: verify.WSK_012, Name: "CaptureFailedIgnored", Alias: verify.WSK_030,
		Fix: "look at the status of WskCaptureProviderNPI."},
	{ID: verify.WSK_013, Name: "NpiNotReleased",
		Why: "Every successful capture needs one release; without it WskDeregister never returns.",
		Fix: "call WskReleaseProviderNPI once for each successful WskCaptureProviderNPI, before " +
			"WskDeregister."},
	{ID: verify.WSK_014, Name: "NpiReleasedTwice",
		Why: "A release without a capture lets the provider go while others still use it.",
		Fix: "release only what was captured: call WskReleaseProviderNPI once, where " +
			"WskCaptureProviderNPI returned STATUS_SUCCESS."},
	{ID: verify.WSK_015, Name: "UsedAfterRelease",
		Why: "A function of the provider was called after the NPI had been released; the provider may " +
			"be gone.",
		Fix: "close the sockets first, release the provider NPI last."},
	{ID: verify.WSK_016, Name: "UsedAfterDeregister",
		Why: "A registration function was called for a registration that does not exist any more.",
		Fix: "call WskReleaseProviderNPI before WskDeregister, and nothing of the registration behind it."},
	{ID: verify.WSK_017, Name: "DeregisterNeverReturns",
		Why: "WskDeregister waits for open sockets, and nobody is left who could close them.",
		Fix: "close every socket and release the NPI before WskDeregister, which waits for both."},
	{ID: verify.WSK_018, Name: "DeregisterInCallback",
		Why: "WskDeregister waits for the callback that called it.",
		Fix: "call WskDeregister in DriverUnload or a work item, not in a callback that it waits for."},
	{ID: verify.WSK_019, Name: "DeregisterLevel",
		Why: "WskDeregister waits and therefore needs PASSIVE_LEVEL.",
		Fix: "call WskDeregister at PASSIVE_LEVEL, with no spin lock held."},
	{ID: verify.WSK_020, Name: "UnloadBeforeDeregister",
		Why: "The unload routine returned while WskDeregister was still running elsewhere in the driver.",
		Fix: "call WskDeregister in DriverUnload itself, or wait there for the work item that does."},
	{ID: verify.WSK_021, Name: "NoInterfaceRetried",
		Why: "A version the provider does not support will not be supported at the next try either.",
		Fix: "take STATUS_NOINTERFACE as final: register with another version " +
			"(WskQueryProviderCharacteristics says which there are)."},
	{ID: verify.WSK_022, Name: "QueryBeforeCapture",
		Why: "The range of versions is meant to be asked for after a capture has answered.",
		Fix: "call WskCaptureProviderNPI first; ask for the characteristics only when it returned " +
			"STATUS_NOINTERFACE."},
	{ID: verify.WSK_023, Name: "DetachTooEarly",
		ByConstruction: "there is no NmrRegisterClient: clients register with WskRegister",
		Fix:            "register with WskRegister."},
	{ID: verify.WSK_024, Name: "NmrStructuresFreed",
		ByConstruction: "there is no NmrRegisterClient: clients register with WskRegister",
		Fix:            "register with WskRegister."},
}
