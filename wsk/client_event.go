package wsk

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// siteClientEvent: no event of clients is defined today, and one may be tomorrow. It is asked only where
// it is pinned.
var siteClientEvent = ke.Site{Name: "env/WskClientEvent/event", Alts: []string{"none", "an unknown one"},
	Spec: "wsk.md 11.1"}

// unknownEvent is a type that no client knows.
const unknownEvent = 0xFFFF

// tellsClient lets WskClientEvent hear of an event that it does not know, where a test asks for it. Rule:
// WSK-188.
func (c *client) tellsClient(k *irql.K) {
	fn := c.npi.Dispatch.WskClientEvent
	if fn == nil || !ke.IsPinned(k, &siteClientEvent) ||
		ke.Choose(k, &siteClientEvent, len(siteClientEvent.Alts)) == 0 {
		return
	}
	ke.Of(k).Post(c.ch, ke.Delivery{Text: "client event", Obj: c.id, Touches: c.id, IRQL: &siteEventIRQL,
		Run: func(k *irql.K) {
			if c.gone || c.leaving {
				return
			}
			ke.Push(k, ke.Frame{Kind: ke.FrameCallback, Image: c.image, Obj: c.id, Fn: ke.CodeOf(fn)})
			st := fn(k, c.npi.ClientContext, unknownEvent, nil, 0)
			if st != ntstatus.STATUS_NOT_IMPLEMENTED {
				ke.Collect(k, verify.Finding{Rule: verify.WSK_188, Obj: c.id.String(),
					Headline: fmt.Sprintf("WskClientEvent returns %v for an event that it does not know",
						st)})
			}
			ke.PopStatus(k, st)
		}})
}
