package sim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"encoding/base64"
)

// packedToken is a token whose deviations are packed, however few.
func packedToken(ds ...Deviation) string {
	return tokenVersion + ":00000001:0:@" +
		base64.RawURLEncoding.EncodeToString(pack(ds)) + ":0000000000000001"
}

// plainToken is the same in the plain form.
func plainToken(ds ...Deviation) string {
	return Token{Scenario: 1, Trace: 1, Deviations: ds}.String()
}

// A packed token is refused exactly where its plain form is.
func TestToken_PackedIsRefusedWherePlainIs(t *testing.T) {
	for _, c := range []struct {
		ds []Deviation
		ok bool
	}{
		{[]Deviation{{0, 1}}, true},
		{[]Deviation{{5, 7}, {6, 8}, {9, 9}}, true},
		{[]Deviation{{maxIndex, maxPick}}, true},
		{[]Deviation{{maxIndex + 1, 1}}, false},
		{[]Deviation{{maxIndex, 1}, {maxIndex + 1, 1}}, false},
		{[]Deviation{{0, maxPick + 1}}, false},
		{[]Deviation{{0, 1 << 30}}, false},
	} {
		a, err1 := ParseToken(plainToken(c.ds...))
		b, err2 := ParseToken(packedToken(c.ds...))
		assert.Equal(t, c.ok, err1 == nil, "%v: %v", c.ds, err1)
		assert.Equal(t, c.ok, err2 == nil, "%v: %v", c.ds, err2)
		assert.Equal(t, a.Deviations, b.Deviations)
	}
	for _, s := range []string{"@AA\nA", "@AB", "@A", "@" + strings.Repeat("_", 40), "+5.1", "5.+1", "-0.1"} {
		_, err := ParseToken(tokenVersion + ":00000001:0:" + s + ":0000000000000001")
		assert.Error(t, err, s)
	}
}

// FuzzToken: what is read is written as it was read, whichever form it had.
func FuzzToken(f *testing.F) {
	f.Add(plainToken(Deviation{0, 1}, Deviation{17, 9}))
	f.Add(packedToken(Deviation{0, 1}, Deviation{17, 9}))
	f.Add(packedToken(Deviation{maxIndex, maxPick}))
	f.Add(tokenVersion + ":ffffffff:ff:@____________________:ffffffffffffffff")
	f.Add("kcs9:")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseToken(s)
		if err != nil {
			return
		}
		plain, err := ParseToken(plainToken(a.Deviations...))
		require.NoError(t, err)
		packed, err := ParseToken(packedToken(a.Deviations...))
		require.NoError(t, err)
		require.Equal(t, plain.Deviations, packed.Deviations)
		b, err := ParseToken(a.String())
		require.NoError(t, err)
		require.Equal(t, a, b)
	})
}

// FuzzSimFile: a file is refused, or its choices are those of its token.
func FuzzSimFile(f *testing.F) {
	f.Add(plainToken() + "\n\n")
	f.Add(plainToken(Deviation{1, 1}) + "\ntest: TestX\n\n0 sched/step 0 a: a | b\n1 sched/step 1 b: a | b\n")
	files, _ := filepath.Glob("cmd/ksim/testdata/*.sim")
	for _, name := range files {
		b, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(string(b))
	}
	f.Fuzz(func(t *testing.T, text string) {
		token, st, err := parseSimFile(text)
		if err != nil {
			return
		}
		n := 0
		for _, p := range st.picks {
			if p > 0 {
				n++
			}
		}
		require.Len(t, token.Deviations, n)
	})
}

// FuzzSettings: what flags and variables hold.
func FuzzSettings(f *testing.F) {
	for _, s := range []string{"5", "1-9", "9-1", "0/4", "4/4", "dpor", "preempt3", "a=b c d=0", "-", "/",
		"=", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if first, runs, err := ParseRuns(s); err == nil {
			require.Positive(t, runs)
			require.GreaterOrEqual(t, first+uint64(runs), first)
		}
		if i, m, err := ParseShard(s); err == nil {
			require.Less(t, i, m)
		}
		for _, p := range pinTexts(s) {
			if pin, err := parsePin(p); err == nil {
				require.Equal(t, p, pin.String())
				_ = pin.check()
			}
		}
		o := ExploreOptions{Strategy: s}
		_ = o.parseStrategy()
	})
}

// A variable is named as it was given.
func TestFlags_VariablesAreNamedAsSuch(t *testing.T) {
	for given, want := range map[string]string{
		"SIM_RUNZ=5":       "the variable SIM_RUNZ=5 is not known: did you mean SIM_RUNS?",
		"SIM_SEEDS=1-9":    "the variable SIM_SEEDS=1-9 is not known: did you mean SIM_SEED?",
		"SIM_strategy=pos": "the variable SIM_strategy=pos is not known: did you mean SIM_STRATEGY?",
		"SIM_RUNS=many":    "SIM_RUNS=many is no number from 1 on",
		"SIM_SEED=x":       "SIM_SEED=x is no number from 1 on",
		"SIM_FAULTS=x":     "SIM_FAULTS=x is no number from 0 on",
		"SIM_RACES=x":      "SIM_RACES=x is neither true nor false",
		"SIM_FAILON=x":     "SIM_FAILON=x: it is one of error, warning, note",
		"SIM_BUDGET=x":     "SIM_BUDGET=x is no time such as 90s or 10m",
		"SIM_WATCHDOG=-1s": "SIM_WATCHDOG=-1s is no time such as 10s or 2m, nor 0",
		"SIM_REPLAY=x":     "SIM_REPLAY: ",
		"SIM_FIX=x":        "SIM_FIX: ",
		"SIM_SHARD=4/4":    `SIM_SHARD: shard "4/4" is no i/m`,
	} {
		t.Run(given, func(t *testing.T) {
			name, value, _ := strings.Cut(given, "=")
			t.Setenv(name, value)
			_, err := (&ExploreOptions{}).fromFlags()
			require.ErrorContains(t, err, want)
		})
	}
	t.Setenv("SIM_CARD", "gsm") // somebody else's
	t.Setenv("SIM_TRACE", "1")
	_, err := (&ExploreOptions{}).fromFlags()
	require.NoError(t, err)
}
