//go:build rulepages

package irql_test

import (
	"calloutsim/irql"
	"calloutsim/sim/rulepage"
)

func init() { irql.Recorder = rulepage.Recorder("irql") }
