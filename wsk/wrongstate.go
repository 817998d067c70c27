package wsk

import (
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
)

// What is reported about a call that the state of its socket does not allow. The status is in stateCalls.

func boundAlready(*socket) (verify.RuleID, string) { return verify.WSK_101, "is bound already" }

func notToListen(o *socket) (verify.RuleID, string) {
	if o.state() == tcpip.Created {
		return verify.WSK_108, "is not bound"
	}
	return verify.WSK_107, "is " + o.state().String() + " already"
}

func notInspecting(*socket) (verify.RuleID, string) { return verify.WSK_196, "does not listen yet" }

func notListening(*socket) (verify.RuleID, string) { return verify.WSK_103, "does not listen" }

// notToConnect: of a second WskConnect the pages say nothing.
func notToConnect(o *socket) (verify.RuleID, string) {
	switch {
	case o.state() != tcpip.Created:
		return verify.NoRule, ""
	case o.waitsFor("WskBind"):
		return verify.WSK_075, "is not bound yet: its WskBind is pending"
	}
	return verify.WSK_102, "is not bound"
}

// notBound is about the functions of datagram sockets.
func notBound(o *socket) (verify.RuleID, string) {
	if o.waitsFor("WskBind") {
		return verify.WSK_075, "is not bound yet: its WskBind is pending"
	}
	return verify.WSK_105, "is not bound"
}

func noAddress(*socket) (verify.RuleID, string) { return verify.WSK_106, "has no such address yet" }

func notConnected(o *socket) (verify.RuleID, string) {
	if o.waitsFor("WskConnect") {
		return verify.WSK_075, "is not connected yet: its WskConnect is pending"
	}
	return verify.WSK_104, "is not connected"
}

func notToSend(o *socket) (verify.RuleID, string) {
	if o.state().HasPeer() {
		return verify.WSK_109, "has sent its end already"
	}
	return notConnected(o)
}

// notToDisconnect: that a connection is ended a second time, or after it has broken, is no mistake.
func notToDisconnect(o *socket) (verify.RuleID, string) {
	if o.state().HasPeer() {
		return verify.NoRule, ""
	}
	return verify.WSK_104, "is not connected"
}
