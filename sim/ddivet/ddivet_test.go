package ddivet

import (
	"testing"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/analysistest"
)

// All analyzers in one, so that the drivers are loaded once; each finding begins with the analyzer's name.
func TestAnalyzers_FindWhatTheDriversSay(t *testing.T) {
	all := &analysis.Analyzer{Name: "all", Doc: "all of them", Run: func(pass *analysis.Pass) (any, error) {
		for _, a := range Analyzers() {
			one := *pass
			one.Analyzer = a
			one.Report = func(d analysis.Diagnostic) {
				d.Message = a.Name + ": " + d.Message
				pass.Report(d)
			}
			if _, err := a.Run(&one); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}}
	analysistest.Run(t, analysistest.TestData(), all, "./...")
}

func TestAnalyzers_AreValid(t *testing.T) {
	if err := analysis.Validate(Analyzers()); err != nil {
		t.Fatal(err)
	}
}
