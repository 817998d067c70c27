//go:build ignore

package main

import (
	"fmt"
	"os"

	"calloutsim/sim/cmd/ksim/ddigen"
)

func main() {
	table, err := ddigen.Generate("../../..")
	if err == nil {
		err = os.WriteFile("ddis.tsv", table, 0o644)
	}
	if err == nil {
		table, err = ddigen.Names("../../..")
	}
	if err == nil {
		err = os.WriteFile("names.tsv", table, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}
