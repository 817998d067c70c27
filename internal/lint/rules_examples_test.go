package lint

import "testing"

// sample is a small catalogue for the bad examples.
func sample(records ...record) catalogue {
	return catalogue{Numbers: []string{"IRP-001", "IRP-002", "IRP-003", "LOCK-001", "LOCK-020"},
		Records: records}
}

// good is a record without fault.
func good(number string) record {
	return record{In: ownerOf(number), Package: ownerOf(number), ID: number, Name: "Name" + number,
		Why: "because", Fix: "add it."}
}

func TestRuleRecords_BadExamples(t *testing.T) {
	noWhy, noName, foreign, noFix := good("IRP-002"), good("IRP-003"), good("LOCK-020"), good("LOCK-001")
	noWhy.Why, noName.Name, foreign.In, noFix.Fix = "", "", "irql", ""
	expectSome(t, checkRecords(sample(good("IRP-001"), noWhy, noName, foreign, noFix)),
		"LOCK-001 has no Fix", "IRP-002 has no Why", "IRP-003 has no name", "LOCK-020 says package")

	alias, impossible, unknown := good("IRP-002"), good("IRP-003"), good("IRP-099")
	alias.Why, alias.Alias = "", "LOCK-001"
	impossible.Why, impossible.Impossible = "", "typed pointer"
	expectSome(t, checkRecords(sample(alias, impossible, unknown)),
		"IRP-002 is an alias of LOCK-001, which has no record", "IRP-099 (irp/NameIRP-099) is no number")

	twin := good("IRP-002")
	twin.Name = "NameIRP-001"
	expectSome(t, checkRecords(sample(good("IRP-001"), twin, good("IRP-001"))),
		"IRP-002 has the name of IRP-001", "IRP-001 has two records")
}

func TestRuleTests_BadExamples(t *testing.T) {
	tr := newTree(map[string]string{
		"irp/a_test.go": `package irp

// TestX_Y says so.
//
// Rule: IRP-001
func TestX_Y() {}

// Near miss: IRP-001, IRP-002
func TestX_Z() {}

// Rule: IRP-003

// rule: IRP-002

var cases = []int{
	1, // Rule: LOCK-020
	// Rule: WSK-001
}
`,
	})
	alias := good("IRP-003")
	alias.Alias = "IRP-001"
	expectSome(t, checkMarkers(tr, sample(good("IRP-001"), good("IRP-002"), alias), []string{"wsk"}),
		`IRP-002 has no test marked "// Rule: IRP-002"`, "a_test.go:11", "a_test.go:13: reads almost",
		"a_test.go:16: LOCK-020 has no record in irp.Rules")
}

func TestRuleReports_BadExamples(t *testing.T) {
	tr := newTree(map[string]string{
		"internal/verify/a.go": `package verify
			type RuleID int
			type Record struct{ ID RuleID }
			const ( IRP_001 RuleID = iota; IRP_002; IRP_003 )`,
		"irp/a.go": `package irp
			import "calloutsim/internal/verify"
			var Rules = []verify.Record{{verify.IRP_001}, {verify.IRP_002}}
			func f() []verify.RuleID { return []verify.RuleID{verify.IRP_001, verify.IRP_003} }`,
		"irp/a_test.go": `package irp; import "calloutsim/internal/verify"; var _ = verify.IRP_002`,
	})
	expectSome(t, checkReports(tr, sample(good("IRP-001"), good("IRP-002")), nil),
		"irp/a.go:4: IRP-003 has no record", "irp.Rules: IRP-002 is reported nowhere")
}
