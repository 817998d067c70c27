//go:build !unix

package main

import "os/exec"

// ownGroup leaves the command in the group of the console, which is told of an interrupt as a whole.
func ownGroup(*exec.Cmd) {}

func interruptGroup(*exec.Cmd) {}

func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
