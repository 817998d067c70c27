package lint

import (
	"go/ast"
	"strings"
	"testing"
	"unicode"

	"calloutsim/internal/ddi"
)

// text is why routines for the strings of addresses take none.
const text = "ws2def lies below K, and only memory of the caller is touched"

// withoutK are the DDIs that take no k, because they only compute.
var withoutK = allowed{
	"ntstatus.RtlNtStatusToDosError":       "ntstatus lies below K (style.md 1, rule 2)",
	"irp.IoSizeOfIrp":                      "arithmetic",
	"wsk/ws2def.RtlIpv4AddressToStringA":   text,
	"wsk/ws2def.RtlIpv4AddressToStringW":   text,
	"wsk/ws2def.RtlIpv4AddressToStringExA": text,
	"wsk/ws2def.RtlIpv4AddressToStringExW": text,
	"wsk/ws2def.RtlIpv4StringToAddressA":   text,
	"wsk/ws2def.RtlIpv4StringToAddressW":   text,
	"wsk/ws2def.RtlIpv4StringToAddressExA": text,
	"wsk/ws2def.RtlIpv4StringToAddressExW": text,
	"wsk/ws2def.RtlIpv6AddressToStringA":   text,
	"wsk/ws2def.RtlIpv6AddressToStringW":   text,
	"wsk/ws2def.RtlIpv6AddressToStringExA": text,
	"wsk/ws2def.RtlIpv6AddressToStringExW": text,
	"wsk/ws2def.RtlIpv6StringToAddressA":   text,
	"wsk/ws2def.RtlIpv6StringToAddressW":   text,
	"wsk/ws2def.RtlIpv6StringToAddressExA": text,
	"wsk/ws2def.RtlIpv6StringToAddressExW": text,
	"irp.RtlUshortByteSwap":                "arithmetic",
	"irp.RtlUlongByteSwap":                 "arithmetic",
	"irp.RtlUlonglongByteSwap":             "arithmetic",
	"irp.MmSizeOfMdl":                      "arithmetic",
}

// otherCount are the DDIs whose parameter count differs from the C function's for a reason.
var otherCount = allowed{
	"irql.KdPrint":   "the macro's one parameter is a list in parentheses",
	"irql.KdPrintEx": "the macro's one parameter is a list in parentheses",
}

// checkParams compares signatures with the table: k, then the C parameters. It also gives the names the table
// does not know or lists without parameters, which it cannot judge.
func checkParams(tr *tree) (problems []problem, skipped []string) {
	for s := range tr.golang(ddiFiles) {
		for _, e := range exportedNames(s) {
			if e.str != nil {
				problems = append(problems, dispatchMembers(tr, s, e)...)
			}
			if e.fn == nil {
				continue
			}
			entry, known := ddi.Lookup(e.name)
			if !known || entry.ID == ddi.None || !entry.ParamsListed {
				if known || looksLikeDDI(e.name) {
					skipped = append(skipped, s.dir()+"."+e.name)
				}
				if !known {
					continue
				}
			}
			if what := badSignature(e, entry); what != "" {
				problems = append(problems, tr.at(e.pos, "%s.%s %s", s.dir(), e.name, what))
			}
		}
	}
	return problems, skipped
}

// badSignature compares one signature with its row; "" when they agree.
func badSignature(e exported, entry ddi.Entry) string {
	if !startsWithK(e.fn) {
		return "does not take k *irql.K first"
	}
	if entry.ParamsListed && countParams(e.fn) != len(entry.Params)+1 {
		var names []string
		for _, p := range entry.Params {
			names = append(names, p.Name)
		}
		return "has another parameter count than C: k, then " + strings.Join(names, ", ")
	}
	return ""
}

// startsWithK reports whether the first parameter is k.
func startsWithK(f *ast.FuncType) bool {
	if f.Params.NumFields() == 0 {
		return false
	}
	first := f.Params.List[0]
	pointer, ok := first.Type.(*ast.StarExpr)
	if !ok || len(first.Names) > 1 || len(first.Names) == 1 && first.Names[0].Name != "k" &&
		first.Names[0].Name != "_" {
		return false
	}
	switch t := pointer.X.(type) {
	case *ast.Ident:
		return t.Name == "K"
	case *ast.SelectorExpr:
		pkg, ok := t.X.(*ast.Ident)
		return ok && t.Sel.Name == "K" && (pkg.Name == "irql" || pkg.Name == "ke")
	}
	return false
}

// countParams counts parameters; unnamed ones count too.
func countParams(f *ast.FuncType) int { return f.Params.NumFields() }

// looksLikeDDI reports whether a name has the shape of a routine of ours: a prefix of the WDK and a verb.
func looksLikeDDI(name string) bool {
	for _, prefix := range []string{"Io", "Ke", "Ex", "Mm", "Ob", "Ps", "Zw", "Rtl", "Wsk", "Fwp"} {
		rest, ok := strings.CutPrefix(name, prefix)
		if ok && rest != "" && (unicode.IsUpper(rune(rest[0])) || prefix == "Fwp") {
			return true
		}
	}
	return false
}

// dispatchMembers checks that each member of a WSK dispatch table has the type the member is named for:
// WskSend has PFN_WSK_SEND, whose own parameters are then compared with the table.
func dispatchMembers(tr *tree, s *source, e exported) []problem {
	if !strings.HasPrefix(e.name, "WSK_") || !strings.HasSuffix(e.name, "_DISPATCH") {
		return nil
	}
	var problems []problem
	for _, f := range e.str.Fields.List {
		for _, name := range f.Names {
			want := "PFN_" + snake(name.Name)
			if _, known := ddi.ByName(want); !known {
				continue
			}
			if t, ok := f.Type.(*ast.Ident); !ok || t.Name != want {
				problems = append(problems, tr.at(name.Pos(), "%s.%s.%s is not of type %s", s.dir(), e.name,
					name.Name, want))
			}
		}
	}
	return problems
}

// snake turns WskGetLocalAddress into WSK_GET_LOCAL_ADDRESS.
func snake(name string) string {
	var b strings.Builder
	for i, c := range name {
		if unicode.IsUpper(c) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(c))
	}
	return b.String()
}

func TestDDIParameters(t *testing.T) {
	problems, skipped := checkParams(thisModule(t))
	problems = withoutK.excuse(problems, func(p problem) string {
		if strings.Contains(p.what, "take k") {
			return nameOf(p)
		}
		return ""
	})
	problems = otherCount.excuse(problems, nameOf)
	expectNone(t, "A DDI takes k *irql.K and then the C parameters, same order, same direction (style.md "+
		"1, rule 2): an out-parameter is not turned into a result, a length is not left out. The table is "+
		"internal/ddi/ddi_irql.tsv.",
		problems)
	t.Logf("the table does not list the parameters of %d: %s", len(skipped), strings.Join(skipped, " "))
}

func TestDDIParameters_BadExamples(t *testing.T) {
	tr := newTree(map[string]string{
		"irp/a.go": `package irp
			func IoCallDriver(k *irql.K, dev *DEVICE_OBJECT, p *IRP) int { return 0 }
			func IoAllocateIrp(k *irql.K, n int8) *IRP { return nil }
			func IoSizeOfIrp(n int8) uint16 { return 0 }
			func IoFreeIrp(p *IRP, k *irql.K) {}
			func IoNovelty(n int) {}
			func Helper(n int) {}
			type DRIVER_CANCEL func(k *irql.K, p *IRP)`,
		"wsk/a.go": `package wsk
			type PFN_WSK_LISTEN func(k *irql.K, s *WSK_SOCKET, _ *irp.IRP)
			type PFN_WSK_SEND func(*irql.K, *WSK_SOCKET, *WSK_BUF, uint32)
			type WSK_PROVIDER_STREAM_DISPATCH struct {
				WskListen PFN_WSK_LISTEN
				WskSend PFN_WSK_LISTEN
				WskOdd int
			}`,
	})
	problems, skipped := checkParams(tr)
	expectSome(t, problems, "irp.IoAllocateIrp has another", "irp.IoSizeOfIrp does not take k",
		"irp.IoFreeIrp does not take k", "irp.DRIVER_CANCEL has another", "wsk.PFN_WSK_SEND has another",
		"WSK_PROVIDER_STREAM_DISPATCH.WskSend is not of type PFN_WSK_SEND")
	if len(skipped) != 1 || skipped[0] != "irp.IoNovelty" {
		t.Errorf("skipped %v, want irp.IoNovelty alone", skipped)
	}
}
