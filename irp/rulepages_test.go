//go:build rulepages

package irp_test

import "calloutsim/sim/rulepage"

func init() { recorder = rulepage.Recorder("irp") }
