package lint

import (
	"go/ast"
	"go/types"
	"slices"
	"strings"
	"testing"
)

// askedAs are the DDIs whose failure is asked for under another name than their own, and under which.
var askedAs = map[string]string{
	"IoAttachDevice":           "OpenDevice",
	"IoGetDeviceObjectPointer": "OpenDevice", // the open within it, which a program's open is as well

	"FwpsInjectNetworkSendAsync0": injects, "FwpsInjectNetworkReceiveAsync0": injects,
	"FwpsInjectForwardAsync0": injects, "FwpsInjectTransportReceiveAsync0": injects,
	"FwpsInjectTransportSendAsync0": injects, "FwpsInjectTransportSendAsync1": injects,
	"FwpsNetBufferListAssociateContext0":       "FwpsNetBufferListAssociateContext",
	"FwpsNetBufferListAssociateContext1":       "FwpsNetBufferListAssociateContext",
	"FwpsStreamInjectAsync0":                   injects,
	"FwpsAllocateNetBufferAndNetBufferList0":   "NET_BUFFER_LIST",
	"FwpsAllocateCloneNetBufferList0":          "NET_BUFFER_LIST",
	"FwpsConstructIpHeaderForTransportPacket0": "NdisRetreatNetBufferDataStart", // for the MDL of the header
}

// injects is the failure of whatever injects.
const injects = "FwpsInject"

const (
	onlyAnswers = "its status says what it found or how a wait ended; it allocates nothing"
	roomOnly    = "fails for arguments and room that the caller gave"
	onlyState   = "it only changes what is there already; the page lists no failure but misuse"
)

// cannotFail are the DDIs that return a status or a pointer and yet never want for memory, and why.
var cannotFail = allowed{
	"ExDeleteResourceLite":                         onlyState,
	"ExInitializeLookasideListEx":                  "the page lists bad arguments only",
	"ExInitializeResourceLite":                     "always STATUS_SUCCESS",
	"ExReinitializeResourceLite":                   "always STATUS_SUCCESS",
	"ExInterlockedInsertHeadList":                  "gives the entry that was first",
	"ExInterlockedInsertTailList":                  "gives the entry that was last",
	"ExInterlockedRemoveHeadList":                  "gives the entry, NULL for an empty list",
	"FwpmBfeStateUnsubscribeChanges0":              onlyState,
	"FwpmCalloutDestroyEnumHandle0":                onlyState,
	"FwpmCalloutUnsubscribeChanges0":               onlyState,
	"FwpmFilterDestroyEnumHandle0":                 onlyState,
	"FwpmFilterUnsubscribeChanges0":                onlyState,
	"FwpmProviderContextDeleteById0":               onlyState,
	"FwpmProviderContextDeleteByKey0":              onlyState,
	"FwpmProviderContextDestroyEnumHandle0":        onlyState,
	"FwpmProviderContextUnsubscribeChanges0":       onlyState,
	"FwpmProviderDeleteByKey0":                     onlyState,
	"FwpmProviderDestroyEnumHandle0":               onlyState,
	"FwpmProviderUnsubscribeChanges0":              onlyState,
	"FwpmSubLayerDestroyEnumHandle0":               onlyState,
	"FwpmSubLayerUnsubscribeChanges0":              onlyState,
	"FwpmCalloutDeleteById0":                       onlyState,
	"FwpmCalloutDeleteByKey0":                      onlyState,
	"FwpmEngineClose0":                             onlyState,
	"FwpmFilterDeleteById0":                        onlyState,
	"FwpmFilterDeleteByKey0":                       onlyState,
	"FwpmSubLayerDeleteByKey0":                     onlyState,
	"FwpmTransactionAbort0":                        onlyState,
	"FwpmTransactionCommit0":                       "what then is in force is documented nowhere",
	"FwpsFlowAbort0":                               onlyState,
	"FwpsFlowRemoveContext0":                       onlyState,
	"FwpsStreamContinue0":                          onlyState,
	"FwpsCalloutUnregisterById0":                   onlyState,
	"FwpsCalloutUnregisterByKey0":                  onlyState,
	"FwpsInjectionHandleDestroy0":                  onlyState,
	"FwpsNetBufferListRemoveContext0":              onlyState,
	"FwpsNetBufferListRetrieveContext0":            onlyAnswers,
	"FwpsQueryConnectionSioFormatRedirectRecords0": onlyAnswers,
	"IoAcquireRemoveLock":                          "STATUS_DELETE_PENDING depends on what the driver did",
	"IoAttachDeviceToDeviceStack":                  "NULL depends on the device below, not on memory",
	"IoAttachDeviceToDeviceStackSafe":              "its only failure depends on the device below",
	"IoCallDriver":                                 "hands through what the driver below returned",
	"IoCsqInitialize":                              "always STATUS_SUCCESS",
	"IoCsqInitializeEx":                            "always STATUS_SUCCESS",
	"IoCsqInsertIrpEx":                             "hands through what the driver's own callback returned",
	"IoCsqRemoveIrp":                               "gives the IRP, NULL when it was cancelled",
	"IoCsqRemoveNextIrp":                           "gives the IRP, NULL for an empty queue",
	"IoDeleteSymbolicLink":                         onlyState,
	"IoGetAttachedDeviceReference":                 "gives the device object on top",
	"IoGetCurrentIrpStackLocation":                 "a pointer into the IRP",
	"IoGetCurrentProcess":                          "there is always one",
	"IoGetDeviceAttachmentBaseRef":                 "gives the lowest device object",
	"IoGetDriverObjectExtension":                   "gives the context area, NULL when there is none",
	"IoGetLowerDeviceObject":                       "gives the device object below, NULL for the lowest",
	"IoGetNextIrpStackLocation":                    "a pointer into the IRP",
	"IoGetRequestorProcess":                        "a pointer behind the IRP's thread",
	"IoThreadToProcess":                            "a pointer in the thread",
	"KeRemoveByKeyDeviceQueue":                     "gives the entry, NULL for an empty queue",
	"KeRemoveDeviceQueue":                          "gives the entry, NULL for an empty queue",
	"KeDelayExecutionThread":                       onlyAnswers,
	"KeGetCurrentThread":                           "there is always one",
	"KeWaitForMultipleObjects":                     onlyAnswers,
	"KeWaitForSingleObject":                        onlyAnswers,
	"MmAdvanceMdl":                                 "only numbers in the MDL change",
	"MmMapLockedPagesWithReservedMapping":          "made to succeed where memory is short",
	"MmGetMdlVirtualAddress":                       "a field of the MDL",
	"ObReferenceObjectByHandle":                    onlyAnswers,
	"ZwUnloadDriver":                               onlyAnswers,
	"PsGetCurrentThread":                           "there is always one",
	"PsGetThreadExitStatus":                        onlyAnswers,
	"PsLookupProcessByProcessId":                   onlyAnswers,
	"PsLookupThreadByThreadId":                     onlyAnswers,
	"PsRemoveLoadImageNotifyRoutine":               onlyState,
	"RtlAppendUnicodeToString":                     roomOnly,
	"RtlAppendUnicodeStringToString":               roomOnly,
	"RtlIntegerToUnicodeString":                    roomOnly,
	"RtlUnicodeStringToInteger":                    roomOnly,
	"PsTerminateSystemThread":                      "fails for other threads than system threads only",
	"WskReleaseData":                               onlyAnswers,
	"WskReleaseDatagram":                           onlyAnswers,
	"WskCloseSocket":                               "everybody relies on it (wsk.md 15)",
	"WskQueryProviderCharacteristics":              onlyAnswers,
	"RtlSecureZeroMemory":                          "gives its argument",
	"ZwClose":                                      onlyState,
	"ZwWaitForSingleObject":                        onlyAnswers,
}

// faultSites gives the names behind "fault/" in literals and in the makers of sites.
func faultSites(tr *tree) map[string]bool {
	sites := map[string]bool{}
	for s := range tr.golang(func(s *source) bool { return inPackage(s) && belowSim(s.dir()) }) {
		ast.Inspect(s.AST, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if name, ok := strings.CutPrefix(strings.Trim(n.Value, `"`), "fault/"); ok && name != "" {
					sites[name] = true
				}
			case *ast.CallExpr:
				// newOperation("WskSend", ...) and fails("FwpmFilterAdd0") make the site of that name
				f, ok := n.Fun.(*ast.Ident)
				if ok && (f.Name == "newOperation" || f.Name == "fails") && len(n.Args) > 0 {
					if lit, ok := n.Args[0].(*ast.BasicLit); ok {
						sites[strings.Trim(lit.Value, `"`)] = true
					}
				}
			}
			return true
		})
	}
	return sites
}

// mayFail gives the DDIs whose result can say that there was no memory: those that return an NTSTATUS or a
// pointer.
func mayFail(tr *tree) map[string]string {
	all := map[string]string{}
	for s := range tr.golang(ddiFiles) {
		for _, decl := range s.AST.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !startsWithK(f.Type) || f.Type.Results.NumFields() != 1 {
				continue
			}
			name := f.Name.Name
			if rest, ok := strings.CutPrefix(name, "wsk"); ok && s.dir() == "wsk" {
				name = "Wsk" + rest // WSK's functions are members of tables
			} else if !f.Name.IsExported() || !looksLikeDDI(name) {
				continue
			}
			switch t := f.Type.Results.List[0].Type.(type) {
			case *ast.StarExpr:
				all[name] = tr.at(f.Pos(), "").where
			case *ast.SelectorExpr:
				if t.Sel.Name == "NTSTATUS" {
					all[name] = tr.at(f.Pos(), "").where
				}
			}
		}
	}
	return all
}

// checkFaults finds DDIs that could fail and never do, and excuses that excuse nothing.
func checkFaults(tr *tree) []problem {
	sites, ddis := faultSites(tr), mayFail(tr)
	var problems []problem
	for name, where := range ddis {
		site := name
		if other, ok := askedAs[name]; ok {
			site = other
		}
		_, excused := cannotFail[name]
		switch {
		case sites[site] && excused:
			problems = append(problems, problem{where, name + " has a fault site: it stands in " +
				"cannotFail for nothing"})
		case !sites[site] && !excused:
			problems = append(problems, problem{where, name + " can fail and never does: give it a site " +
				"fault/" + name + ", or a line with the reason in cannotFail"})
		}
	}
	for name := range cannotFail {
		if _, ok := ddis[name]; !ok {
			problems = append(problems, problem{"cannotFail", name + " is no DDI that returns a status or " +
				"a pointer"})
		}
	}
	return problems
}

func TestWhatCanFailHasAFaultSite(t *testing.T) {
	expectNone(t, "Whatever can fail for want of memory does so in some run (scheduling.md 9.5).",
		checkFaults(thisModule(t)))
}

// siteTypes are the types of package variables that are choice sites, or hold some.
var siteTypes = []string{module + "/internal/ke.Site", "*" + module + "/wsk.operation"}

// listsSites reports whether a declaration is a list of sites: a Subsystem, or what wsk makes the list of its
// Subsystem from.
func listsSites(decl ast.Decl) bool {
	switch d := decl.(type) {
	case *ast.GenDecl:
		return declaresVar(d, "Subsystem")
	case *ast.FuncDecl:
		return d.Recv == nil && slices.Contains([]string{"allSites", "functions"}, d.Name.Name)
	}
	return false
}

// checkSites finds sites that their package does not list in its Subsystem.
func checkSites(tr *tree) []problem {
	var problems []problem
	for _, p := range tr.typedPackages() {
		if !belowSim(p.dir) || p.dir == "internal/ke" || p.dir == "internal/explore" {
			continue // those of the scheduler are nobody's outcome
		}
		listed := map[types.Object]bool{}
		for _, s := range p.files {
			for _, decl := range s.AST.Decls {
				if listsSites(decl) {
					ast.Inspect(decl, func(n ast.Node) bool {
						if id, ok := n.(*ast.Ident); ok {
							listed[p.info.Uses[id]] = true
						}
						return true
					})
				}
			}
		}
		scope := p.pkg.Scope()
		for _, name := range scope.Names() {
			v, ok := scope.Lookup(name).(*types.Var)
			if ok && slices.Contains(siteTypes, v.Type().String()) && !listed[v] {
				problems = append(problems, tr.at(v.Pos(), "%s.%s is a choice site that its Subsystem lacks",
					p.dir, name))
			}
		}
	}
	return problems
}

// declaresVar reports whether a declaration is that of a package variable.
func declaresVar(d *ast.GenDecl, name string) bool {
	for _, spec := range d.Specs {
		v, ok := spec.(*ast.ValueSpec)
		if ok && slices.ContainsFunc(v.Names, func(id *ast.Ident) bool { return id.Name == name }) {
			return true
		}
	}
	return false
}

func TestEveryChoiceSiteIsListed(t *testing.T) {
	expectNone(t, "Each package lists its choice sites in Subsystem, so that what never came up is known.",
		checkSites(thisModule(t)))
}
