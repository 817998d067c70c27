package irp

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestStates_Table: no way is listed twice, nothing leaves a freed IRP, and from every state an IRP can come
// to its end.
func TestStates_Table(t *testing.T) {
	seen := map[transition]bool{}
	for _, m := range transitions {
		assert.NotEmpty(t, m.by)
		assert.False(t, seen[m], "%v twice", m)
		seen[m] = true
		assert.NotEqual(t, stFreed, m.from)
	}
	ends := map[ownState]bool{stFreed: true}
	for range numStates {
		for _, m := range transitions {
			ends[m.from] = ends[m.from] || ends[m.to]
		}
	}
	assert.Len(t, ends, int(numStates))
	begun := map[ownState]bool{stCreator: true}
	for range numStates {
		for _, m := range transitions {
			begun[m.to] = begun[m.to] || begun[m.from]
		}
	}
	assert.Len(t, begun, int(numStates))
}

// TestStates_Picture: states.md shows the table; SIM_UPDATE=1 draws it anew.
func TestStates_Picture(t *testing.T) {
	want := drawStates()
	if os.Getenv("SIM_UPDATE") != "" {
		require.NoError(t, os.WriteFile("states.md", []byte(want), 0o644))
	}
	got, err := os.ReadFile("states.md")
	require.NoError(t, err)
	assert.Equal(t, want, string(got), "not up to date: SIM_UPDATE=1 go test ./irp -run States_Picture")
}

// drawStates draws the transitions as a diagram that Markdown viewers show; ways with the same cause into the
// same state are told apart by where they begin only.
func drawStates() string {
	ids := [numStates]string{"Creator", "At", "Queued", "InRoutine", "Stopped", "InCancel", "Completing",
		"Stage2", "Freed"}
	var b strings.Builder
	b.WriteString("# Who holds an IRP\n\nDrawn from the table in `irp_state.go` by SIM_UPDATE=1 go test " +
		"./irp -run States_Picture; what the words mean is in [docs/spec/irp.md](../docs/spec/irp.md), " +
		"8.2.\n\n" +
		"```mermaid\nstateDiagram-v2\n")
	for s := range numStates {
		fmt.Fprintf(&b, "    state \"%v\" as %s\n", s, ids[s])
	}
	b.WriteString("    [*] --> Creator: IoAllocateIrp, IoInitializeIrp, IoBuild*, IoMakeAssociatedIrp\n")
	for _, m := range transitions {
		fmt.Fprintf(&b, "    %s --> %s: %s\n", ids[m.from], ids[m.to], m.by)
	}
	b.WriteString("    Freed --> [*]\n```\n")
	return b.String()
}
