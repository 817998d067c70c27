// Package scenario lets a program talk to the echo server.
package scenario

import (
	"fmt"
	"net/netip"

	echoserver "calloutsim/docs/examples/echo-server"
	"calloutsim/sim"
)

var server = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), echoserver.Port)

// Echo loads the driver, lets a program say something to it, and unloads it.
func Echo(d echoserver.Defect) func(m *sim.Machine) {
	return func(m *sim.Machine) {
		driver := &echoserver.Driver{Defect: d}
		m.Load("echo.sys", driver.DriverEntry)
		m.Run()
		m.Process("client.exe").Go("main", func(u *sim.User) {
			// a connection may fail: the server may be short of memory, or its socket stop working
			if s, err := u.Dial(server); err == nil {
				if got, err := talk(s, "hello"); err == nil && got != "hello" {
					m.Errorf("the server said %q", got)
				}
				_ = s.Close()
			}
		})
		m.Run()
		m.Unload("echo.sys")
	}
}

// talk sends a text, ends its half of the connection and reads until the server has ended its own.
func talk(s *sim.Socket, text string) (string, error) {
	if _, err := s.Send([]byte(text)); err != nil {
		return "", err
	}
	const sdSend = 1
	if err := s.Shutdown(sdSend); err != nil {
		return "", err
	}
	got := ""
	for b := make([]byte, 16); ; {
		n, err := s.Recv(b)
		if err != nil {
			return got, fmt.Errorf("after %q: %w", got, err)
		}
		if n == 0 {
			return got, nil
		}
		got += string(b[:n])
	}
}

// Scenarios gives the conversation as it should be and with each of the defects.
func Scenarios() []sim.Scenario {
	return []sim.Scenario{
		{Name: "echo-server", Title: "a WSK echo server takes a connection by callback",
			Doc: "Follow the one IRP of the connection: receive, send, receive, disconnect, close.",
			Run: Echo(echoserver.None)},
		{Name: "echo-server-null", Title: "WskAcceptEvent does not look for a NULL socket",
			Doc: "A listening socket that stops working says so with NULL, once.",
			Run: Echo(echoserver.NullIgnored), Expect: []string{"WSK-181"}, Sometimes: true},
		{Name: "echo-server-reuse", Title: "the IRP is sent again without IoReuseIrp",
			Doc: "It still has the status and the stack location of the request before.",
			Run: Echo(echoserver.IrpNotReused), Expect: []string{"WSK-068"}},
		{Name: "echo-server-freed", Title: "memory goes when WskCloseSocket returns",
			Doc: "The socket's context and its IRP are in use until the close is completed.",
			Run: Echo(echoserver.ContextFreed), Expect: []string{"WSK-243"}},
		{Name: "echo-server-twice", Title: "a socket is closed again when its close is completed",
			Doc: "The socket object has gone with the first WskCloseSocket.",
			Run: Echo(echoserver.ClosedTwice), Expect: []string{"WSK-242"}},
		{Name: "echo-server-unload", Title: "the unload routine leaves the listening socket open",
			Doc: "WskDeregister waits for every socket, and nobody is left to close this one.",
			Run: Echo(echoserver.ListenerKept), Expect: []string{"WSK-017"}},
	}
}
