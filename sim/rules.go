package sim

import (
	"calloutsim/internal/subsystems"
	"calloutsim/internal/verify"
)

// Records lists the records of all rules that are implemented, package by package.
func Records() []verify.Record {
	var all []verify.Record
	for _, s := range subsystems.All() {
		all = append(all, s.Rules...)
	}
	return all
}

// record gives the record of a rule; the zero Record when no package has claimed it.
func record(id verify.RuleID) verify.Record {
	for _, s := range subsystems.All() {
		for i := range s.Rules {
			if s.Rules[i].ID == id {
				return s.Rules[i]
			}
		}
	}
	return verify.Record{}
}
