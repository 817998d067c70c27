// Package subsystems lists the subsystems there are. The harness, its coverage and internal/lint range over
// the list and name no package of the DDIs where they mean all of them.
package subsystems

import (
	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/fwps/ndis"
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/wsk"
)

// all are those of All, lower ones first.
var all = []*ke.Subsystem{&irql.Subsystem, &irp.Subsystem, &tcpip.Subsystem, &wsk.Subsystem, &ndis.Subsystem,
	&fwps.Subsystem, &fwpm.Subsystem}

// All gives the list, which nobody changes.
func All() []*ke.Subsystem { return all }
