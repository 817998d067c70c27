package verify

import (
	_ "embed" // for the tables
	"strings"
)

var (
	//go:embed bugchecks.tsv
	bugChecksTSV string
	//go:embed bugcheck_names.tsv
	bugCheckNamesTSV string
	//go:embed verifier_c4.tsv
	verifierC4TSV string
	//go:embed iov_c9.tsv
	iovC9TSV string
)

// BugCheckRow is one bug check, or one variant of it.
type BugCheckRow struct {
	Code    uint32
	Name    string
	Variant string    // "P1=0x2": the parameter that selects this meaning; "" for the plain row
	Params  [4]string // what each parameter means; "" when only the name is known
	When    string
	Rules   string // rules of ours that end in it on Windows, as the table words it
	Source  string
}

// SubCode is one value of the first parameter of 0xC4 or 0xC9.
type SubCode struct {
	BugCheck uint32
	Code     uint32
	Meaning  string
	Params   [3]string // what parameters 2 to 4 mean
	Option   string    // verifier option that makes the check
	Severity string    // 0xC9 only: fatal, non-fatal, warning or unknown
	Rules    string
	Source   string
}

// BugCheckName gives the symbolic name, MULTIPLE_IRP_COMPLETE_REQUESTS for 0x44; "" for unknown codes.
func BugCheckName(code uint32) string {
	for f := range rows(bugCheckNamesTSV, code) {
		return f[1]
	}
	return ""
}

// BugCheck gives the plain row of a code. A code that has variants only gives the first of them, one of
// which just the name is known gives a row with empty meanings.
func BugCheck(code uint32) (BugCheckRow, bool) {
	all := BugCheckVariants(code)
	for _, r := range all {
		if r.Variant == "" {
			return r, true
		}
	}
	if len(all) > 0 {
		return all[0], true
	}
	for f := range rows(bugCheckNamesTSV, code) {
		return BugCheckRow{Code: code, Name: f[1], Source: f[2]}, true
	}
	return BugCheckRow{}, false
}

// BugCheckVariants gives every row of a code that has meanings, in the order of the table.
func BugCheckVariants(code uint32) []BugCheckRow {
	var all []BugCheckRow
	for f := range rows(bugChecksTSV, code) {
		all = append(all, BugCheckRow{Code: code, Name: f[1], Variant: f[2], Params: [4]string(f[3:7]),
			When: f[7], Rules: f[8], Source: f[10]})
	}
	return all
}

// VerifierC4 gives one sub-code of bug check 0xC4.
func VerifierC4(sub uint32) (SubCode, bool) {
	for f := range rows(verifierC4TSV, sub) {
		return SubCode{BugCheck: 0xC4, Code: sub, Meaning: f[1], Params: [3]string(f[2:5]), Option: f[5],
			Rules: f[6], Source: f[7]}, true
	}
	return SubCode{}, false
}

// IoVerifierC9 gives one sub-code of bug check 0xC9. Its option is that of the group: enhanced checks
// belong to the same verifier option and differ in that they can be turned off.
func IoVerifierC9(sub uint32) (SubCode, bool) {
	for f := range rows(iovC9TSV, sub) {
		return SubCode{BugCheck: 0xC9, Code: sub, Meaning: f[3], Params: [3]string(f[4:7]),
			Option: "I/O verification, " + f[1], Severity: f[2], Rules: f[7], Source: f[8]}, true
	}
	return SubCode{}, false
}

// rows yields the fields of every line whose first field is the number key.
func rows(table string, key uint32) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		_, body, _ := strings.Cut(table, "\n")
		for line := range strings.Lines(body) {
			first, _, _ := strings.Cut(line, "\t")
			if code(first) != key {
				continue
			}
			if !yield(strings.Split(strings.TrimSuffix(line, "\n"), "\t")) {
				return
			}
		}
	}
}
