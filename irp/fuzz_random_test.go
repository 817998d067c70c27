package irp_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// TestOperations_AnyScript plays random scripts of FuzzOperations, which do not need the fuzzer for that.
// SIM_SCRIPTS says how many, SIM_START with which.
func TestOperations_AnyScript(t *testing.T) {
	scripts := 200
	if s := os.Getenv("SIM_SCRIPTS"); s != "" {
		scripts, _ = strconv.Atoi(s)
	}
	start, _ := strconv.ParseUint(os.Getenv("SIM_START"), 10, 64)
	for n := range scripts {
		r := rand.New(rand.NewPCG(start+uint64(n), 2))
		script := make([]byte, 2+r.IntN(400))
		for i := range script {
			script[i] = byte(r.Uint32())
		}
		script[0] |= wide
		t.Run(fmt.Sprint(start+uint64(n)), func(t *testing.T) {
			if first, again := playScript(t, script), playScript(t, script); first != again {
				t.Errorf("two runs of the same bytes differ: %s and %s", first, again)
			}
		})
	}
}
