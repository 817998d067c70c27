package sim

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// artifacts leaves report.txt and trace.jsonl of a run behind for a test that failed, if `go test -artifacts`
// asked for that. nth is the number of the failure, where a test has several.
func (m *Machine) artifacts(test TB, report string, nth int) {
	t, ok := test.(interface{ ArtifactDir() string })
	f := flag.Lookup("test.artifacts")
	if !ok || f == nil || f.Value.String() != "true" {
		return
	}
	reportFile, traceFile := "report.txt", "trace.jsonl"
	if nth > 1 {
		reportFile, traceFile = fmt.Sprintf("report-%d.txt", nth), fmt.Sprintf("trace-%d.jsonl", nth)
	}
	dir := t.ArtifactDir()
	err := os.WriteFile(filepath.Join(dir, reportFile), []byte(report), 0o644)
	if err == nil {
		err = writeFile(filepath.Join(dir, traceFile), m.WriteTrace)
	}
	if err != nil {
		test.Logf("sim: no artifacts: %v", err)
		return
	}
	test.Logf("sim: %s and %s are in %s", reportFile, traceFile, dir)
}

func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
