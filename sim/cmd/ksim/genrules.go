//go:build ignore

package main

import (
	"fmt"
	"os"

	"calloutsim/sim/rulepage"
)

func main() {
	pages, err := rulepage.Generate("../../..")
	if err == nil {
		err = rulepage.Write("../../..", pages)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "genrules:", err)
		os.Exit(1)
	}
}
