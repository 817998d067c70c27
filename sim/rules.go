package sim

import "calloutsim/internal/verify"

// Records lists the records of all rules that are implemented, package by package.
func Records() []verify.Record {
	var all []verify.Record
	for _, rules := range recordLists() {
		all = append(all, rules...)
	}
	return all
}

// record gives the record of a rule; the zero Record when no package has claimed it.
func record(id verify.RuleID) verify.Record {
	for _, rules := range recordLists() {
		for i := range rules {
			if rules[i].ID == id {
				return rules[i]
			}
		}
	}
	return verify.Record{}
}
