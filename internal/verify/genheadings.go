//go:build ignore

// Genheadings writes headings.tsv: the numbered headings of docs/spec, which the sources of rules name.
package main

import (
	"flag"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// heading is "## 8. Making IRPs" or "### 20.7 Redirection"; some lines have two.
var heading = regexp.MustCompile(`(?:^| )##+ (\d+(?:\.(?:\d+|[A-Z]))?)\.? (.*?)(?: ###.*)?$`)

func main() {
	log.SetFlags(0)
	spec := flag.String("spec", "../../docs/spec", "folder of the texts")
	out := flag.String("o", "headings.tsv", "the table")
	flag.Parse()
	files, err := filepath.Glob(filepath.Join(*spec, "*.md"))
	if err != nil {
		log.Fatal(err)
	}
	var b strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			log.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if m := heading.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil {
				name := strings.TrimSuffix(filepath.Base(file), ".md")
				b.WriteString(name + " " + m[1] + "\t" + m[2] + "\n")
			}
		}
	}
	if err := os.WriteFile(*out, []byte(b.String()), 0o644); err != nil {
		log.Fatal(err)
	}
}
