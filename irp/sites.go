package irp

import "calloutsim/internal/ke"

// Sites lists the choice sites of this package.
func Sites() []*ke.Site {
	return []*ke.Site{
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
	}
}
