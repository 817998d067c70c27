package wsk

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// Subsystem is what wsk adds to a machine.
var Subsystem = ke.Subsystem{
	Package: "wsk",
	Rules:   rules,
	Objects: []trace.Kind{trace.Registration, trace.Socket},
	Frames:  []ke.FrameKind{ke.FrameWskEvent},
	Sites:   allSites(),
}
