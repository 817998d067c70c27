//go:build rulepages

package wsk_test

import "calloutsim/sim/rulepage"

func init() { recorder = rulepage.Recorder("wsk") }
