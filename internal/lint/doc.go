// Package lint holds tests about the code of this module: who may import whom, what must not be written below
// sim, what a routine's signature and comment look like, which tests a rule has, and how large things get.
//
// Each concern is one file. A check is a function from a tree of sources to a list of problems; the test of
// the same name runs it on this module, and a second test shows on a small bad tree that it can fail. Where
// something is excused, the excuse stands in an allow-list with its reason, and an excuse that nothing needs
// any more is a problem itself.
//
// Not checked here, because .ci/run does: go vet, staticcheck, the race detector, the recorded vectors.
package lint
