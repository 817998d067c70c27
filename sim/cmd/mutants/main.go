// Command mutants asks whether the tests notice small changes of the code. It takes random places (operators,
// boundaries, negations), builds all changed versions into one set of test binaries, in which a variable of
// the environment says which change is in force, and runs for each change the tests that come past its
// place, until one fails. What no test notices is printed: it wants a test, or a reason why it changes
// nothing.
//
//	go run ./sim/cmd/mutants -n 400 -seed 1 -out DIR
//
// DIR keeps the binaries, what was found out about the tests, and the results: a run that was broken off goes
// on where it was. It takes hours, so it is no part of the tests. docs/contributing.md says how to read it.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
)

func main() {
	n := flag.Int("n", 400, "how many changes")
	seed := flag.Uint64("seed", 1, "seed of their choice")
	out := flag.String("out", "", "directory for binaries and results")
	change := flag.String("change", "irp,irql,wsk,fwps,ntstatus,sim,internal/ke,internal/pool,"+
		"internal/explore,internal/tcp,internal/tcpip,internal/packet,internal/wfp,internal/trace,"+
		"internal/verify", "packages that are changed")
	last := flag.String("last", "sim,internal/explore",
		"packages whose tests are slow and come last")
	skip := flag.String("skip", "internal/lint,sim/rulepage,sim/cmd/ksim,sim/cmd/mutants",
		"packages whose tests read the text, or build programs of their own, and see no change")
	flag.Parse()
	if *out == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "mutants: -out DIR is needed, and no arguments")
		os.Exit(2)
	}
	w := &work{dir: *out, last: strings.Split(*last, ","), skip: strings.Split(*skip, ",")}
	if err := w.run(*n, *seed, strings.Split(*change, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}
