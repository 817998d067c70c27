package irp

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// Subsystem is what irp adds to a machine, for itself and for internal/pool.
var Subsystem = ke.Subsystem{
	Package: "irp",
	Rules:   rules,
	Inspectors: []ke.Inspector{
		{Name: "!irp", Needs: trace.IRP, Print: Sim.DumpIRP},
		{Name: "!irpfind", Print: func(m *ke.Machine, _ trace.ID) []string { return Sim.DumpIRPs(m) }},
		{Name: "!drvobj", Needs: trace.Driver, Print: Sim.DumpDriver},
		{Name: "!devobj", Needs: trace.Device, Print: Sim.DumpDevice},
		{Name: "!devstack", Needs: trace.Device, Print: Sim.DumpStack},
		{Name: "!verifier", Print: func(m *ke.Machine, _ trace.ID) []string { return Sim.DumpVerifier(m) }},
		{Name: "!poolused", Print: func(m *ke.Machine, _ trace.ID) []string { return pool.DumpUsed(m) }},
		{Name: "!pool", Needs: trace.Pool, Print: pool.DumpBlock},
	},
	Illustrate: func(m *ke.Machine, f *verify.Finding) []string {
		id, ok := trace.ParseID(f.Obj)
		if ok && (f.Rule == verify.OBJ_004 || f.Rule == verify.UNLOAD_006) {
			return Sim.DumpStack(m, id)
		}
		return nil
	},
	Objects: []trace.Kind{trace.IRP, trace.Device, trace.Driver, trace.File, trace.Pool, trace.MDL,
		trace.WorkItem, trace.RemoveLock, trace.Queue, trace.Lookaside, trace.Handle, trace.List},
	Frames: []ke.FrameKind{ke.FrameEntry, ke.FrameUnload, ke.FrameDispatch, ke.FrameCompletion,
		ke.FrameCancel, ke.FrameWorkItem, ke.FrameQueue, ke.FrameStartIo, ke.FrameCallback},
	Sites: []*ke.Site{
		&siteLoadDriver,
		&siteAllocateIrp, &siteMakeAssociated, &siteBuildIoctl, &siteBuildSync, &siteBuildAsync,
		&siteMappingAddress,
		&siteCreateDevice, &siteOpen, &siteLookaside, &siteAllocateMdl, &siteProbeLock,
		&siteGetSystemAddress, &siteMapLockedPages, &siteCreateLink, &siteAllocateIrpEx,
		&siteAllocatePool2, &siteAllocatePoolWithTag, &siteAllocatePoolZero, &siteAllocateUninit,
		&siteSetRoutine, &siteSystemBuffer, &siteUserRequest, &siteAllocateWorkItem, &siteForcePending,
		&sitePagesForMdl, &sitePagesForMdlEx, &siteFewerPages, &siteFewerPagesEx, &siteNPagedLookaside,
		&sitePagedLookaside, &siteQuota, &siteQuotaTag, &siteQuotaZero, &siteQuotaRaw,
		&siteDriverExtension, &siteProbeWrite, &siteCacheAware, &siteProcessNotify, &siteProcessNotifyEx,
		&siteProcessNotifyEx2, &siteImageNotify, &siteImageNotifyEx, &siteUpcase, &siteLocateName,
		&siteNotificationEvent, &siteSynchronizationEvent, &siteCreateCallback, &siteRegCallback,
	},
}

// Sim is for the simulator's own packages.
var Sim sim
