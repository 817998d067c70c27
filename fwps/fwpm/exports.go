package fwpm

import (
	"calloutsim/internal/ke"
)

// Subsystem is what fwpm adds to a machine; its rules are those of fwps.
var Subsystem = ke.Subsystem{
	Package: "fwpm",
	Sites: []*ke.Site{
		&siteOpen, &siteBegin, &siteSubLayerAdd, &siteCalloutAdd, &siteFilterAdd,
	},
}
