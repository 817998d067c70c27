//go:build rulepages

package fwps_test

import "calloutsim/sim/rulepage"

func init() { recorder = rulepage.Recorder("fwps") }
