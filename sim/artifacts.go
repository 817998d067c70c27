package sim

import (
	"flag"
	"io"
	"os"
	"path/filepath"
)

// artifacts leaves report.txt and trace.jsonl behind for a test that failed, if `go test -artifacts` asked
// for that.
func (m *Machine) artifacts() {
	t, ok := m.tb.(interface{ ArtifactDir() string })
	f := flag.Lookup("test.artifacts")
	if !ok || f == nil || f.Value.String() != "true" {
		return
	}
	dir := t.ArtifactDir()
	err := os.WriteFile(filepath.Join(dir, "report.txt"), []byte(m.Report()), 0o644)
	if err == nil {
		err = writeFile(filepath.Join(dir, "trace.jsonl"), m.WriteTrace)
	}
	if err != nil {
		m.tb.Logf("sim: no artifacts: %v", err)
		return
	}
	m.tb.Logf("sim: report.txt and trace.jsonl are in %s", dir)
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
