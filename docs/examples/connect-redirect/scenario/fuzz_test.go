package scenario

import (
	"testing"

	connectredirect "calloutsim/docs/examples/connect-redirect"
	"calloutsim/sim"
)

// FuzzStory plays the clean story with the fuzzer's bytes as choices, and variations of them: schedules,
// failures of everything that may fail, and what Windows is free to do. No rule may be broken.
func FuzzStory(f *testing.F) {
	f.Add([]byte(nil))
	for _, step := range []byte{1, 2, 3, 5, 7} {
		var choices []byte
		for i := range 400 {
			// mostly small picks: an odd byte at a place that may fail makes it fail
			choices = append(choices, byte(i)*step>>3&6)
		}
		f.Add(choices)
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		sim.Fuzz(t, choices, Story(connectredirect.None))
	})
}
