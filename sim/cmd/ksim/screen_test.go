package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWrap_BreaksAtSpacesAndIndents(t *testing.T) {
	assert.Equal(t, "short", wrap("short", 40))
	assert.Equal(t, "  a driver completed an IRP that had\n    already been completed",
		wrap("  a driver completed an IRP that had already been completed", 40))
	assert.Equal(t, "LIKELY_FIX:     take the routine back\n                first, then complete",
		wrap("LIKELY_FIX:     take the routine back first, then complete", 40))
	long := "REPLAY:         go test -run '^TestDriver$' example.com/x -sim.replay=kcs2:1:2:3"
	assert.Equal(t, long, wrap(long, 40), "what is copied stays whole")
	word := strings.Repeat("x", 60)
	assert.Equal(t, word, wrap(word, 40))
	assert.Equal(t, strings.Repeat("ä ", 15)[:44]+"\n  ä ä", wrap(strings.Repeat("ä ", 16)+"ä", 30),
		"letters count, not bytes")
}

func TestWrapper_WritesWholeLines(t *testing.T) {
	var b bytes.Buffer
	w := &wrapper{to: &b, width: 30}
	for _, s := range []string{"one two three four ", "five six seven\n", "rest"} {
		n, err := w.Write([]byte(s))
		assert.NoError(t, err)
		assert.Equal(t, len(s), n)
	}
	assert.Equal(t, "one two three four five six\n  seven\n", b.String())
	w.Flush()
	assert.Equal(t, "one two three four five six\n  seven\nrest", b.String())
}

func TestNear_CountsLetters(t *testing.T) {
	assert.Equal(t, 1, distance("expore", "explore"))
	assert.Equal(t, 2, distance("dcp", "dpc"))
	assert.Equal(t, 3, distance("", "abc"))
	assert.Empty(t, near("xyzzy", []string{"explore", "run"}))
}
