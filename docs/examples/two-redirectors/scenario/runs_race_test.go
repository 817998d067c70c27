//go:build race

package scenario

// runs is smaller where the race detector slows everything down.
const runs = 200
