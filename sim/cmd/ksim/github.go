package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// maxAnnotations is how many annotations a step of a workflow may make; users report that more are dropped.
const maxAnnotations = 10

// escape is how workflow commands want their text; properties want two characters more.
var (
	escapeText     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	escapeProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// annotation is one workflow command and its row of the job's summary.
type annotation struct{ command, row string }

// annotate words what a test has to say.
func (v *verdict) annotate(src *sources) []annotation {
	var all []annotation
	add := func(file string, line int, title, text, replay string) {
		props := ""
		if path := src.path(v.pkg, file); path != "" {
			props = fmt.Sprintf("file=%s,line=%d,", escapeProperty.Replace(path), line)
		}
		message := text
		if replay != "" {
			message += "\n" + replay
		}
		props += "title=" + escapeProperty.Replace(title)
		cell := strings.NewReplacer("|", "\\|", "\n", " ").Replace
		all = append(all, annotation{"::error " + props + "::" + escapeText.Replace(message),
			fmt.Sprintf("| %s | %s | %s | `%s` |", cell(v.test), cell(title), cell(text), cell(replay))})
	}
	for _, f := range v.failing() {
		add(f.File, f.Line, f.Title(), where(&f)+headline(&f), f.Replay)
	}
	if v.failed && len(all) == 0 {
		f := v.said()
		title := v.test + " failed"
		switch {
		case v.build:
			title = v.pkg + " does not build"
		case len(f.Rules) > 0:
			title = f.Title()
		}
		add(f.File, f.Line, title, where(&f)+headline(&f), "")
	}
	return all
}

// github prints annotations for a workflow; what is too much goes to the summary of the job, with
// everything else.
func github(w io.Writer, verdicts []*verdict, src *sources) error {
	var all []annotation
	for _, v := range verdicts {
		all = append(all, v.annotate(src)...)
	}
	for i, a := range all {
		if i < maxAnnotations {
			fmt.Fprintln(w, a.command)
		}
	}
	name := os.Getenv("GITHUB_STEP_SUMMARY")
	if n := len(all) - maxAnnotations; n > 0 {
		fmt.Fprintf(w, "%s not annotated; all are in the summary of the job\n", count(n, "finding"))
	}
	if len(all) == 0 || name == "" {
		return nil
	}
	var b strings.Builder
	b.WriteString("| test | rule | what | replay |\n|---|---|---|---|\n")
	for _, a := range all {
		b.WriteString(a.row + "\n")
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(b.String()); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
