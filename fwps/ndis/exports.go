package ndis

import "calloutsim/internal/ke"

// Subsystem is what ndis adds to a machine. Its rules are those of package fwps.
var Subsystem = ke.Subsystem{
	Package: "ndis",
	Sites:   []*ke.Site{&siteListPool, &sitePool, &siteList, &siteObject, &siteRetreat},
}
