package fwps

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf16"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/wfp"
)

// Why is one page that answers "why was my connection redirected", or "why not": of the connection of an
// endpoint, or, for 0, of the last one that a program made. It knows the classifications that are remembered.
func (sim) Why(m *ke.Machine, endpoint trace.ID) []string {
	e := state.On(m)
	ends := e.connections()
	if len(ends) == 0 {
		return []string{"no connection was classified: nobody has a filter where one passed"}
	}
	if endpoint == 0 {
		endpoint = ends[len(ends)-1]
		for _, id := range ends {
			if e.story(id)[0].q.Endpoint.Process != nil {
				endpoint = id
			}
		}
	}
	story := e.story(endpoint)
	if len(story) == 0 {
		return nil
	}
	return list.Add(page(story), others(e, ends, endpoint))
}

// connections are the endpoints that classifications were about where connections are made, in order.
func (e *engine) connections() (out []trace.ID) {
	for _, c := range e.history {
		if c.q.At != tcpip.ConnectRedirect && c.q.At != tcpip.AuthConnect {
			continue
		}
		known := false
		for _, id := range out {
			known = known || id == c.q.Endpoint.ID
		}
		if !known {
			out = append(out, c.q.Endpoint.ID)
		}
	}
	return out
}

// story are the classifications of an endpoint, in order.
func (e *engine) story(endpoint trace.ID) (out []*classification) {
	for _, c := range e.history {
		if c.q.Endpoint.ID == endpoint {
			out = append(out, c)
		}
	}
	return out
}

// others names the connections that the page is not about.
func others(e *engine, ends []trace.ID, but trace.ID) (out []string) {
	for _, id := range ends {
		if id != but {
			c := e.story(id)[0]
			out = append(out, fmt.Sprintf("  %v  pid %d %s", id, ke.PIDOf(c.q.Endpoint.Process),
				imageName(c.q.Endpoint.Process)))
		}
	}
	if len(out) > 0 {
		out = list.Add([]string{"other connections:"}, out)
	}
	return out
}

// page tells the story of a connection: what became of it, why, where it passed, and the classification that
// matters step by step.
func page(story []*classification) []string {
	first := story[0]
	q := first.q
	wanted := q.Remote
	redirects := at(story, tcpip.ConnectRedirect)
	if len(redirects) > 0 {
		wanted = redirects[0].q.Remote
	}
	out := []string{fmt.Sprintf("%v of pid %d %s wanted to go to %v", q.Endpoint.ID,
		ke.PIDOf(q.Endpoint.Process), imageName(q.Endpoint.Process), wanted)}
	out = list.Add(out, redirection(redirects))
	blocked := blockedAt(story)
	if blocked != nil {
		out = append(out, "BLOCKED at "+blocked.info.name+": "+blocked.why())
	}
	out = append(out, "it passed:")
	for _, c := range story {
		out = append(out, fmt.Sprintf("  %-14v %-30s %s", c.id, c.info.name, c.verdict()))
	}
	if blocked != nil {
		out = list.Add(append(out, "step by step:"), blocked.steps())
	}
	if n := len(redirects); n > 0 && redirects[n-1] != blocked {
		out = list.Add(append(out, "step by step:"), redirects[n-1].steps())
	}
	return out
}

// at are the classifications of a story at a station.
func at(story []*classification, station tcpip.Layer) (out []*classification) {
	for _, c := range story {
		if c.q.At == station {
			out = append(out, c)
		}
	}
	return out
}

// blockedAt is the classification that ended the connection; nil when none did.
func blockedAt(story []*classification) *classification {
	for _, c := range story {
		if c.phase == phDecided && !c.told.Permit {
			return c
		}
	}
	return nil
}

// redirection says whether the connection was redirected, by whom, or why not: the last classification at
// ALE_CONNECT_REDIRECT counts.
func redirection(redirects []*classification) []string {
	if len(redirects) == 0 {
		return []string{"NOT REDIRECTED: it was not asked at ALE_CONNECT_REDIRECT. Nobody had a filter " +
			"there when it passed; FwpmFilterAdd0 came later, its transaction was not committed, or it " +
			"failed"}
	}
	c := redirects[len(redirects)-1]
	switch {
	case c.phase != phDecided:
		return []string{"NOT YET: " + c.waits()}
	case c.note != "":
		return []string{"NOT REDIRECTED: " + c.changer() + " changed the request, and the " + c.note}
	case c.told.Target.Remote != c.q.Remote:
		return []string{fmt.Sprintf("REDIRECTED to %v by %s", c.told.Target.Remote, c.changer())}
	}
	return list.Add([]string{"NOT REDIRECTED: no callout changed where it goes"}, c.unchanged())
}

// waits says what an undecided classification waits for.
func (c *classification) waits() string {
	if c.parked != nil {
		return fmt.Sprintf("%s pended it and has not completed it (%v)", imageNameOf(c.parked.reg.owner),
			c.id)
	}
	return fmt.Sprintf("%v is %s", c.id, phaseNames[c.phase])
}

// changer is who made the newest version of the request.
func (c *classification) changer() string {
	id := c.about.newest()
	for _, cl := range c.calls {
		if cl.f.ID == id {
			return fmt.Sprintf("%s (filter %d)", imageNameOf(cl.reg.owner), id)
		}
	}
	return "nobody"
}

// unchanged says of each callout that could have changed the request why it did not.
func (c *classification) unchanged() (out []string) {
	for _, g := range c.run.Groups() {
		for _, f := range g.Filters {
			if f.Action.Calls() {
				out = append(out, fmt.Sprintf("  filter %d, %s: %s", f.ID, calloutName(f), c.idle(f)))
			}
		}
	}
	return out
}

// calloutName is how a page calls the callout of a filter.
func calloutName(f *wfp.Filter) string { return "callout " + f.Callout.Name }

// idle says why the callout of a filter left the request alone.
func (c *classification) idle(f *wfp.Filter) string {
	if cl := c.callFor(f); cl != nil {
		if s, ok := c.about.(*connect); ok {
			if q, asked := s.queried(cl.reg.owner); asked {
				return fmt.Sprintf("%s asked for the redirect state, got %v, answered %v and changed nothing",
					imageNameOf(cl.reg.owner), q.state, cl.exit.ActionType)
			}
		}
		return fmt.Sprintf("%s answered %v and changed nothing", imageNameOf(cl.reg.owner),
			cl.exit.ActionType)
	}
	return c.notAsked(f)
}

// notAsked says why the callout of a filter was not called.
func (c *classification) notAsked(f *wfp.Filter) string {
	for i := range c.run.Visits() {
		v := &c.run.Visits()[i]
		if v.Filter == f && v.Implicit {
			return "its callout is not registered"
		}
	}
	if text := c.mismatch(f); text != "" {
		return "not asked: " + text
	}
	for i := range c.run.Visits() {
		v := &c.run.Visits()[i]
		if v.Filter.Sublayer == f.Sublayer && v.Answered != wfp.Continue {
			return fmt.Sprintf("not asked: filter %d of the same sublayer decided, %v", v.Filter.ID,
				v.Answered)
		}
	}
	return "not asked: the evaluation had ended before"
}

// mismatch says which condition of a filter the classification does not meet; "" when it meets them all.
func (c *classification) mismatch(f *wfp.Filter) string {
	failed := f.Fails(c)
	if len(failed) == 0 {
		return ""
	}
	info := fieldsOf(c.layer)[failed[0].Field]
	var wants []string
	for i := range failed {
		wants = append(wants, failed[i].Match.String()+" "+conditionText(&failed[i]))
	}
	return fmt.Sprintf("%s is %s, wanted %s", strings.ToLower(info.name), valueText(c.Value(failed[0].Field)),
		strings.Join(wants, " or "))
}

// why says what blocked a classification.
func (c *classification) why() string {
	by := c.result.By
	switch {
	case by == nil:
		return "the transport's own decision"
	case by.Action.Calls() && c.callFor(by) == nil:
		return fmt.Sprintf("filter %d blocks because its %s is not registered", by.ID, calloutName(by))
	case by.Action.Calls():
		text := fmt.Sprintf("%s answered BLOCK for filter %d", imageNameOf(c.callFor(by).reg.owner), by.ID)
		if c.result.Vetoed {
			text += ", a veto of what a heavier filter had permitted for good"
		}
		return text
	}
	return fmt.Sprintf("filter %d %q of sublayer %q blocks", by.ID, by.Name, by.Sublayer.Name)
}

// steps is the dump of a classification with what did not match.
func (c *classification) steps() []string {
	out := c.dump()
	if c.run == nil {
		return out
	}
	for _, g := range c.run.Groups() {
		for _, f := range g.Filters {
			if text := c.mismatch(f); text != "" {
				out = append(out, fmt.Sprintf("  filter %d of %s does not match: %s", f.ID,
					g.Sublayer.Name, text))
			}
		}
	}
	return out
}

// conditionText is what a condition compares with.
func conditionText(c *wfp.Condition) string {
	v := c.Value
	switch {
	case c.Match == wfp.MatchRange:
		return valueText(v) + ".." + valueText(c.High)
	case v.Type == wfp.V4AddrMask:
		return fmt.Sprintf("%s mask %#x", addressText(v.Num>>32), uint32(v.Num))
	case v.Type == wfp.V6AddrMask:
		return fmt.Sprintf("%v/%d", netip.AddrFrom16([16]byte(v.Bytes)), v.Num)
	}
	return valueText(v)
}

// valueText prints a value: what looks like a path as text.
func valueText(v wfp.Value) string {
	switch {
	case v.Type == wfp.Empty:
		return "FWP_EMPTY"
	case v.Type == wfp.ByteArray16 && len(v.Bytes) == 16:
		return netip.AddrFrom16([16]byte(v.Bytes)).String()
	case v.Type == wfp.ByteBlob && len(v.Bytes)%2 == 0:
		units := make([]uint16, len(v.Bytes)/2)
		for i := range units {
			units[i] = binary.LittleEndian.Uint16(v.Bytes[2*i:])
		}
		return strconv.Quote(strings.TrimRight(string(utf16.Decode(units)), "\x00"))
	case len(v.Bytes) > 0:
		return fmt.Sprintf("%d bytes", len(v.Bytes))
	case v.Type == wfp.Uint32 && v.Num > 0xFFFFFF:
		return fmt.Sprintf("%d (%s)", v.Num, addressText(v.Num))
	}
	return strconv.FormatUint(v.Num, 10)
}

// addressText is an IPv4 address in host order.
func addressText(n uint64) string {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}).String()
}
