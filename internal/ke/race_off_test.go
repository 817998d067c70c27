//go:build !race

package ke

const raceBuild = false
