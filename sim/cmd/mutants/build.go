package main

import (
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// switchText is the package that the changed files ask which change is in force. It is only in the overlay.
const switchText = `package mutantswitch

import (
	"os"
	"strconv"
	"sync"
)

var on, _ = strconv.Atoi(os.Getenv("MUTANT"))

var trace = os.Getenv("MUTANT_TRACE")

var (
	mu   sync.Mutex
	seen = map[int]bool{}
)

// On reports whether a change is in force.
func On(id int) bool {
	if trace != "" {
		reached(id)
	}
	return id == on
}

func reached(id int) {
	mu.Lock()
	defer mu.Unlock()
	if seen[id] {
		return
	}
	seen[id] = true
	f, err := os.OpenFile(trace, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	f.WriteString(strconv.Itoa(id) + "\n")
	f.Close()
}

// Sel gives a, or b if the change is in force.
func Sel[T any](id int, a, b T) T {
	if On(id) {
		return b
	}
	return a
}
`

// overlay writes the changed files and says where they are.
func (w *work) overlay(points []*point) (string, error) {
	root, err := os.Getwd()
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	put := func(rel, text string) error {
		at := filepath.Join(w.dir, "overlay", strings.ReplaceAll(rel, "/", "_"))
		replace[filepath.Join(root, rel)] = at
		return os.WriteFile(at, []byte(text), 0o644)
	}
	if err := os.MkdirAll(filepath.Join(w.dir, "overlay"), 0o755); err != nil {
		return "", err
	}
	if err := put("internal/mutantswitch/switch.go", switchText); err != nil {
		return "", err
	}
	byFile := map[string][]*point{}
	for _, p := range points {
		byFile[p.file] = append(byFile[p.file], p)
	}
	for file, list := range byFile {
		text, err := changed(file, list)
		if err != nil {
			return "", err
		}
		if err := put(file, text); err != nil {
			return "", err
		}
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	at := filepath.Join(w.dir, "overlay.json")
	return at, os.WriteFile(at, b, 0o644)
}

// changed is the text of a file with all its changes behind switches. Lines stay where they are.
func changed(file string, list []*point) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	sort.Slice(list, func(i, j int) bool { return list[i].start > list[j].start })
	text := string(b)
	for _, p := range list {
		text = text[:p.start] + p.with(p.id) + text[p.end:]
	}
	f, err := parser.ParseFile(token.NewFileSet(), file, b, parser.PackageClauseOnly)
	if err != nil {
		return "", err
	}
	end := int(f.Name.End()) - 1
	return text[:end] + `; import "calloutsim/internal/mutantswitch"` + text[end:], nil
}

var atLine = regexp.MustCompile(`(?m)^(?:\./)?([^\s:]+\.go):(\d+):\d+: (.*)$`)

// compile builds everything, and drops the points at which the changed text does not compile.
func (w *work) compile(points []*point) ([]*point, error) {
	for range 20 {
		overlay, err := w.overlay(points)
		if err != nil {
			return nil, err
		}
		out, err := exec.Command("go", "build", "-gcflags=-e", "-overlay", overlay, "./...").CombinedOutput()
		if err == nil {
			return points, nil
		}
		bad := map[string]bool{}
		for _, m := range atLine.FindAllStringSubmatch(string(out), -1) {
			bad[filepath.Base(m[1])+":"+m[2]] = true
		}
		var left []*point
		for _, p := range points {
			line := ":" + strconv.Itoa(p.line)
			if !bad[filepath.Base(p.file)+line] && !bad[strings.ReplaceAll(p.file, "/", "_")+line] {
				left = append(left, p)
			}
		}
		if len(left) == len(points) {
			return nil, fmt.Errorf("the changed files do not compile:\n%s", out)
		}
		fmt.Printf("%d places do not compile with their change and are left out\n", len(points)-len(left))
		points = left
	}
	return nil, fmt.Errorf("the changed files still do not compile")
}
