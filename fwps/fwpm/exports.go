package fwpm

import (
	"calloutsim/internal/ke"
)

// Subsystem is what fwpm adds to a machine; its rules are those of fwps.
var Subsystem = ke.Subsystem{
	Package: "fwpm",
	Frames:  []ke.FrameKind{ke.FrameCallback},
	Sites: []*ke.Site{
		&siteOpen, &siteBegin, &siteBfe, &siteBfeSubscribe, &siteChange,
		&siteProviderAdd, &siteProviderGet, &siteContextAdd, &siteContextGetID, &siteContextGet,
		&siteSubLayerAdd, &siteSubLayerGet, &siteCalloutAdd, &siteCalloutGetID, &siteCalloutGet,
		&siteFilterAdd, &siteFilterGetID, &siteFilterGet,
		&siteProviderCreateEnum, &siteProviderEnum, &siteProviderSubscribe,
		&siteProviderContextCreateEnum, &siteProviderContextEnum, &siteProviderContextSubscribe,
		&siteSubLayerCreateEnum, &siteSubLayerEnum, &siteSubLayerSubscribe,
		&siteCalloutCreateEnum, &siteCalloutEnum, &siteCalloutSubscribe,
		&siteFilterCreateEnum, &siteFilterEnum, &siteFilterSubscribe,
	},
}
