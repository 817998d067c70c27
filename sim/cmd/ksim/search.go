package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode"

	"calloutsim/internal/ddi"
	"calloutsim/internal/subsystems"
	"calloutsim/internal/verify"
	"calloutsim/sim/cmd/ksim/ddigen"
)

// entry is something that can be found by words.
type entry struct {
	Kind string `json:"kind"` // rule, routine, callback, constant, …
	Name string `json:"name"`
	Line string `json:"text"`
	more string

	weights map[string]float64 // of its words
}

// entries lists everything that has a text: rules, what is modelled of the driver interfaces, constants,
// structures and members.
func entries() []*entry {
	var all []*entry
	recs := map[verify.RuleID]verify.Record{}
	for _, r := range subsystems.Rules() {
		recs[r.ID] = r
	}
	for _, id := range verify.Rules() {
		row, rec := verify.Rule(id), recs[id]
		all = append(all, &entry{Kind: "rule", Name: strings.TrimSpace(row.Number + " " + rec.FullName()),
			Line: row.Claim, more: rec.Why + " " + row.Detect + " " + row.WindowsReport})
	}
	for _, list := range []string{ddisTSV, namesTSV} {
		for _, i := range ddigen.Parse(list) {
			first, _, _ := strings.Cut(strings.ReplaceAll(i.Doc, "\n", " "), ". ")
			all = append(all, &entry{Kind: i.Kind, Name: i.Name, Line: first, more: i.Doc})
		}
	}
	for _, e := range all {
		e.weigh()
	}
	return all
}

// weigh notes the words: those of the name count most, then those of the line.
func (e *entry) weigh() {
	e.weights = map[string]float64{}
	for weight, text := range []string{e.more, e.Line, e.Name} {
		for _, w := range words(text) {
			e.weights[w] = max(e.weights[w], float64(weight+1))
		}
	}
}

// small are words that say nothing.
var small = func() map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq("a an the is are of to in on and or it that my i with for by be why " +
		"what how when do does") {
		set[stem(w)] = true
	}
	return set
}()

// words takes a text apart: lower case, names in CamelCase and with underscores as a whole and in parts,
// without the endings of plurals and verbs.
func words(text string) (all []string) {
	add := func(w string) {
		if w = stem(strings.ToLower(w)); w != "" && !small[w] {
			all = append(all, w)
		}
	}
	for _, w := range strings.FieldsFunc(text, func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		add(w)
		for part := range strings.SplitSeq(w, "_") {
			if part != w {
				add(part)
			}
			begin := 0
			for i, r := range part {
				if i > begin && unicode.IsUpper(r) && !unicode.IsUpper(rune(part[i-1])) {
					add(part[begin:i])
					begin = i
				}
			}
			if begin > 0 {
				add(part[begin:])
			}
		}
	}
	return all
}

// stem takes the usual endings off.
func stem(w string) string {
	for _, end := range []string{"ing", "ied", "ies", "ed", "es", "s"} {
		if rest, ok := strings.CutSuffix(w, end); ok && len(rest) > 2 {
			return strings.TrimSuffix(rest, "e")
		}
	}
	return strings.TrimSuffix(w, "e")
}

// find ranks what there is by the words of a question: rare words count more, and what has all of them is
// before what has some.
func find(question string) []*entry {
	asked := slices.Compact(slices.Sorted(slices.Values(words(question))))
	all := entries()
	has := map[string]int{}
	for _, w := range asked {
		for _, e := range all {
			if e.weights[w] > 0 {
				has[w]++
			}
		}
	}
	score := func(e *entry) float64 {
		sum, found := 0.0, 0
		for _, w := range asked {
			if e.weights[w] > 0 {
				sum += e.weights[w] * math.Log(1+float64(len(all))/float64(has[w]))
				found++
			}
		}
		if e.Kind == "rule" {
			sum *= 1.5 // who asks in words has a problem
		}
		return sum * float64(found*found)
	}
	scores := map[*entry]float64{}
	var hits []*entry
	for _, e := range all {
		if s := score(e); s > 0 {
			scores[e] = s
			hits = append(hits, e)
		}
	}
	slices.SortStableFunc(hits, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(scores[b], scores[a]), cmp.Compare(a.Name, b.Name))
	})
	return hits
}

// maxHits is how many are shown.
const maxHits = 12

// printHits prints the best answers to a question in words.
func printHits(w io.Writer, question string, hits []*entry) {
	fmt.Fprintf(w, "%d texts have words of %q; the nearest:\n\n", len(hits), question)
	for _, e := range hits[:min(len(hits), maxHits)] {
		fmt.Fprintf(w, "%s (%s)\n    %s\n", e.Name, e.Kind, clip(e.Line, 96))
	}
	fmt.Fprintln(w, "\nksim explain NAME has more about each")
}

// everyName lists what can be asked for by name.
func everyName() (names []string) {
	for _, e := range entries() {
		for _, n := range strings.Fields(e.Name) {
			names = append(names, n)
			if _, bare, ok := strings.Cut(n, "/"); ok {
				names = append(names, bare)
			}
		}
	}
	for _, e := range ddi.All() {
		names = append(names, e.Name)
	}
	return names
}
