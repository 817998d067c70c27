package wsk

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// Subsystem is what wsk adds to a machine.
var Subsystem = ke.Subsystem{
	Package:    "wsk",
	Inspectors: []ke.Inspector{{Name: "!wsk", Print: dump}},
	Illustrate: illustrate,
	Rules:      rules,
	Objects:    []trace.Kind{trace.Registration, trace.Socket, trace.Indication},
	Frames:     []ke.FrameKind{ke.FrameWskEvent},
	Sites:      allSites(),
}
