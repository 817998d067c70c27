package corpus

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
)

func TestX(t *testing.T) {
	m := &ke.Machine{}
	defer m.Close()
	for _, s := range All() {
		m.Reset(s.Config(ke.Config{}))
		boring := s.Run(m)
		n, first, what := 0, 0, ""
		for run := range uint64(2000) {
			m.Reset(s.Config(ke.Config{Source: ke.NewRandom(0, run+2), Events: ke.Off}))
			if w := s.Run(m); w != "" {
				n++
				if first == 0 {
					first, what = int(run+2), w
				}
			}
		}
		flag := ""
		if (s.Bug != "") != (n > 0) {
			flag = "!!!!"
		}
		if boring != "" {
			flag += "BORING " + boring
		}
		t.Logf("%-35s %5d %5d  %.60s %s", s.Name, n, first, what, flag)
	}
	assert.True(t, true)
}
