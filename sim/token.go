package sim

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Token is a run that can be repeated: kcs2:<scenario hash>:<option bits>:<deviations>:<trace hash>,
// numbers in hexadecimal (scheduling.md 7.3). Deviations are the choices that were not the boring one, as
// index.value,…; more than 200 characters of them are packed instead, which a leading '@' says.
type Token struct {
	Scenario   uint32 // hash of the full name of the test or scenario
	Options    uint32 // option bits
	Deviations []Deviation
	Trace      uint64 // hash over the events of the run

	story  *story // what a .sim file adds
	strict bool   // the run stops where it is not the story's
}

// Deviation is one choice that was not alternative 0: its position among the choices of the run, and what
// was picked.
type Deviation struct{ Index, Pick int }

const (
	tokenVersion = "kcs2"
	maxPlain     = 200 // characters of plain deviations
	packedMark   = "@"
	maxIndex     = 1<<39 - 1
	maxPick      = 1<<16 - 1
)

// String prints the token.
func (t Token) String() string {
	return fmt.Sprintf("%s:%08x:%x:%s:%016x", tokenVersion, t.Scenario, t.Options,
		printDeviations(t.Deviations), t.Trace)
}

func printDeviations(ds []Deviation) string {
	var b strings.Builder
	for i, d := range ds {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(int64(d.Index), 16))
		b.WriteByte('.')
		b.WriteString(strconv.FormatInt(int64(d.Pick), 16))
		if b.Len() > maxPlain {
			return packedMark + base64.RawURLEncoding.EncodeToString(pack(ds))
		}
	}
	return b.String()
}

// pack writes each deviation as a varint of gap<<3 | pick-1, where gap counts the boring choices since the
// one before; picks of 8 and more have 7 there and the rest in a second varint.
func pack(ds []Deviation) []byte {
	var b []byte
	next := 0
	for _, d := range ds {
		gap, pick := uint64(d.Index-next), uint64(d.Pick-1)
		b = binary.AppendUvarint(b, gap<<3|min(pick, 7))
		if pick >= 7 {
			b = binary.AppendUvarint(b, pick-7)
		}
		next = d.Index + 1
	}
	return b
}

func unpack(b []byte) ([]Deviation, error) {
	var ds []Deviation
	next := 0
	number := func() (uint64, error) {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > maxIndex<<3|7 {
			return 0, errors.New("the packed deviations are cut off or damaged")
		}
		b = b[n:]
		return v, nil
	}
	for len(b) > 0 {
		v, err := number()
		if err != nil {
			return nil, err
		}
		d := Deviation{Index: next + int(v>>3), Pick: int(v&7) + 1}
		if v&7 == 7 {
			if v, err = number(); err != nil {
				return nil, err
			}
			d.Pick += int(v)
		}
		if d.Index > maxIndex || d.Pick > maxPick {
			return nil, fmt.Errorf("the packed deviation %x.%x is out of range", d.Index, d.Pick)
		}
		ds = append(ds, d)
		next = d.Index + 1
	}
	return ds, nil
}

// ParseToken reads a token.
func ParseToken(s string) (Token, error) {
	var t Token
	s = strings.TrimSpace(s)
	version, rest, ok := strings.Cut(s, ":")
	if !ok || !strings.HasPrefix(version, "kcs") {
		return t, fmt.Errorf("%q is no token: a token begins with %s: and stands behind REPLAY in a report",
			s, tokenVersion)
	}
	if version != tokenVersion {
		return t, fmt.Errorf("token version %s is not known here, only %s", version, tokenVersion)
	}
	f := strings.Split(rest, ":")
	if len(f) != 4 {
		return t, fmt.Errorf("token %q has %d parts, not 5: was it copied whole?", s, len(f)+1)
	}
	scenario, err := hexPart("scenario hash", f[0], 32)
	if err != nil {
		return t, err
	}
	bits, err := hexPart("option bits", f[1], 32)
	if err != nil {
		return t, err
	}
	if bits&^bitsKnown != 0 || bits&bitsProcessors > 64 && bits&bitsProcessors != bitsProcessors {
		return t, fmt.Errorf("token: option bits %x are not known here", bits)
	}
	if t.Deviations, err = parseDeviations(f[2]); err != nil {
		return t, err
	}
	t.Scenario, t.Options = uint32(scenario), uint32(bits)
	t.Trace, err = hexPart("trace hash", f[3], 64)
	if err == nil && len(f[3]) < 16 {
		err = fmt.Errorf("token: trace hash %q has %d digits, not 16: was it copied whole?", f[3], len(f[3]))
	}
	return t, err
}

func hexPart(what, s string, bits int) (uint64, error) {
	v, err := strconv.ParseUint(s, 16, bits)
	if err != nil {
		return 0, fmt.Errorf("token: %s %q is no hexadecimal number of %d bits", what, s, bits)
	}
	return v, nil
}

func parseDeviations(s string) ([]Deviation, error) {
	if s == "" {
		return nil, nil
	}
	if packed, ok := strings.CutPrefix(s, packedMark); ok {
		b, err := base64.RawURLEncoding.Strict().DecodeString(packed)
		if err != nil || strings.ContainsAny(packed, "\r\n") { // which the decoder skips

			return nil, errors.New("token: the packed deviations are no base64url: was it copied whole?")
		}
		ds, err := unpack(b)
		if err != nil {
			return nil, fmt.Errorf("token: %w", err)
		}
		return ds, nil
	}
	var ds []Deviation
	last := -1
	for part := range strings.SplitSeq(s, ",") {
		index, pick, ok := strings.Cut(part, ".")
		i, err1 := strconv.ParseUint(index, 16, 39)
		p, err2 := strconv.ParseUint(pick, 16, 16)
		if !ok || err1 != nil || err2 != nil || p < 1 {
			return nil, fmt.Errorf("token: deviation %q is no index.value", part)
		}
		if int(i) <= last {
			return nil, fmt.Errorf("token: deviation %q is out of order", part)
		}
		last = int(i)
		ds = append(ds, Deviation{int(i), int(p)})
	}
	return ds, nil
}

// hashName is FNV-1a over the full name of a test or scenario and the number of the machine in it, from 1.
func hashName(name string, machine int) uint32 {
	if machine > 1 {
		name += "#" + strconv.Itoa(machine)
	}
	h := uint32(2166136261)
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * 16777619
	}
	return h
}

// OfTest reports whether the token is one of a machine of the test with this full name.
func (t *Token) OfTest(name string) bool {
	for i := range maxMachines {
		if t.Scenario == hashName(name, i+1) {
			return true
		}
	}
	return false
}

// maxMachines is how many machines of one test a token is compared with.
const maxMachines = 64

// story is what a .sim file tells beyond its token: every choice of the run in words (ux.md 2), so that a
// repeat that goes another way can say where.
type story struct {
	name  string   // of the file, as it was given
	lines []string // by number of the choice
	picks []int
}
