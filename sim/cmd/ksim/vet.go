package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/tools/go/analysis/unitchecker"

	"calloutsim/sim/ddivet"
)

// isVetTool reports whether the go command calls ksim as the tool of go vet: for its version, its flags, or
// with the description of a package.
func isVetTool(args []string) bool {
	if len(args) == 0 {
		return false
	}
	last := args[len(args)-1]
	return last == "-V=full" || last == "-flags" || strings.HasSuffix(last, ".cfg")
}

// vetTool is the tool of go vet. It does not return.
func vetTool() { unitchecker.Main(ddivet.Analyzers()...) }

// vetFlags are those of ksim vet.
type vetFlags struct {
	tags   string
	github bool
}

func newVet() *cobra.Command {
	f := &vetFlags{}
	c := &cobra.Command{
		Use:   "vet [PACKAGES] [-- FLAGS]",
		Short: "Look at drivers without running them",
		Long: "vet looks for what makes runs of a driver impossible to repeat, and for mistakes that a\n" +
			"look at one function shows. What follows -- goes to go vet. The same analyzers run as\n" +
			"  go vet -vettool=$(which ksim) ./...\n\n" + analyzerList() +
			"\nA comment //ddivet:ignore NAME: WHY, behind the line or above it, keeps a finding back.",
		Example: "  ksim vet ./...\n" +
			"  ksim vet ./mydriver -- -irqlmax=false",
		RunE: func(c *cobra.Command, args []string) error {
			packages, flags := args, []string(nil)
			if n := c.ArgsLenAtDash(); n >= 0 {
				packages, flags = args[:n], args[n:]
			}
			return f.run(c.OutOrStdout(), packages, flags)
		},
	}
	c.Flags().StringVar(&f.tags, "tags", "", "build tags, separated by commas")
	c.Flags().BoolVar(&f.github, "github", false, "print annotations for GitHub as well")
	return c
}

// analyzerList is what the analyzers find, a line each.
func analyzerList() string {
	var b strings.Builder
	for _, a := range ddivet.Analyzers() {
		title, _, _ := strings.Cut(a.Doc, "\n")
		fmt.Fprintf(&b, "  %-15s %s\n", a.Name, title)
	}
	return b.String()
}

// vetFinding is one thing an analyzer has found.
type vetFinding struct {
	file      string
	line, col int
	text      string
	analyzer  string
}

func (f *vetFlags) run(stdout io.Writer, packages, flags []string) error {
	if len(packages) == 0 {
		packages = []string{"."}
	}
	self, err := os.Executable()
	if err != nil {
		return usagef("vet: %v", err)
	}
	args := append([]string{"vet", "-json", "-vettool=" + self, "-tags=" + f.tags}, flags...)
	cmd := exec.Command("go", append(args, packages...)...)
	var out, diagnostics bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	sig, err := runGo(cmd)
	var status *exec.ExitError
	switch {
	case sig != nil:
		return interrupted("vet", sig)
	case errors.As(err, &status):
		return usagef("vet: %s", strings.TrimSpace(diagnostics.String()))
	case err != nil:
		return usagef("vet: the go command is needed: %v", err)
	}
	found, looked, err := vetFindings(&out)
	if err != nil {
		return &exit{exitFault, fmt.Sprintf("vet: what go vet printed cannot be read: %v", err)}
	}
	if looked == 0 {
		return usagef("vet: %s: there is no package", strings.Join(packages, " "))
	}
	for _, v := range found {
		fmt.Fprintf(stdout, "%s:%d:%d: %s: %s\n", v.file, v.line, v.col, v.analyzer, v.text)
	}
	if f.github {
		for _, v := range found {
			fmt.Fprintf(stdout, "::error file=%s,line=%d,title=%s::%s\n", escapeProperty.Replace(v.file),
				v.line, escapeProperty.Replace(v.analyzer), escapeText.Replace(v.text))
		}
	}
	if len(found) > 0 {
		fmt.Fprintf(stdout, "%s in %s\n", count(len(found), "finding"), count(looked, "package"))
		return &exit{code: exitFindings}
	}
	fmt.Fprintf(stdout, "no findings in %s\n", count(looked, "package"))
	return nil
}

// vetFindings reads the JSON of go vet: an object for each package, of analyzers, of findings.
func vetFindings(r io.Reader) (found []vetFinding, looked int, err error) {
	wd, err := os.Getwd()
	if err != nil {
		return nil, 0, err
	}
	for d := json.NewDecoder(r); ; {
		var packages map[string]map[string][]struct{ Posn, Message string }
		if err := d.Decode(&packages); err == io.EOF {
			break
		} else if err != nil {
			return nil, 0, err
		}
		looked++
		for _, analyzers := range packages {
			for name, all := range analyzers {
				for _, one := range all {
					v := vetFinding{text: one.Message, analyzer: name}
					v.place(one.Posn, wd)
					found = append(found, v)
				}
			}
		}
	}
	slices.SortFunc(found, func(a, b vetFinding) int {
		return cmp.Or(strings.Compare(a.file, b.file), a.line-b.line, a.col-b.col,
			strings.Compare(a.analyzer, b.analyzer), strings.Compare(a.text, b.text))
	})
	return slices.Compact(found), looked, nil
}

// place takes file:line:column apart.
func (v *vetFinding) place(posn, wd string) {
	v.file = posn
	for _, n := range []*int{&v.col, &v.line} {
		i := strings.LastIndexByte(v.file, ':')
		if i < 0 {
			return
		}
		*n, _ = strconv.Atoi(v.file[i+1:]) // 0 where there is none
		v.file = v.file[:i]
	}
	if rel, err := filepath.Rel(wd, v.file); err == nil && !strings.HasPrefix(rel, "..") {
		v.file = rel
	}
}
