package verify

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The tables that programs make of docs/spec are those of the texts as they are.
func TestTables_AreThoseOfTheTexts(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the generators")
	}
	for program, name := range map[string]string{"extract.go": "rules_wsk_wfp_full.tsv",
		"genheadings.go": "headings.tsv"} {
		fresh := filepath.Join(t.TempDir(), name)
		out, err := exec.Command("go", "run", program, "-o", fresh).CombinedOutput()
		require.NoError(t, err, string(out))
		want, err := os.ReadFile(fresh)
		require.NoError(t, err)
		have, err := os.ReadFile(name)
		require.NoError(t, err)
		assert.True(t, string(want) == string(have),
			"%s is not what docs/spec says: run go generate ./internal/verify", name)
	}
}

// inText is a rule as rules.md states it.
var inText = regexp.MustCompile(`(?m)^### ([A-Z]+-\d+) (.*)\n\*(\w+)\.\*(?: \*fatal\*\.)? ` +
	`\*\*Detect:\*\* (.*?)\.(?: \*\*Reported by Windows as:\*\* (.*?)\.?)?$`)

// rules.md and rules.tsv say the same.
func TestRules_AreThoseOfTheText(t *testing.T) {
	text, err := os.ReadFile("../../docs/spec/rules.md")
	require.NoError(t, err)
	all := inText.FindAllStringSubmatch(strings.ReplaceAll(string(text), "`", ""), -1)
	assert.Len(t, all, strings.Count(rulesTSV, "\n")-1)
	for _, m := range all {
		f, ok := find(strings.ReplaceAll(rulesTSV, "`", ""), m[1])
		require.True(t, ok, m[1])
		row := []string{f[2], f[1], f[3], strings.TrimSuffix(f[4], ".")}
		assert.Equal(t, row, m[2:], "%s: docs/spec/rules.md and rules.tsv differ", m[1])
	}
}
