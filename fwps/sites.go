package fwps

import "calloutsim/internal/ke"

// Sites lists the choice sites of this package.
func Sites() []*ke.Site {
	return []*ke.Site{
		&siteRegister, &siteUnregister, &siteNotifyType, &siteNotify, &siteOrder, &siteStop, &siteBlock,
		&siteConnectRedirectIRQL, &siteAuthConnectIRQL, &siteEndpointClosureIRQL, &siteAcquireData,
		&siteAcquireOut, &siteApplyPointer, &siteAcquireHandle, &sitePend, &siteResume,
		&siteRedirectHandle, &siteRecordKey, &siteUnaccepted,
	}
}
