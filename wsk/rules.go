package wsk

import "calloutsim/internal/verify"

// rules are the records of the rules this package guards.
var rules = verify.Records("wsk", registrationRules, socketRules, irpRecords, eventRules, inspectRules,
	codeRules, assumedRules)
