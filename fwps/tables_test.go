package fwps

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/tcpip"
	"calloutsim/internal/wfp"
)

// stationRow is a row of the table of stations, docs/spec/network.md 2.
type stationRow struct {
	name     string
	layers   []int
	level    string
	may      []string
	discards []int
}

func stationRows(t *testing.T) (rows []stationRow) {
	text, err := os.ReadFile("../docs/spec/network.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "| station | layer v4/v6 |")
	require.True(t, found)
	for _, line := range strings.Split(rest, "\n")[2:] {
		c := strings.Split(line, "|")
		if len(c) != 9 {
			break
		}
		rows = append(rows, stationRow{strings.TrimSpace(c[1]), numbers(t, c[2]), strings.TrimSpace(c[4]),
			regexp.MustCompile(`\w+`).FindAllString(c[6], -1), numbers(t, c[7])})
	}
	return rows
}

// numbers reads "32/34, 28/30" and "74..77".
func numbers(t *testing.T, s string) (out []int) {
	for _, m := range regexp.MustCompile(`(\d+)(\.\.(\d+))?`).FindAllStringSubmatch(s, -1) {
		from, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		to := from
		if m[3] != "" {
			to, err = strconv.Atoi(m[3])
			require.NoError(t, err)
		}
		for ; from <= to; from++ {
			out = append(out, from)
		}
	}
	return out
}

// TestLayerTable_IsThatOfTheSpecification compares the generated facts with the table of stations that people
// read. Reference: docs/spec/network.md 2.
func TestLayerTable_IsThatOfTheSpecification(t *testing.T) {
	levels := map[string]level{"P": levelPassive, "D": levelDispatch, "DP": levelEither}
	seen := 0
	for _, r := range stationRows(t) {
		for i, id := range r.layers {
			l := layerOf(uint16(id))
			seen++
			assert.Equal(t, levels[r.level], l.level, "%s %s", r.name, l.name)
			assert.Equal(t, slices.Contains(r.may, "C"), l.pendClassify, "%s %s C", r.name, l.name)
			assert.Equal(t, slices.Contains(r.may, "O"), l.pendOperation, "%s %s O", r.name, l.name)
			assert.Equal(t, slices.Contains(r.may, "M"), l.redirects(), "%s %s M", r.name, l.name)
			absorb := slices.Contains(r.may, "A") && !strings.Contains(l.name, "VSWITCH_TRANSPORT")
			assert.Equal(t, absorb, l.absorb, "%s %s A", r.name, l.name)
			if len(r.discards) > 0 {
				require.Equal(t, uint16(r.discards[i]), l.dropped, "%s %s", r.name, l.name)
				assert.True(t, layerOf(l.dropped).discard)
				seen++
			} else {
				assert.Zero(t, l.dropped, "%s %s", r.name, l.name)
			}
		}
	}
	assert.Equal(t, 76, seen, "layers that are asked")
}

func TestLayersAt_EveryStationHasALayerOfEachFamily(t *testing.T) {
	for s := tcpip.Layer(1); s < tcpip.Layers; s++ {
		for family, suffix := range []string{"_V4", "_V6"} {
			name := layerName(layersAt[s][family])
			assert.True(t, strings.HasSuffix(name, suffix), "station %d family %d", s, family)
		}
	}
}

// TestSources_EveryFieldHasAGetterOrAReason: a value that nobody works out is missing for a reason.
func TestSources_EveryFieldHasAGetterOrAReason(t *testing.T) {
	names := map[string]bool{}
	for layer, fields := range fieldTable {
		assert.Less(t, len(fields), 64, "a bit for each field: %s", layerName(uint16(layer)))
		// The reserved layer is not asked, nor are those of user mode.
		if layer == int(FWPS_LAYER_INBOUND_RESERVED2) || layer >= int(FWPS_LAYER_IPSEC_KM_DEMUX_V4) {
			continue
		}
		for _, f := range fields {
			names[f.name] = true
			s := sources[f.name]
			assert.Equal(t, s.get == nil, s.why != "", "%s of %s", f.name, layerName(uint16(layer)))
		}
	}
	assert.Len(t, sources, len(names), "no row is for a field that there is not")
}

// TestLayerTable_FitsThePolicy says that the index of a policy has room for every layer.
func TestLayerTable_FitsThePolicy(t *testing.T) {
	assert.Len(t, layerTable, wfp.Layers)
}
