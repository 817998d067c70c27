//go:build race && simraces

package ke

import "runtime"

// conceal keeps what follows from Go's race detector, until reveal: under `ksim race` it checks drivers, and
// that one context runs after another orders nothing there (scheduling.md 10.2).
func conceal() { runtime.RaceDisable() }
func reveal()  { runtime.RaceEnable() }
