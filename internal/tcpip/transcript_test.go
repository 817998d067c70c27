package tcpip

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/packet"
	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
)

// transcript is a machine's stack with hosts around it in a dry world, driven by the commands of a file in
// testdata. What it prints is all that happens: packets as they arrive or get lost, questions to the filter
// engine with their answers, what owners hear, how operations end.
type transcript struct {
	*testing.T
	w       *dry
	s       *Stack
	out     strings.Builder
	sockets map[string]*Endpoint
	names   map[trace.ID]string
	verdict map[string]string
	held    map[string]*Question
	to      netip.AddrPort // where CONNECT_REDIRECT sends every connection that is not a proxy's
	chains  int
	waiting map[string]*Readers
}

// TestTranscripts plays the stories in testdata: two stacks exchange packets without a machine.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata/transcripts", func(t *testing.T, path string) {
		r := &transcript{T: t, sockets: map[string]*Endpoint{}, names: map[trace.ID]string{},
			verdict: map[string]string{}, held: map[string]*Question{}, waiting: map[string]*Readers{}}
		r.w = &dry{log: func(format string, args ...any) { r.say(format, args...) }}
		r.s = stackIn(r.w)
		r.s.SetEngine(r)
		r.s.net.tap = r.tap
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			r.T = t
			r.out.Reset()
			run, ok := commands[d.Cmd]
			require.True(t, ok, "%s: no command %q", d.Pos, d.Cmd)
			var words []string
			for _, a := range d.CmdArgs {
				words = append(words, a.String())
			}
			run(r, words)
			r.conserves()
			if r.out.Len() == 0 {
				return "ok\n"
			}
			return r.out.String()
		})
	})
}

func (r *transcript) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for id, name := range r.names {
		text = strings.ReplaceAll(text, id.String(), name)
	}
	r.out.WriteString(text + "\n")
}

func (r *transcript) tap(event string, p *packet.Packet) {
	text := strings.NewReplacer(fmt.Sprint("seq ", p.TCP.Seq), number("seq", p.Src, p.Dst, p.TCP.Seq),
		fmt.Sprint("ack ", p.TCP.Ack), number("ack", p.Dst, p.Src, p.TCP.Ack)).Replace(fmt.Sprint(p))
	if len(p.Payload) > 0 && len(p.Payload) < 40 && !p.HasICMP() {
		text += fmt.Sprintf(" %q", p.Payload)
	}
	if event == "lost" {
		text += " | lost"
	}
	r.say("%s", text)
}

// number counts sequence numbers from the initial one.
func number(what string, from, to netip.AddrPort, n uint32) string {
	if d := n - (Tuple{TCP, from, to}).iss(); d < 1<<24 {
		return fmt.Sprintf("%s %d", what, d)
	}
	return fmt.Sprintf("%s %d", what, n)
}

// conserves checks that nothing is in the lists of a stack that has no packets and timers any more but what
// sockets hold.
func (r *transcript) conserves() {
	if len(r.w.due)+len(r.w.later) > 0 {
		return
	}
	r.s.net.balances(true)
	for _, x := range r.s.streams {
		require.False(r, x.e == nil && x.finAcked && x.rxFin, "%v is finished and still there", x.tuple)
		require.Empty(r, x.waiting)
	}
}

func (r *transcript) over(name, what string) Status {
	return func(_ *ke.K, s ntstatus.NTSTATUS) { r.say("%s %s: %v", name, what, s) }
}

// Indicate prints what an owner hears, and serves what recv has left waiting.
func (r *transcript) Indicate(k *ke.K, e *Endpoint, i Indication) {
	r.say("%v hears %v", e.ID, i.Kind)
	if name := r.names[e.ID]; name != "" {
		r.readers(name).Hears(k, e, i)
	}
}

func (r *transcript) readers(name string) *Readers {
	if r.waiting[name] == nil {
		r.waiting[name] = &Readers{}
	}
	return r.waiting[name]
}
