package ke

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
)

type routines struct{ n int }

func (r *routines) large(n int) {
	defer func() { r.n++ }()
	for range n {
		r.n += len(FuncName(codeOfTest(r.small)))
	}
}

func (r *routines) small() { r.n++ }

func codeOfTest(fn any) uintptr { return reflect.ValueOf(fn).Pointer() }

// TestPosition: a method value has the position of its method, inlined or not.
func TestPosition(t *testing.T) {
	r := &routines{}
	for name, c := range map[string]struct {
		fn   any
		line int
	}{"large": {r.large, 12}, "small": {r.small, 19}, "literal": {func() { r.n = 0 }, 29}} {
		file, line := position(codeOfTest(c.fn))
		assert.Equal(t, "finding_position_test.go", file, name)
		assert.Equal(t, c.line, line, name)
	}
	file, _ := position(codeOfTest(New))
	assert.Empty(t, file, "a routine of the simulator has no position in a driver")
}
