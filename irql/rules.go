package irql

import "calloutsim/internal/verify"

// rules are the records of the rules that this package and internal/ke detect.
var rules = verify.Records("irql", irqlRules, lockRules, objectRules)
