package subsystems

import (
	"calloutsim/internal/list"
	"calloutsim/internal/verify"
)

// Rules gives the records of all rules that are implemented, package by package.
func Rules() []verify.Record {
	var records []verify.Record
	for _, s := range all {
		records = list.Add(records, s.Rules)
	}
	return records
}

// Rule gives the record of a rule; the zero Record when no package has claimed it.
func Rule(id verify.RuleID) verify.Record {
	for _, s := range all {
		for i := range s.Rules {
			if s.Rules[i].ID == id {
				return s.Rules[i]
			}
		}
	}
	return verify.Record{}
}
