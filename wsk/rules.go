package wsk

import "calloutsim/internal/verify"

// rules are the records of the rules this package guards.
var rules = verify.Records("wsk", registrationRules, clientRules, irpRecords, irqlRules, stateRules,
	bufferRules, eventRules, acceptRules, controlRules, redirectRules, closeRules, nameRules)
