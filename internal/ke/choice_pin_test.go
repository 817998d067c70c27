package ke

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPin_AsterisksStandForAnything(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"doc/A/b", "doc/A/b", true},
		{"doc/A", "doc/A/b", false},
		{"*", "doc/A/b", true},
		{"doc/*", "doc/A/b", true},
		{"doc/*", "env/A/b", false},
		{"*/b", "doc/A/b", true},
		{"*/b", "doc/b/a", false},
		{"d*/A*a/b*d", "doc/Alpha/bad", true},
		{"d*/A*a/b*d", "doc/Alpha/bade", false},
		{"a*a", "a", false},
		{"a**b", "ab", true},
		{"*A*", "doc/A", true},
		{"*A*", "doc/b", false},
	} {
		p := Pin{Site: c.pattern}
		assert.Equal(t, c.want, p.Matches(c.name), "%s, %s", c.pattern, c.name)
	}
}
