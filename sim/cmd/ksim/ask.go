package main

import (
	"cmp"
	_ "embed" // for the list
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
	"calloutsim/sim/cmd/ksim/ddigen"
)

//go:embed names.tsv
var namesTSV string

// answer is one thing that a name or number stands for.
type answer struct {
	Kind string   `json:"kind"` // "status", "bug check", "control code", "constant", …
	Name string   `json:"name"`
	Text []string `json:"text"` // lines below the name
}

func (a *answer) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %s\n", a.Name, a.Kind)
	for _, l := range a.Text {
		fmt.Fprintf(w, "  %s\n", strings.ReplaceAll(l, "\n", "\n  "))
	}
}

// ask gives everything that a word stands for which is neither a rule nor a driver interface.
func ask(word string) (all []answer) {
	if n, sub, ok := numberOf(word); ok {
		all = append(all, statusAnswer(n)...)
		all = append(all, bugCheckAnswer(n, sub)...)
		all = append(all, controlCode(n)...)
	}
	for code := range uint32(0x1000) { // bug checks by name
		if name := verify.BugCheckName(code); name != "" && strings.EqualFold(name, word) {
			all = append(all, bugCheckAnswer(code, 0)...)
		}
	}
	for _, i := range ddigen.Parse(namesTSV) {
		_, member, _ := strings.Cut(i.Name, ".")
		if !strings.EqualFold(i.Name, word) && (member == "" || !strings.EqualFold(member, word)) {
			continue
		}
		if n, _, ok := numberOf(i.Decl); ok && i.Package == "ntstatus" {
			all = append(all, statusAnswer(n)...)
			continue
		}
		a := answer{Kind: i.Kind + " of package " + i.Package, Name: i.Name}
		if i.Decl != "" {
			a.Text = append(a.Text, i.Decl)
		}
		if i.Doc != "" {
			a.Text = append(a.Text, i.Doc)
		}
		all = append(all, a)
	}
	return all
}

// numberOf reads a number as people write codes: 0xC9, C9h, 201, -1073741823, and with a sub-code 0xC9/0x229.
func numberOf(s string) (n, sub uint32, ok bool) {
	first, second, both := strings.Cut(strings.ReplaceAll(s, ":", "/"), "/")
	one := func(s string) (uint32, bool) {
		s = strings.ToLower(strings.TrimSpace(s))
		if h, isHex := strings.CutSuffix(s, "h"); isHex {
			s = "0x" + h
		}
		if v, err := strconv.ParseInt(s, 0, 64); err == nil && v >= -1<<31 && v < 1<<32 {
			return uint32(v), true
		}
		v, err := strconv.ParseUint(s, 16, 32) // C0000001, C9
		return uint32(v), err == nil && len(s) > 1
	}
	n, ok = one(first)
	if both && ok {
		sub, ok = one(second)
	}
	return n, sub, ok
}

// statusAnswer tells of a status that has a name.
func statusAnswer(n uint32) []answer {
	s := ntstatus.NTSTATUS(n)
	if !strings.HasPrefix(s.String(), "STATUS_") || n == 0 {
		if n != 0 || s.String() != "STATUS_SUCCESS" {
			return nil
		}
	}
	a := answer{Kind: "status", Name: s.String()}
	word := [...]string{"success", "informational", "warning", "error"}[n>>30]
	a.Text = append(a.Text, fmt.Sprintf("0x%08X, %s; NT_SUCCESS is %v", n, word, ntstatus.NT_SUCCESS(s)))
	if w := ntstatus.RtlNtStatusToDosError(s); !ntstatus.NT_SUCCESS(s) {
		a.Text = append(a.Text, strings.TrimSpace(fmt.Sprintf("a program sees Win32 error %d %s", w,
			ntstatus.Win32ErrorName(w))))
	}
	for _, i := range ddigen.Parse(namesTSV) {
		if i.Name == a.Name && i.Doc != "" {
			a.Text = append(a.Text, i.Doc)
		}
	}
	return append([]answer{}, withMentions(a))
}

// withMentions adds the rules and routines whose texts name the thing.
func withMentions(a answer) answer {
	var rules, routines []string
	for _, r := range ruleRows(a.Name) {
		rules = append(rules, r.Number)
	}
	for _, i := range ddigen.Parse(ddisTSV) {
		if strings.Contains(i.Doc, a.Name) {
			routines = append(routines, i.Name)
		}
	}
	for _, list := range []struct {
		what  string
		names []string
	}{{"rules", rules}, {"routines", routines}} {
		if n := len(list.names); n > 0 {
			a.Text = append(a.Text, fmt.Sprintf("%s that name it: %s", list.what,
				strings.Join(list.names[:min(n, 12)], ", ")))
		}
	}
	return a
}

// anySubCode is a sub-code that each of Driver Verifier's bug checks has, as an example of how to ask.
var anySubCode = map[uint32]uint32{0xC4: 0x62, 0xC9: 0x229}

// subCodeOf finds a sub-code of one of Driver Verifier's bug checks.
func subCodeOf(code, sub uint32) (verify.SubCode, bool) {
	switch code {
	case 0xC4:
		return verify.VerifierC4(sub)
	case 0xC9:
		return verify.IoVerifierC9(sub)
	}
	return verify.SubCode{}, false
}

// elsewhere says of a sub-code that a bug check does not have where there is one of that number.
func elsewhere(code, sub uint32) string {
	other := 0xC4 ^ 0xC9 ^ code
	if _, ok := subCodeOf(other, sub); ok && anySubCode[code] != 0 {
		return fmt.Sprintf("; did you mean 0x%X/0x%X?", other, sub)
	}
	return ""
}

// bugCheckAnswer tells of a bug check, and of a sub-code of one of Driver Verifier's.
func bugCheckAnswer(code, sub uint32) []answer {
	if sub != 0 {
		row, ok := subCodeOf(code, sub)
		if !ok {
			return nil
		}
		name := fmt.Sprintf("0x%X/0x%X %s", code, sub, verify.BugCheckName(code))
		a := answer{Kind: "bug check", Name: name}
		a.Text = append(a.Text, row.Meaning)
		a.Text = append(a.Text, parameters(1, row.Params[:])...)
		if row.Rules != "" {
			a.Text = append(a.Text, "rules: "+row.Rules)
		}
		return []answer{a}
	}
	row, ok := verify.BugCheck(code)
	if !ok || code == 0 {
		return nil
	}
	a := answer{Kind: "bug check", Name: fmt.Sprintf("0x%X %s", code, row.Name)}
	for _, v := range verify.BugCheckVariants(code) {
		text := strings.TrimSpace(v.Variant + " " + v.When)
		if text != "" {
			a.Text = append(a.Text, text)
		}
		a.Text = append(a.Text, parameters(0, v.Params[:])...)
	}
	if sub := anySubCode[code]; sub != 0 {
		a.Text = append(a.Text, fmt.Sprintf("the first parameter says what is wrong: ksim explain 0x%X/0x%X",
			code, sub))
	}
	var rules []string
	for _, id := range verify.Rules() {
		r := verify.Rule(id)
		if slices.ContainsFunc(r.BugChecks, func(s string) bool { return codeIn(s) == code }) ||
			code == 0xC4 && len(r.C4) > 0 || code == 0xC9 && len(r.C9) > 0 {
			rules = append(rules, r.Number)
		}
	}
	if len(rules) > 0 {
		a.Text = append(a.Text, "rules that end in it: "+strings.Join(rules, ", "))
	}
	return []answer{a}
}

// codeIn is the code that a bug check of a rule begins with: "0x44", "C9/0x229".
func codeIn(s string) uint32 {
	n, _, _ := numberOf(strings.Fields(s + " ")[0])
	return n
}

// parameters lists the meanings that are known.
func parameters(from int, params []string) (lines []string) {
	for i, p := range params {
		if p != "" && !strings.Contains(p, ".tsv") { // which refers to a table of ours
			lines = append(lines, fmt.Sprintf("parameter %d: %s", i+1+from, p))
		}
	}
	return lines
}

// controlCode takes an I/O control code apart.
func controlCode(n uint32) []answer {
	device, function := n>>16, n>>2&0xfff
	if device == 0 || n>>28 >= 0xC && strings.HasPrefix(ntstatus.NTSTATUS(n).String(), "STATUS_") {
		return nil
	}
	method := [...]string{"METHOD_BUFFERED", "METHOD_IN_DIRECT", "METHOD_OUT_DIRECT", "METHOD_NEITHER"}[n&3]
	access := [...]string{"FILE_ANY_ACCESS", "FILE_READ_ACCESS", "FILE_WRITE_ACCESS",
		"FILE_READ_ACCESS|FILE_WRITE_ACCESS"}[n>>14&3]
	return []answer{{Kind: "control code", Name: fmt.Sprintf("0x%08X", n), Text: []string{
		fmt.Sprintf("CTL_CODE(0x%X, 0x%X, %s, %s)", device, function, method, access)}}}
}

// near lists names that a word may have been meant for, the likeliest first.
func near(word string, names []string) []string {
	type candidate struct {
		name string
		far  int
	}
	var all []candidate
	low := strings.ToLower(word)
	for _, n := range names {
		far := distance(low, strings.ToLower(n))
		if far <= max(1, min(len(word), len(n))/4) {
			all = append(all, candidate{n, far})
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.far, b.far), cmp.Compare(len(a.name), len(b.name)),
			cmp.Compare(a.name, b.name))
	})
	var out []string
	for _, c := range all {
		if !slices.Contains(out, c.name) && len(out) < 3 {
			out = append(out, c.name)
		}
	}
	return out
}

// distance is how many letters have to change, go or come.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost = 1 + min(before, row[j], row[j+1])
			}
			before, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// didYouMean words near misses: ", did you mean A or B?", or nothing.
func didYouMean(word string, names []string) string {
	found := near(word, names)
	if len(found) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(found, " or ") + "?"
}
