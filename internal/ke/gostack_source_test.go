package ke

import (
	"go/parser"
	"go/token"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestInLoop(t *testing.T) {
	const src = `package p
func f() {
	once()
	for range 3 {
		twice()
		func() {
			once()
		}()
		func() { twice() }()
	}
	for { twice() }
}
func g() {
again:
	twice()
	goto again
}
func h() { twice() }
`
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "p.go", src, 0)
	require.NoError(t, err)
	lines := map[int]bool{3: false, 5: true, 7: false, 9: true, 11: true, 15: true, 18: true}
	for line, twice := range lines {
		assert.Equal(t, twice, inLoop(file, set, line), "line %d", line)
	}
}

func TestMakesOnce_WithoutSource(t *testing.T) {
	m := New(Config{})
	defer m.Close()
	assert.False(t, m.makesOnce(0))
	assert.Len(t, m.makers, 1)
	m.makesOnce(0)
	assert.Len(t, m.makers, 1)
}
