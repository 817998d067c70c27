package tcpip

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// Subsystem is what the transport adds to a machine; its rules are in the packages above.
var Subsystem = ke.Subsystem{
	Package: "tcpip",
	Objects: []trace.Kind{trace.Endpoint, trace.Peer, trace.Port, trace.Interface, trace.Layer},
	Sites: []*ke.Site{
		&siteLocal, &siteIRQL, &siteLength, &siteAuth,
	},
}
