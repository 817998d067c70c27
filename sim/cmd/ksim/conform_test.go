package main

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestConform_DamagedRecordsAreRefusedOrPlayed damages recorded records in one place each: whatever is left,
// no record is a fault of the simulator.
func TestConform_DamagedRecordsAreRefusedOrPlayed(t *testing.T) {
	for _, file := range []string{"irpvec/testdata/irp_vectors.jsonl", "kevec/testdata/ke_vectors.jsonl",
		"wskvec/testdata/wsk_vectors.jsonl"} {
		b, err := os.ReadFile("../../../sim/internal/conform/" + file)
		require.NoError(t, err)
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		r := rand.New(rand.NewPCG(1, 2))
		n := 1500
		if os.Getenv("SIM_THOROUGH") != "" {
			n = 20_000
		}
		refused := 0
		for range n {
			var rec map[string]any
			require.NoError(t, json.Unmarshal([]byte(lines[r.IntN(len(lines))]), &rec))
			damage(r, rec, "setup")
			line, err := json.Marshal(rec)
			require.NoError(t, err)
			c := tally{out: io.Discard, err: io.Discard}
			if fault := c.record(line); fault != nil {
				require.Zero(t, c.broken, "%v\n%s", fault, line)
				refused++
			}
		}
		t.Logf("%s: %d of %d were refused", file, refused, n)
		require.NotZero(t, refused)
	}
}

// odd is what a damaged place holds.
var odd = []any{nil, true, -1, 0, 1, 3, 7, 8, 255, 1 << 40, 1e300, 0.5, "", "D1", "D0", "main",
	"0xffffffff", "x",
	[]any{}, map[string]any{}, []any{[]any{}}, []any{"complete"}, []any{"skip"}, []any{"copy"}, []any{"snap"},
	[]any{"detach", "D1"}, []any{"attach", "D1", "D1"}, []any{"free", 0}, []any{"use", 1}, []any{"join"},
	[]any{"alloc", 0, 0}, []any{"call", "D1"}, []any{"call", "D0"}, []any{"release_cancel_lock"},
	[]any{"unlock_cancel"}, []any{"lock_cancel"}, []any{"return_last"}, []any{"params", "buffers"},
	[]any{"own_location"}, []any{"reuse", 0, 0}, []any{"cancel"}, []any{"wait", 0}, []any{"mutex", 0},
	[]any{"release_mutex", 0}, []any{"semaphore", 1, 0, 0}, []any{"release_semaphore", 1, -1},
	[]any{"wait_multiple", "all", []any{0, 0}}, []any{"remove_lock_init"}, []any{"release_remove_lock"},
	[]any{"acquire_remove_lock"}, []any{"release_remove_lock", "and_wait"}, []any{"wait_event", 0},
	[]any{"build_ioctl", 0, "D1", 0, 0, 0, []any{}}, []any{"copy_status", 0, 0}, []any{"mark_pending"},
	[]any{"if", "cancelled", []any{}}, []any{"async", "A0", "dpc"}, []any{"set_status", 0, -1}}

// damage changes one place somewhere below rec[key].
func damage(r *rand.Rand, rec map[string]any, key string) {
	at, set := rec[key], func(v any) { rec[key] = v }
	for depth := 0; ; depth++ {
		switch v := at.(type) {
		case map[string]any:
			if len(v) == 0 {
				set(odd[r.IntN(len(odd))])
				return
			}
			var keys []string
			for _, k := range []string{"programs", "ops", "main", "dispatch.D1", "dispatch.D2",
				"completion.C0", "async.A0", "cancel.K0"} {
				if _, ok := v[k]; ok {
					keys = append(keys, k)
				}
			}
			if len(keys) == 0 {
				return
			}
			k := keys[r.IntN(len(keys))]
			at, set = v[k], func(x any) { v[k] = x }
		case []any:
			switch i := r.IntN(len(v) + 1); {
			case i == len(v) || r.IntN(2) == 0: // put something in
				x := append(append(append([]any{}, v[:i]...), odd[r.IntN(len(odd))]), v[i:]...)
				set(x)
				return
			case r.IntN(6) == 0: // leave something out
				set(append(append([]any{}, v[:i]...), v[i+1:]...))
				return
			default:
				at, set = v[i], func(x any) { v[i] = x }
			}
		default:
			set(odd[r.IntN(len(odd))])
			return
		}
	}
}
