package fwps_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/fwps"
	"calloutsim/internal/tcpip"
	"calloutsim/irp"
	"calloutsim/irql"
)

// claimCase is a second connection, of System, that is pended while a first one is.
type claimCase struct {
	why     string
	remote  netip.AddrPort
	decided bool // the first connection, when the second one is pended
	inherit bool
	system  bool // the first connection is the system's as well
	other   bool // another driver pends the second one
	loop    bool
}

// TestPend_ProxyOfADriverConnectsWithoutRecords: the proxy connects out while the connection it serves is
// still pended, as wfp.md 10.5 has it. Its connection is recognised by the records, and only by them.
func TestPend_ProxyOfADriverConnectsWithoutRecords(t *testing.T) {
	for _, c := range []claimCase{
		{why: "the same place without records", remote: web, loop: true},
		{why: "with the records of the connection it serves", remote: web, inherit: true},
		{why: "another place", remote: netip.MustParseAddrPort("198.51.100.7:443")},
		{why: "the connection it might serve is decided", remote: web, decided: true},
		{why: "two connections of one owner", remote: web, system: true},
		{why: "pended by a driver that has taken no records", remote: web, other: true},
	} {
		l := newLab(t)
		out := c.play(l)
		require.Equal(t, 1, out.answers, c.why)
		if c.loop {
			assert.Equal(t, []string{"WFP-120"}, l.found(), c.why)
		} else {
			assert.Empty(t, l.story(), c.why)
		}
	}
}

// play makes both connections, completes both, and returns the second one.
func (c *claimCase) play(l *lab) *conn {
	var held []*pended
	d := l.load("redir.sys", func(k *irql.K, d *driver) {
		d.hook(k, atRedirect, func(a *args) {
			if c.other && len(held) > 0 {
				a.permit()
				return
			}
			p := a.pend(nil)
			takeRecords(a.k, p.records)
			held = append(held, p)
		})
		d.hook(k, atAuth, permits)
	})
	if c.other {
		l.load("other.sys", func(k *irql.K, o *driver) {
			o.hook(k, atRedirect.weighing(0x80), func(a *args) {
				if len(l.conns) == 1 {
					a.permit()
					return
				}
				held = append(held, a.pend(nil))
			})
			o.hook(k, atAuth.weighing(0x80), permits)
		})
	}
	browser := l.m.NewProcess("browser.exe", false)
	if c.system {
		browser = nil
	}
	app := l.asks(tcpip.ConnectRedirect, browser, web)
	l.m.NewThread("browser", browser, func(k *irql.K) { app.ask(k, nil) })
	l.m.Run(nil)
	if c.decided {
		d.as(func(k *irql.K) { held[0].done(k) })
		l.m.Run(nil)
		held = held[1:]
	}
	inherited := tcpip.Records(nil)
	if c.inherit {
		inherited = app.records
	}
	out := l.asks(tcpip.ConnectRedirect, nil, c.remote)
	l.m.NewThread("proxy", nil, func(k *irql.K) { out.ask(k, inherited) })
	l.m.Run(nil)
	d.as(func(k *irql.K) {
		for _, p := range held {
			p.done(k)
		}
	})
	l.m.Run(nil)
	return out
}

// takeRecords takes the opaque form of a connection's records, as for a proxy.
func takeRecords(k *irql.K, records irql.HANDLE) {
	var n uint64
	fwps.FwpsQueryConnectionSioFormatRedirectRecords0(k, records, nil, 0, &n)
	b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, n, tag)
	fwps.FwpsQueryConnectionSioFormatRedirectRecords0(k, records, b, n, &n)
	irp.ExFreePoolWithTag(k, b, tag)
}
