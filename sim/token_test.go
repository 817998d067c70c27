package sim

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestToken_LooksAsDocumented(t *testing.T) {
	tok := Token{Scenario: 0x9d41c07e, Deviations: []Deviation{{4, 2}, {9, 1}, {31, 17}},
		Trace: 0x5f1c2a77e0b3d846}
	assert.Equal(t, "kcs2:9d41c07e:0:4.2,9.1,1f.11:5f1c2a77e0b3d846", tok.String())
	tok = Token{Scenario: 10, Options: 0x201, Trace: 1}
	assert.Equal(t, "kcs2:0000000a:201::0000000000000001", tok.String())
}

func TestToken_ComesBackFromItsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		options := []uint32{0, 1, 8, bitMemory, bitContinue | 4, bitMemory | bitContinue}
		tok := Token{Scenario: rapid.Uint32().Draw(t, "scenario"), Trace: rapid.Uint64().Draw(t, "trace"),
			Options: rapid.SampledFrom(options).Draw(t, "options")}
		index := -1
		for range rapid.IntRange(0, 120).Draw(t, "n") {
			index += rapid.IntRange(1, 300).Draw(t, "gap")
			tok.Deviations = append(tok.Deviations, Deviation{index, rapid.IntRange(1, 70).Draw(t, "pick")})
		}
		got, err := ParseToken(tok.String())
		require.NoError(t, err)
		assert.Equal(t, tok, got)
	})
}

func TestToken_LongOnesArePacked(t *testing.T) {
	var tok Token
	for i := range 500 {
		tok.Deviations = append(tok.Deviations, Deviation{i, 1 + i%9})
	}
	s := tok.String()
	assert.Contains(t, s, ":"+packedMark)
	assert.Less(t, len(s), 1000)
	got, err := ParseToken(s)
	require.NoError(t, err)
	assert.Equal(t, tok, got)
}

func TestParseToken_SaysWhatIsWrong(t *testing.T) {
	good := Token{Scenario: 1, Deviations: []Deviation{{4, 2}}, Trace: 7}.String()
	for text, want := range map[string]string{
		"":            "a token begins with kcs2:",
		"17":          "a token begins with kcs2:",
		"kcs1:1:0::1": "version kcs1 is not known",
		strings.TrimSuffix(good, ":0000000000000007"): "has 4 parts, not 5",
		"kcs2:xyz:0::1":      `scenario hash "xyz"`,
		"kcs2:1:0:4.2:":      `trace hash ""`,
		"kcs2:1:80000:4.2:1": "option bits 80000 are not known",
		"kcs2:1:0:4:1":       `deviation "4" is no index.value`,
		"kcs2:1:0:4.0:1":     `deviation "4.0" is no index.value`,
		"kcs2:1:0:4.1,4.2:1": `deviation "4.2" is out of order`,
		"kcs2:1:0:@!!:1":     "no base64url",
		"kcs2:1:0:@_w:1":     "cut off or damaged",
	} {
		_, err := ParseToken(text)
		assert.ErrorContains(t, err, want, text)
	}
}

func TestHashName_TellsMachinesApart(t *testing.T) {
	assert.Equal(t, hashName("TestA", 1), hashName("TestA", 1))
	assert.NotEqual(t, hashName("TestA", 1), hashName("TestA", 2))
	assert.NotEqual(t, hashName("TestA", 1), hashName("TestB", 1))
}
