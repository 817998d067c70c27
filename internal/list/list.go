// Package list moves elements of slices one by one. The run-time routine behind copy and append tells Go's
// race detector of every element that holds pointers, even where the package it is called from is compiled
// without the detector; under `ksim race` it would report lists of the simulator, which no lock orders. So
// packages of the simulator move such elements with this package.
package list

// Cut takes element i out of s.
//
//go:norace
func Cut[T any](s []T, i int) []T {
	for i++; i < len(s); i++ {
		s[i-1] = s[i]
	}
	return s[:len(s)-1]
}

// Copy is copy for two slices that may overlap when dst begins before src.
//
//go:norace
func Copy[T any](dst, src []T) int {
	n := min(len(dst), len(src))
	for i := range n {
		dst[i] = src[i]
	}
	return n
}

// Add is append for all elements of more.
//
//go:norace
func Add[T any](s []T, more []T) []T {
	//lint:ignore S1011 append is what this function is there to avoid
	for _, x := range more {
		s = append(s, x)
	}
	return s
}

// Empty gives the room of s without what was in it.
//
//go:norace
func Empty[T any](s []T) []T {
	clear(s[:cap(s)])
	return s[:0]
}

// Has reports whether v is in s.
//
//go:norace
func Has[T comparable](s []T, v T) bool {
	for _, x := range s {
		if x == v {
			return true
		}
	}
	return false
}
