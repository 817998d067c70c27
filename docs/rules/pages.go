// Package rules holds the pages of the rules: Markdown, made by go generate ./sim/cmd/ksim.
package rules

import "embed"

// Pages are the files of this folder: README.md, and one for each rule that is checked, "IRP-001.md".
//
//go:embed *.md
var Pages embed.FS
