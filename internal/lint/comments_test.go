package lint

import (
	"go/ast"
	"regexp"
	"strings"
	"testing"

	"calloutsim/internal/ddi"
)

// template are the parts of a DDI's comment that are always there; Ownership, Rules and "Not modelled" are
// there when there is something to say (style.md 5).
var template = []string{"IRQL:", "Reference:"}

// inLine is a part of the template that does not begin a line.
var inLine = regexp.MustCompile(`(?m)^.*\S +(IRQL|Ownership|Rules|Not modelled|Reference):`)

// seeOther is how the comment of a function type names the function that has the comment.
var seeOther = regexp.MustCompile(`\bSee (?:\w+\.)?(\w+)\.`)

// checkComments finds DDIs whose comment lacks a part of the template.
func checkComments(tr *tree) []problem {
	docs := functionDocs(tr)
	var problems []problem
	for s := range tr.golang(ddiFiles) {
		for _, e := range exportedNames(s) {
			if _, known := ddi.ByName(e.name); !known {
				continue
			}
			doc := e.doc
			if m := seeOther.FindStringSubmatch(doc); m != nil && e.decl == nil {
				other, ok := docs[s.dir()+"."+m[1]]
				if !ok {
					problems = append(problems, tr.at(e.pos, "%s refers to %s, which does not exist", e.name,
						m[1]))
					continue
				}
				doc = other
			}
			if missing := missingParts(doc); missing != "" {
				problems = append(problems, tr.at(e.pos, "%s.%s has no %s", s.dir(), e.name, missing))
			}
			if m := inLine.FindStringSubmatch(doc); m != nil {
				problems = append(problems, tr.at(e.pos, "%s.%s: %s does not begin a line", s.dir(), e.name,
					m[1]))
			}
		}
	}
	return problems
}

// missingParts names the parts of the template that a comment lacks.
func missingParts(doc string) string {
	if doc == "" {
		return "comment"
	}
	var missing []string
	for _, part := range template {
		if !strings.Contains(doc, part) {
			missing = append(missing, part)
		}
	}
	return strings.Join(missing, " and no ")
}

// functionDocs gives the comments of all functions and methods of the DDI packages by package and name.
func functionDocs(tr *tree) map[string]string {
	docs := map[string]string{}
	for s := range tr.golang(ddiFiles) {
		for _, decl := range s.AST.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok {
				docs[s.dir()+"."+f.Name.Name] = f.Doc.Text()
			}
		}
	}
	return docs
}

// wellKnown are methods whose meaning the standard library fixes.
var wellKnown = map[string]bool{"Error": true, "String": true, "Unwrap": true, "Is": true,
	"MarshalText":   true,
	"UnmarshalText": true, "MarshalJSON": true, "UnmarshalJSON": true}

// checkDocumented finds exported names of packages, and packages, without any comment.
func checkDocumented(tr *tree) []problem {
	var problems []problem
	described, packages := map[string]bool{}, map[string]bool{}
	for s := range tr.golang(inPackage) {
		packages[s.dir()] = true
		if s.AST.Doc.Text() != "" {
			described[s.dir()] = true
		}
		for _, decl := range s.AST.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Doc.Text() != "" || s.AST.Name.Name == "main" {
				continue
			}
			if f.Name.IsExported() && exportedReceiver(f) && !(f.Recv != nil && wellKnown[f.Name.Name]) {
				problems = append(problems, tr.at(f.Pos(), "%s has no comment", f.Name.Name))
			}
		}
	}
	for dir := range packages {
		if !described[dir] {
			problems = append(problems, problem{dir, "the package has no comment"})
		}
	}
	return problems
}

// exportedReceiver reports whether a function is no method, or one of an exported type.
func exportedReceiver(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return true
	}
	t := f.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}

// mention is a rule's number in a text.
var mention = regexp.MustCompile(`\b([A-Z]+)-\d{3}\b`)

// checkMentions finds numbers that look like rules of a known family and are none.
func checkMentions(tr *tree, numbers []string) []problem {
	known, families := map[string]bool{}, map[string]bool{}
	for _, n := range numbers {
		known[n] = true
		family, _, _ := strings.Cut(n, "-")
		families[family] = true
	}
	var problems []problem
	for s := range tr.golang(func(s *source) bool { return inPackage(s) && !s.generated() }) {
		for _, group := range s.AST.Comments {
			for _, line := range group.List {
				for _, m := range mention.FindAllStringSubmatch(line.Text, -1) {
					if families[m[1]] && !known[m[0]] {
						problems = append(problems, tr.at(line.Pos(), "%s", m[0]))
					}
				}
			}
		}
	}
	return problems
}

func TestMentionedRulesExist(t *testing.T) {
	expectNone(t, "A comment that names a rule names one of the catalogue (ksim rules); numbers are not "+
		"reused.",
		checkMentions(thisModule(t), thisCatalogue(t).Numbers))
}

func TestMentions_BadExample(t *testing.T) {
	tr := newTree(map[string]string{
		"irp/a.go":      "package irp\n\n// Rules: IRP-001, IRP-999, and UTF-160 is no rule.\nvar a int\n",
		"irp/a_test.go": "package irp\n\n// IRP-998\nvar b int\n",
	})
	expectSome(t, checkMentions(tr, []string{"IRP-001", "IRP-002"}), "irp/a.go:3: IRP-999")
}

func TestDDIComments(t *testing.T) {
	expectNone(t, "The comment of a DDI says at which IRQL it may be called and where the documentation "+
		"stands (style.md 5): one sentence in our words; then, each on a line of its own, IRQL: ...; "+
		"Ownership: ...; Rules: ...; Not modelled: ...; Reference: ... A function type may say "+
		"\"See wskSend.\" instead, when the comment stands there.", checkComments(thisModule(t)))
}

func TestEverythingExportedIsDocumented(t *testing.T) {
	expectNone(t, "Every package and every exported function has a comment: this is a teaching tool, and "+
		"the comments are what pkg.go.dev and ksim ddi show.", checkDocumented(thisModule(t)))
}

func TestComments_BadExamples(t *testing.T) {
	tr := newTree(map[string]string{
		"irp/a.go": `// Package irp has a comment.
			package irp
			// IoFreeIrp frees.
			//
			// IRQL: any.
			// Reference: there.
			func IoFreeIrp() {}
			// IoCallDriver calls. IRQL: any.
			func IoCallDriver() {}
			func IoReuseIrp() {}
			// Helper helps.
			func Helper() {}
			type hidden struct{}
			func (hidden) String() string { return "" }`,
		"wsk/a.go": `package wsk
			type (
				// PFN_WSK_SEND sends. See wskSend.
				PFN_WSK_SEND func()
				// PFN_WSK_BIND binds. See provider.wskBind.
				PFN_WSK_BIND func()
				// PFN_WSK_LISTEN listens. See nothing.
				PFN_WSK_LISTEN func()
			)
			// wskSend sends.
			//
			// IRQL: any.
			// Reference: there.
			func wskSend() {}
			// wskBind binds.
			func (p *provider) wskBind() {}`,
	})
	expectSome(t, checkComments(tr), "irp.IoCallDriver has no Reference:", "irp.IoReuseIrp has no comment",
		"wsk.PFN_WSK_BIND has no IRQL: and no Reference:", "PFN_WSK_LISTEN refers to nothing",
		"irp.IoCallDriver: IRQL does not begin a line")
	expectSome(t, checkDocumented(tr), "IoReuseIrp has no comment", "wsk: the package has no comment")
}
