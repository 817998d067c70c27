package fwps

import "calloutsim/internal/verify"

// rules are the records of the rules this package and fwpm guard.
var rules = verify.Records("fwps", irqlRules, registrationRules, objectRules, answerRules, handleRules,
	layerDataRules, redirectRules, operationRules, flowRules, streamRules, packetRules, optionRules)
