package coverage

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
)

// drawSet draws a small set, so that several have outcomes in common.
func drawSet(t *rapid.T, label string) *Set {
	s := &Set{Runs: rapid.Uint64Range(0, 9).Draw(t, label+" runs")}
	word := rapid.SampledFrom([]string{"a", "b", "c"})
	kind := rapid.SampledFrom([]string{calls, "fault", "env", "status", "request"})
	for range rapid.IntRange(0, 6).Draw(t, label+" outcomes") {
		k := Key{Image: word.Draw(t, "image"), DDI: word.Draw(t, "ddi"), Kind: kind.Draw(t, "kind")}
		n := rapid.Uint64Range(0, 9).Draw(t, "count")
		if k.Kind == calls {
			n++
		} else {
			k.Aspect, k.Name = word.Draw(t, "aspect"), word.Draw(t, "name")
		}
		s.Add(k, n)
	}
	return s
}

func merged(t *rapid.T, sets ...*Set) string {
	sum := &Set{}
	for _, s := range sets {
		sum.Merge(s)
	}
	b, err := json.Marshal(sum)
	require.NoError(t, err)
	return string(b)
}

func TestMerge_OrderMakesNoDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawSet(t, "a"), drawSet(t, "b"), drawSet(t, "c")
		bc := &Set{}
		bc.Merge(c)
		bc.Merge(b)
		all := merged(t, a, b, c)
		assert.Equal(t, all, merged(t, c, a, b))
		assert.Equal(t, all, merged(t, bc, a), "associative")
	})
}

func TestJSON_RoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := drawSet(t, "a")
		b, err := json.Marshal(a)
		require.NoError(t, err)
		var back Set
		require.NoError(t, json.Unmarshal(b, &back))
		assert.Equal(t, merged(t, a), merged(t, &back))
		assert.Equal(t, a.String(), back.String())
	})
}

func TestJSON_Form(t *testing.T) {
	s := &Set{Runs: 2}
	s.Add(Key{"a.sys", "WskSend", calls, "", ""}, 3)
	s.Add(Key{"a.sys", "WskSend", "env", "answer", "inline"}, 0)
	s.Add(Key{"a.sys", "WskSend", "env", "answer", "pended"}, 3)
	s.Add(Key{"", "tcpip", "env", "delivery/irql", "passive"}, 1)
	b, err := json.Marshal(s)
	require.NoError(t, err)
	want := `{"schema":"calloutsim-coverage/1","runs":2,"drivers":[` +
		`{"image":"","ddis":[{"name":"tcpip","calls":0,"outcomes":[` +
		`{"kind":"env","aspect":"delivery/irql","name":"passive","count":1}]}]},` +
		`{"image":"a.sys","ddis":[{"name":"WskSend","calls":3,"outcomes":[` +
		`{"kind":"env","aspect":"answer","name":"inline","count":0},` +
		`{"kind":"env","aspect":"answer","name":"pended","count":3}]}]}]}`
	assert.Empty(t, cmp.Diff(want, string(b)))
	want = "coverage: 2 of 3 known outcomes in 2 runs\n\naround the drivers\n  tcpip\n      delivery/irql: " +
		"passive 1\n\na.sys\n  WskSend  3 calls\n      answer: pended 3\n      never: answer=inline\n"
	assert.Empty(t, cmp.Diff(want, s.String()))
	err = json.Unmarshal([]byte(`{"schema":"other/1"}`), &Set{})
	assert.EqualError(t, err, `coverage: the schema is "other/1", not "calloutsim-coverage/1"`)
}

func TestMissing_AsksForWhatTheLevelNames(t *testing.T) {
	s := &Set{Runs: 1}
	add := func(image, routine, kind, aspect, name string, n uint64) {
		s.Add(Key{image, routine, kind, aspect, name}, n)
	}
	add("a.sys", "ExAllocatePool2", "fault", "fault", "fails", 0)
	add("a.sys", "ExAllocatePool2", "fault", "fault", "succeeds", 4)
	add("b.sys", "ExAllocatePool2", "fault", "fault", "fails", 0)
	add("a.sys", "WskSend", "env", "answer", "inline", 0)
	add("a.sys", "WskSend", "request", "returns", "inline", 0)
	add("a.sys", "WskSend", "request", "completes", "cancelled", 0)
	add("a.sys", received+"read", "request", "returns", "pended", 0)
	add("a.sys", received+"read", "request", "cancelled", whilePending, 0)
	add("", "AleConnectRedirect", "doc", "local", "routed", 0)
	cases := []struct {
		level Level
		want  []string
	}{
		{Level{}, nil},
		{Level{Faults: true}, []string{"ExAllocatePool2 fault=fails", "ExAllocatePool2 fault=fails"}},
		{Level{Faults: true, Drivers: []string{"a.sys"}}, []string{"ExAllocatePool2 fault=fails"}},
		{Level{Faults: true, Except: []string{"ExAllocatePool2 fault=fails"}}, nil},
		{Level{Env: true}, []string{"WskSend answer=inline"}},
		{Level{Doc: true}, []string{"AleConnectRedirect local=routed"}},
		{Level{Requests: true}, []string{"WskSend returns=inline"}},
		{Level{Cancel: true}, []string{"DRIVER_DISPATCH read cancelled=with a cancel routine"}},
	}
	for _, c := range cases {
		missing, err := s.Missing(c.level)
		require.NoError(t, err)
		var got []string
		for _, k := range missing {
			got = append(got, k.String())
		}
		assert.Equal(t, c.want, got, "%+v", c.level)
	}
	_, err := s.Missing(Level{Except: []string{"WskSend answer=inlin"}})
	assert.ErrorContains(t, err, `"WskSend answer=inlin"`)
	_, err = s.Missing(Level{Drivers: []string{"c.sys"}})
	assert.ErrorContains(t, err, `"c.sys"`)
}

func TestKey_Fix(t *testing.T) {
	assert.Equal(t, "fault/WskSend=fails", Key{"a.sys", "WskSend", "fault", "fault", "fails"}.Fix())
	assert.Equal(t, "env/WskSend/answer=inline", Key{"a.sys", "WskSend", "env", "answer", "inline"}.Fix())
	assert.Empty(t, Key{"a.sys", "WskSend", "request", "returns", "inline"}.Fix())
}

func TestCollector_NamesOfRoutines(t *testing.T) {
	c := New([]*ke.Subsystem{{Sites: []*ke.Site{{Name: "env/WskGetLocalAddress/answer"},
		{Name: "env/Wsk/completion/irql"}}}})
	assert.Equal(t, "WskGetLocalAddress", c.rowName(uint32(ddi.PFN_WSK_GET_LOCAL_ADDRESS)))
	assert.Equal(t, "IoCallDriver", c.rowName(uint32(ddi.IoCallDriver)))
	assert.Equal(t, uint32(ddi.PFN_WSK_GET_LOCAL_ADDRESS), c.sites[0].row)
	assert.True(t, c.sites[0].routine)
	assert.False(t, c.sites[1].routine)
	assert.Equal(t, "completion/irql", c.sites[1].aspect)
	assert.Equal(t, "Wsk", c.rowName(c.sites[1].row))
}
