package irp

import "calloutsim/internal/verify"

// rules are the records of the rules that this package and internal/pool detect.
var rules = verify.Records("irp", completionRules, cancelRules, memoryRules, climbRules, poolRules, mdlRules,
	objectRules, unloadRules)
