package lint

import (
	"go/ast"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"calloutsim/internal/ddi"
)

// driverNames are the exported names of the DDI packages that are not the WDK's: what a driver needs and
// Windows has no name for.
var driverNames = map[string]string{
	"irql.K":             "where the caller is in the kernel",
	"irql.Var":           "memory that contexts share",
	"irql.Yield":         "a scheduling point in a loop of the driver's own",
	"irql.Interlocked32": "what the Interlocked routines take",
	"irql.Interlocked64": "what the Interlocked routines take",
	"irp.Buffer":         "memory that is read and written",
	"irp.Typed":          "a block of pool that holds a structure",
	"irp.New":            "allocates a structure",
	"irp.Free":           "frees a structure",
	"irp.As":             "a cast",
	"irp.ToNumber":       "a cast",
	"irp.FromNumber":     "a cast",
	"irp.Tag":            "a multi-character constant",
	"irp.StackVar":       "a local variable whose address is handed out",
	"irp.StackBuffer":    "a local array whose address is handed out",

	"fwps.Uint8Value":   "makes an FWP_VALUE0",
	"fwps.Uint16Value":  "makes an FWP_VALUE0",
	"fwps.Uint32Value":  "makes an FWP_VALUE0",
	"fwps.Uint64Value":  "makes an FWP_VALUE0",
	"fwps.BlobValue":    "makes an FWP_VALUE0",
	"fwps.Array16Value": "makes an FWP_VALUE0",

	"ntstatus.Severity":              "the part of a status",
	"ntstatus.SeverityError":         "a Severity",
	"ntstatus.SeverityInformational": "a Severity",
	"ntstatus.SeveritySuccess":       "a Severity",
	"ntstatus.SeverityWarning":       "a Severity",
	"ntstatus.FacilityName":          "a status in words",
	"ntstatus.Message":               "a status in words",
	"ntstatus.Win32ErrorName":        "a status in words",

	"wsk.SendFlags":       "ULONG of its own type, so that flags of another routine do not fit",
	"wsk.ReceiveFlags":    "ULONG of its own type",
	"wsk.DisconnectFlags": "ULONG of its own type",
	"wsk.SocketFlags":     "ULONG of its own type",
	"wsk.EventFlags":      "ULONG of its own type",

	"wsk.SizeofTransport":            "sizeof",
	"wsk.SizeofEventCallbackControl": "sizeof(WSK_EVENT_CALLBACK_CONTROL)",
	"ws2def.Lend":                    "an address that a callback is lent, for package wsk",
	"ws2def.Copy":                    "what *(SOCKADDR_STORAGE*) is in C",

	"ws2def.AddrPort":         "an address in Go's form",
	"ws2def.Any":              "the unspecified address of a family",
	"ws2def.Loopback":         "the loopback address of a family",
	"ws2def.FamilyOf":         "the family of an address in Go's form",
	"ws2def.Fits":             "whether a structure has room for a family",
	"ws2def.Put":              "stores an address in a structure",
	"ws2def.Storage":          "an address as a structure",
	"ws2def.StorageFromBytes": "bytes as an address",
	"ws2def.Htons":            "a macro of winsock2.h",
	"ws2def.Ntohs":            "a macro of winsock2.h",

	"ws2def.SizeofSockaddrIn":      "sizeof",
	"ws2def.SizeofSockaddrIn6":     "sizeof",
	"ws2def.SizeofSockaddrStorage": "sizeof",
	"ws2def.SizeofCmsghdr":         "sizeof",
	"ws2def.AppendCMSG":            "an object behind a sequence of ancillary data",
	"ws2def.CMSGs":                 "the objects of a sequence of ancillary data",
}

// simNames are what the simulator's own packages exchange. Routines of theirs are methods of Sim.
var simNames = map[string]string{
	"irql.Sim":             "holds the routines for the simulator's own packages",
	"irql.OnStack":         "what irp.StackVar is to drivers, for tests below irp and of the object alone",
	"irp.Sim":              "holds the routines for the simulator's own packages",
	"fwps.Sim":             "holds the routines for the simulator's own packages",
	"ndis.Sim":             "holds the routines for the simulator's own packages",
	"ndis.Subsystem":       "what a package adds to a machine",
	"irql.Subsystem":       "what a package adds to a machine",
	"irp.Subsystem":        "what a package adds to a machine",
	"fwps.Subsystem":       "what a package adds to a machine",
	"fwpm.Subsystem":       "what a package adds to a machine",
	"wsk.Subsystem":        "what a package adds to a machine",
	"irql.HandleTable":     "what Sim.Handles gives",
	"irql.OpenHandle":      "what Sim.HandlesOn gives",
	"irql.Leftover":        "what Sim.Leftovers gives",
	"irp.CompletionPort":   "what Sim.NewPort gives",
	"irp.CompletionPacket": "what a CompletionPort gives",
	"irp.DeviceRequest":    "what a UserHandle takes",
	"irp.UserHandle":       "what Sim.OpenUser gives",
	"irp.UserIO":           "a request of a UserHandle",
	"irp.SubsystemRules":   "what Sim.SystemDriver takes",
	"irp.NotModelled":      "rules without a check, for ksim",
	"irp.OverlappingCopy":  "what RtlCopyMemory left",
	"fwps.Field":           "what Sim.FieldByName gives",
	"irql.BugCheck":        "what KeBugCheck ends a run with",
	"irql.Exception":       "what ExRaiseStatus ends a run with",
	"irql.FailedAssertion": "what NT_ASSERT ends a run with",
	"irql.BreakPoint":      "what DbgBreakPoint ends a run with",
}

// wdkEnumerators are the WDK's names that look like ours: mixed case, and no routine of the table.
var wdkEnumerators = regexp.MustCompile(`^(Notification|Synchronization)(Event|Timer)$|^(Kernel|User)Mode$|` +
	`^(Executive|UserRequest|Suspended|DelayExecution|WaitAll|WaitAny)$|` +
	`^(Low|Medium|High|MediumHigh)Importance$|^(Critical|Delayed|HyperCritical|Normal)WorkQueue$|` +
	`^(High|Low|Normal)PagePriority$|^MdlMappingNo(Execute|Write)$|^Mm(Cached|NonCached|WriteCombined)$|` +
	`^PagedPool|^NonPagedPool|^Io(Modify|Read|Write)Access$|^PsThreadType$|^InitializeObjectAttributes$|` +
	`^PsCreateProcessNotifySubsystems$|^Interlocked[A-Z][A-Za-z]+64$|^Fwpm[A-Z]\w+0$|` +
	`^Wsk(Get|Set)Option$|^WskIoctl$|^WskControlMax$|^WskInspect(Reject|Accept|Pend|Max)$`)

var capitals = regexp.MustCompile(`^[A-Z0-9_]+$|^FWPS_|^IO_|_`)

// isOfWDK reports whether a name is the WDK's: a routine or type of the table, capitals, or an enumerator.
func isOfWDK(name string) bool {
	_, known := ddi.Lookup(name)
	return known || capitals.MatchString(name) || wdkEnumerators.MatchString(name)
}

// checkOurNames compares the exported names of the DDI packages with the list.
func checkOurNames(tr *tree, lists ...map[string]string) []problem {
	var problems []problem
	listed := map[string]string{}
	for _, l := range lists {
		maps.Copy(listed, l)
	}
	seen := map[string]bool{}
	for s := range tr.golang(ddiFiles) {
		for _, e := range exportedNames(s) {
			name := s.AST.Name.Name + "." + e.name
			seen[name] = true
			if !isOfWDK(e.name) && listed[name] == "" {
				problems = append(problems, tr.at(e.pos, "%s", name))
			}
		}
	}
	for name := range listed {
		if !seen[name] {
			problems = append(problems, problem{"internal/lint/public_test.go", name + " does not exist"})
		}
	}
	slices.SortFunc(problems, func(a, b problem) int {
		return strings.Compare(a.where+a.what, b.where+b.what)
	})
	return problems
}

// published are what internal packages lend their names to: drivers write the public one.
var published = []string{"ke.K"}

// checkInternalTypes finds types of internal packages in what a driver sees: parameters and results of
// functions, function types, exported fields. A driver cannot name such a type, so it cannot store it either.
func checkInternalTypes(tr *tree) []problem {
	var problems []problem
	for s := range tr.golang(ddiFiles) {
		hidden := map[string]bool{}
		for imported := range importsOf(s) {
			if dir, isOurs := ours(imported); isOurs && strings.HasPrefix(dir, "internal/") {
				hidden[dir[strings.LastIndexByte(dir, '/')+1:]] = true
			}
		}
		for _, e := range exportedNames(s) {
			if simNames[s.AST.Name.Name+"."+e.name] != "" {
				continue
			}
			for _, n := range e.seen() {
				ast.Inspect(n, func(n ast.Node) bool {
					sel, ok := n.(*ast.SelectorExpr)
					if !ok {
						return true
					}
					id, ok := sel.X.(*ast.Ident)
					name := ""
					if ok {
						name = id.Name + "." + sel.Sel.Name
					}
					if ok && hidden[id.Name] && !slices.Contains(published, name) {
						problems = append(problems, tr.at(sel.Pos(), "%s shows %s", e.name, name))
					}
					return true
				})
			}
		}
	}
	return problems
}

// seen are the parts of a declaration that are its users' business.
func (e *exported) seen() (parts []ast.Node) {
	if e.fn != nil {
		parts = append(parts, e.fn.Params)
		if e.fn.Results != nil {
			parts = append(parts, e.fn.Results)
		}
	}
	if e.str != nil {
		for _, f := range e.str.Fields.List {
			if slices.ContainsFunc(f.Names, func(n *ast.Ident) bool { return n.IsExported() }) {
				parts = append(parts, f.Type)
			}
		}
	}
	return parts
}

func TestPublicNames_AreTheWDKsOrListed(t *testing.T) {
	expectNone(t, "What a DDI package exports is the WDK's, or in the list in public_test.go with what it "+
		"is for (style.md 1, rule 1). A routine that only the simulator's own packages need is a method "+
		"of Sim.",
		checkOurNames(thisModule(t), driverNames, simNames))
}

func TestPublicNames_ShowNoInternalType(t *testing.T) {
	expectNone(t, "A driver cannot write the name of an internal type: use one of this package, as KPROCESS "+
		"for ke.Process, or make the routine a method of Sim.", checkInternalTypes(thisModule(t)))
}

func TestPublicNames_BadExamples(t *testing.T) {
	tr := newTree(map[string]string{
		"irp/a.go": `package irp
import ("calloutsim/internal/ke"; "calloutsim/internal/pool")
type Typed = pool.Typed
type IO_THING struct { Owner *ke.Process; hidden *ke.Machine }
type PFN func(k *ke.K, p *ke.Process)
func IoCallDriver(k *ke.K) {}
func DumpThing(m *ke.Machine) {}
func (sim) Fresh(m *ke.Machine) {}
`,
	})
	expectSome(t, checkOurNames(tr, map[string]string{"irp.Typed": "a", "irp.Gone": "b"}),
		"irp.DumpThing", "irp.Gone does not exist")
	expectSome(t, checkInternalTypes(tr), "IO_THING shows ke.Process", "PFN shows ke.Process",
		"DumpThing shows ke.Machine")
}

// harnessFunctions are the functions that sim exports and what they are for. What only ksim needs and knows
// no Machine lies below, in internal/subsystems.
var harnessFunctions = map[string]string{
	"New":             "tests",
	"Explore":         "tests",
	"Replay":          "tests",
	"Fuzz":            "tests",
	"FromChoices":     "tests that are fuzz targets",
	"Echo":            "tests: what a host does",
	"Shut":            "tests: what a host does",
	"Silent":          "tests: what a host does",
	"ParseToken":      "tests that keep a token",
	"ParseReplay":     "tests that keep a token or a file",
	"ReadReplayFile":  "tests that keep a file",
	"Sites":           "tests that pin choices",
	"MatchSites":      "tests that pin choices",
	"RunScenario":     "ksim: makes a Machine without a test",
	"ExploreScenario": "ksim: explores without a test",
	"ParseRuns":       "ksim: takes what -sim.runs takes",
	"ParseShard":      "ksim: takes what -sim.shard takes",
	"Observe":         "pages of rules: reports of a mechanism that no Machine drives",
}

func TestHarness_FunctionsAreListed(t *testing.T) {
	var problems []problem
	seen := map[string]bool{}
	for s := range thisModule(t).golang(func(s *source) bool {
		return strings.HasPrefix(s.Path, "sim/") && strings.Count(s.Path, "/") == 1 && !s.isTest()
	}) {
		for _, d := range s.AST.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !fn.Name.IsExported() {
				continue
			}
			seen[fn.Name.Name] = true
			if harnessFunctions[fn.Name.Name] == "" {
				problems = append(problems, problem{s.Path, "sim." + fn.Name.Name})
			}
		}
	}
	for name := range harnessFunctions {
		if !seen[name] {
			problems = append(problems, problem{"internal/lint/public_test.go", name + " does not exist"})
		}
	}
	expectNone(t, "A function that sim exports is in the list in public_test.go with what it is for; one "+
		"that only ksim needs belongs below (internal/subsystems, sim/internal).", problems)
}
