package wsk

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf16"
	"unsafe"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/pool"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// siteUnresolvable: current systems say that a name is not found, Windows 7 that there is no match
// (OBSERVED, wsk.md 17).
var siteUnresolvable = ke.Site{Name: "doc/WskGetAddressInfo/unresolvable",
	Alts: []string{"STATUS_NOT_FOUND", "STATUS_NO_MATCH"}, Spec: "wsk.md 17"}

// addressLists stands for the lists that name resolution has given.
var addressLists = ke.Table(trace.Registration, 1)

// addressList is one that is not taken back yet.
type addressList struct {
	head *ws2def.ADDRINFOEXW
	c    *client
	seq  uint64
}

// passiveOnly: name resolution waits for others. Rule: WSK-091.
func passiveOnly(k *irql.K, name string) {
	if ke.IRQL(k) == ke.Passive {
		return
	}
	ke.Report(k, verify.Finding{Rule: verify.WSK_091, Obj: name, AllowedIRQL: ke.Passive,
		Also: []verify.RuleID{verify.IRQL_001},
		Headline: fmt.Sprintf("%s called at %s, allowed is only PASSIVE_LEVEL", name,
			ke.LevelName(ke.IRQL(k)))})
}

// owners judges the two owners of a request. Rule: WSK-262.
func owners(k *irql.K, name string, process *irql.KPROCESS, thread *irql.KTHREAD) bool {
	if thread == nil || process != nil {
		return true
	}
	ke.Collect(k, verify.Finding{Rule: verify.WSK_262, Obj: name,
		Headline: name + ": OwningThread is given and OwningProcess is NULL"})
	return false
}

// named: nothing is asked for. Rule: WSK-263.
func named(k *irql.K, name string, what string, any bool) bool {
	if !any {
		ke.Collect(k, verify.Finding{Rule: verify.WSK_263, Obj: name,
			Headline: fmt.Sprintf("%s: NodeName and ServiceName are both %s", name, what)})
	}
	return any
}

func empty(s *irp.UNICODE_STRING) bool { return s == nil || s.Length == 0 }

// lendString marks a string and its text as in use. Rule: WSK-261.
func (r *request) lendString(k *irql.K, s *irp.UNICODE_STRING) {
	if s == nil {
		return
	}
	r.lendNamed(k, memoryOf(ke.Of(k), s), "a UNICODE_STRING")
	if len(s.Buffer) > 0 {
		at := unsafe.Pointer(&s.Buffer[0])
		r.lendNamed(k, pool.Containing(ke.Of(k), at), "the text of a UNICODE_STRING")
	}
}

func (r *request) lendNamed(k *irql.K, v *irp.Buffer, what string) {
	if v == nil {
		return
	}
	for _, o := range r.loans {
		if pool.SameBlock(o, v) {
			return
		}
	}
	r.lend(k, v, verify.WSK_261, what, true)
}

// asks begins a request of name resolution.
func (op *operation) asks(k *irql.K, c *client, p *irp.IRP, good bool,
	run func(k *irql.K, r *request)) ntstatus.NTSTATUS {
	c.making++
	r := &request{op: op, name: op.name, cl: c, p: p, bad: !good, run: run}
	r.after = func(k *irql.K) { r.sub.mayLeave(k, c) }
	return state.Of(k).submit(k, r)
}

// wskGetAddressInfo is PFN_WSK_GET_ADDRESS_INFO.
func wskGetAddressInfo(k *irql.K, cl *WSK_CLIENT, nodeName, serviceName *irp.UNICODE_STRING,
	nameSpace uint32, provider any, hints *ws2def.ADDRINFOEXW, result **ws2def.ADDRINFOEXW,
	owningProcess *irql.KPROCESS, owningThread *irql.KTHREAD, p *irp.IRP) ntstatus.NTSTATUS {
	op := opAddressInfo
	c, st := op.enterClient(k, cl, p)
	if c == nil {
		return st
	}
	passiveOnly(k, op.name)
	if result == nil {
		ke.Null(k, op.id, "NULL where the list is to be stored")
	}
	good := owners(k, op.name, owningProcess, owningThread)
	good = named(k, op.name, "NULL or empty", !empty(nodeName) || !empty(serviceName)) && good
	q := question{node: text(nodeName), service: text(serviceName)}
	if hints != nil {
		q.hints = *hints
	}
	return op.asks(k, c, p, good, func(k *irql.K, r *request) {
		r.lendString(k, nodeName)
		r.lendString(k, serviceName)
		r.lendNamed(k, memoryOf(ke.Of(k), hints), "Hints")
		r.lendNamed(k, memoryOf(ke.Of(k), result), "the Result variable")
		head := q.resolve(tcpip.Of(k))
		if head == nil {
			r.finish(k, unresolvable(k), 0, nil)
			return
		}
		r.fill = func(k *irql.K) {
			ke.Adds(k, ke.Writes(addressLists))
			r.sub.lists = append(r.sub.lists, addressList{head, c, r.sub.m.Log().Len()})
			*result = head
		}
		r.finish(k, ntstatus.STATUS_SUCCESS, 0, nil) // wsk.md 25.2
	})
}

// text is the text of a string, "" for NULL.
func text(s *irp.UNICODE_STRING) string {
	if s == nil {
		return ""
	}
	return s.String()
}

func unresolvable(k *irql.K) ntstatus.NTSTATUS {
	if ke.Choose(k, &siteUnresolvable, len(siteUnresolvable.Alts)) == 1 {
		return ntstatus.STATUS_NO_MATCH
	}
	return ntstatus.STATUS_NOT_FOUND
}

// question is what WskGetAddressInfo is asked.
type question struct {
	node, service string
	hints         ws2def.ADDRINFOEXW
}

// resolve gives the list of addresses; nil when there are none. Each has the type and protocol of the hints
// (INFERRED: the pages say nothing of a list for each type).
func (q *question) resolve(s *tcpip.Stack) (head *ws2def.ADDRINFOEXW) {
	port, ok := uint16(0), true
	if q.service != "" {
		port, ok = tcpip.Service(q.service, q.hints.Ai_flags&ws2def.AI_NUMERICSERV != 0)
	}
	if !ok {
		return nil
	}
	last := &head
	for _, a := range q.addresses(s) {
		family := ws2def.FamilyOf(a)
		if want := ws2def.ADDRESS_FAMILY(q.hints.Ai_family); want != ws2def.AF_UNSPEC && want != family {
			continue
		}
		storage := ws2def.Storage(netip.AddrPortFrom(a, port))
		n := &ws2def.ADDRINFOEXW{Ai_family: int32(family), Ai_socktype: q.hints.Ai_socktype,
			Ai_protocol: q.hints.Ai_protocol, Ai_addrlen: ws2def.SizeofSockaddrIn, Ai_addr: &storage}
		if family == ws2def.AF_INET6 {
			n.Ai_addrlen = ws2def.SizeofSockaddrIn6
		}
		if head == nil && q.hints.Ai_flags&ws2def.AI_CANONNAME != 0 {
			n.Ai_canonname = q.node
		}
		*last = n
		last = &n.Ai_next
	}
	return head
}

// addresses are those behind the name. Without a name they are the wildcard ones, or of the machine itself.
func (q *question) addresses(s *tcpip.Stack) []netip.Addr {
	switch {
	case q.node != "" && q.hints.Ai_flags&ws2def.AI_NUMERICHOST != 0:
		a, err := netip.ParseAddr(q.node)
		if err != nil {
			return nil
		}
		return []netip.Addr{a}
	case q.node != "":
		return s.Resolve(q.node)
	case q.hints.Ai_flags&ws2def.AI_PASSIVE != 0:
		return []netip.Addr{ws2def.Any(ws2def.AF_INET6), ws2def.Any(ws2def.AF_INET)}
	}
	return []netip.Addr{ws2def.Loopback(ws2def.AF_INET6), ws2def.Loopback(ws2def.AF_INET)}
}

// wskFreeAddressInfo is PFN_WSK_FREE_ADDRESS_INFO. Rule: WSK-260.
func wskFreeAddressInfo(k *irql.K, cl *WSK_CLIENT, addrInfo *ws2def.ADDRINFOEXW) {
	const id, name = ddi.PFN_WSK_FREE_ADDRESS_INFO, "WskFreeAddressInfo"
	c, _ := captured(k, id, name, cl)
	if c == nil {
		return
	}
	passiveOnly(k, name)
	s := state.Of(k)
	ke.Adds(k, ke.Writes(addressLists))
	ke.Call(k, id, c.id)
	for i := range s.lists {
		if s.lists[i].head == addrInfo {
			s.lists = list.Cut(s.lists, i)
			trash(addrInfo)
			return
		}
	}
	ke.Report(k, verify.Finding{Rule: verify.WSK_260, Case: "no such list", Obj: c.id.String(),
		Headline: "WskFreeAddressInfo is given what is no list of WskGetAddressInfo, or is taken back " +
			"already"})
}

// trash makes a list that was taken back unusable.
func trash(n *ws2def.ADDRINFOEXW) {
	for n != nil {
		next := n.Ai_next
		*n = ws2def.ADDRINFOEXW{}
		n = next
	}
}

// leftLists: the lists can only be taken back through the table of a captured NPI. Rule: WSK-260.
func (s *subsystem) leftLists(k *irql.K, c *client) {
	ke.Adds(k, ke.Reads(addressLists))
	for i := range s.lists {
		if s.lists[i].c == c {
			ke.Report(k, verify.Finding{Rule: verify.WSK_260, Obj: c.id.String(),
				Headline: "a list of WskGetAddressInfo is not taken back, and nobody can any more",
				Places:   []verify.Place{{Label: "GIVEN", Seq: s.lists[i].seq}}})
			return
		}
	}
}

// wskGetNameInfo is PFN_WSK_GET_NAME_INFO.
func wskGetNameInfo(k *irql.K, cl *WSK_CLIENT, sockAddr ws2def.SOCKADDR, sockAddrLength uint32,
	nodeName, serviceName *irp.UNICODE_STRING, flags uint32, owningProcess *irql.KPROCESS,
	owningThread *irql.KTHREAD, p *irp.IRP) ntstatus.NTSTATUS {
	op := opNameInfo
	c, st := op.enterClient(k, cl, p)
	if c == nil {
		return st
	}
	passiveOnly(k, op.name)
	good := owners(k, op.name, owningProcess, owningThread)
	good = named(k, op.name, "NULL", nodeName != nil || serviceName != nil) && good
	a := ws2def.AddrPort(sockAddr)
	if !a.IsValid() || sockAddrLength > ws2def.SizeofSockaddrStorage ||
		int(sockAddrLength) < sizeOf(a.Addr()) {
		good = false
	}
	return op.asks(k, c, p, good, func(k *irql.K, r *request) {
		r.lendString(k, nodeName)
		r.lendString(k, serviceName)
		node, ok := nodeOf(tcpip.Of(k), a.Addr(), flags)
		if !ok {
			r.finish(k, unresolvable(k), 0, nil)
			return
		}
		service := fmt.Sprint(a.Port())
		if flags&ws2def.NI_NUMERICSERV == 0 {
			service = tcpip.ServiceOf(a.Port())
		}
		if !room(k, r, nodeName, node) || !room(k, r, serviceName, service) {
			r.finish(k, ntstatus.STATUS_BUFFER_TOO_SMALL, 0, nil)
			return
		}
		r.fill = func(*irql.K) {
			store(nodeName, node)
			store(serviceName, service)
		}
		r.finish(k, ntstatus.STATUS_SUCCESS, 0, nil)
	})
}

func sizeOf(a netip.Addr) int {
	if a.Is4() {
		return ws2def.SizeofSockaddrIn
	}
	return ws2def.SizeofSockaddrIn6
}

// nodeOf is the name of an address as flags want it; false where one is needed and there is none.
func nodeOf(s *tcpip.Stack, a netip.Addr, flags uint32) (string, bool) {
	name := ""
	if flags&ws2def.NI_NUMERICHOST == 0 {
		name = s.NameOf(a.Unmap())
	}
	switch {
	case name == "" && flags&ws2def.NI_NAMEREQD != 0:
		return "", false
	case name == "":
		return a.String(), true
	case flags&ws2def.NI_NOFQDN != 0:
		name, _, _ = strings.Cut(name, ".")
	}
	return name, true
}

// room reports whether there is room for a text and the zero behind it. One that has room for the text alone
// was meant to be large enough. Rule: WSK-264.
func room(k *irql.K, r *request, s *irp.UNICODE_STRING, text string) bool {
	if s == nil {
		return true
	}
	n, has := 2*len(utf16.Encode([]rune(text))), min(int(s.MaximumLength), 2*len(s.Buffer))
	if has == n || has == n+1 {
		ke.Collect(k, verify.Finding{Rule: verify.WSK_264, Obj: r.name,
			Headline: fmt.Sprintf("%s: MaximumLength is %d, and %q takes %d bytes with its terminator",
				r.name, has, text, n+2)})
	}
	return has >= n+2
}

// store puts a text and the zero behind it into a string that has the room.
func store(s *irp.UNICODE_STRING, text string) {
	if s == nil {
		return
	}
	u := utf16.Encode([]rune(text))
	copy(s.Buffer, append(u, 0))
	s.Length = uint16(2 * len(u))
}
