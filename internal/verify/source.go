package verify

import (
	_ "embed" // for the headings
	"regexp"
	"strings"
)

// specDir is where the texts are that sources name.
const specDir = "docs/spec/"

//go:embed headings.tsv
var headingsTSV string

// Origin is where a rule comes from, in words for people.
type Origin struct {
	File    string   // "docs/spec/wfp.md"
	Heading string   // "20.7 Redirection", or a rule with its claim
	Basis   []string // what is no public page: "INFERRED (21 #25)"
	Pages   []string // addresses, with what is said of them: "https://… step 1"
}

// Spec names the heading: "docs/spec/wfp.md, 20.7 Redirection".
func (o Origin) Spec() string { return o.File + ", " + o.Heading }

// Anchor is the end of an address of the heading in a rendered text.
func (o Origin) Anchor() string {
	return "#" + strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(o.Heading), ""), " ", "-")
}

// dropped is what does not get into the anchor of a heading.
var dropped = regexp.MustCompile(`[^\w\- ]`)

// inSpec is the source of a rule of WSK or WFP: text, chapter, and the sources that the text has.
var inSpec = regexp.MustCompile(`^(wsk|wfp)\.md (\S+) \((.*)\)$`)

// Origin resolves r's source.
func (r Row) Origin() Origin {
	o, text, list := Origin{File: specDir + "rules.md", Heading: r.Number + " " + r.Claim}, "irp", r.Source
	if m := inSpec.FindStringSubmatch(r.Source); m != nil {
		text, list = m[1], m[3]
		o.File, o.Heading = specDir+m[1]+".md", m[2]
		if f, ok := find(headingsTSV, m[1]+" "+m[2]); ok {
			o.Heading += " " + f[1]
		}
	}
	for _, part := range parts(list) {
		if address := addresses(text, part); strings.Contains(address, "https://") {
			o.Pages = append(o.Pages, address)
		} else {
			o.Basis = append(o.Basis, part)
		}
	}
	return o
}

// parts splits a list at its commas and semicolons, but not inside parentheses.
func parts(list string) []string {
	var all []string
	depth, start := 0, 0
	for i, c := range list {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case depth == 0 && (c == ',' || c == ';'):
			all = append(all, strings.TrimSpace(list[start:i]))
			start = i + 1
		}
	}
	return append(all, strings.TrimSpace(list[start:]))
}

// Beginnings of addresses.
const (
	learn   = "https://learn.microsoft.com/"
	drivers = learn + "windows-hardware/drivers/"
	github  = "https://github.com/"
	samples = github + "microsoft/Windows-driver-samples/blob/HEAD/network/"
)

// keys are the keys of chapter 0 of the texts: what an address has before what stands behind the key.
var keys = map[string]map[string]string{
	"wfp": {"WDD": drivers + "network/", "DDI": drivers + "ddi/fwpsk/", "DDI-M": drivers + "ddi/fwpmk/",
		"SDK": learn + "windows/win32/fwp/", "SIO": learn + "windows/win32/winsock/",
		"API": learn + "windows/win32/api/", "SAMP": samples + "trans/",
		"EBPF": github + "microsoft/ebpf-for-windows/blob/HEAD/",
		"MULL": github + "mullvad/win-split-tunnel/blob/HEAD/src/firewall/"},
	"wsk": {"D": drivers + "ddi/wsk/nc-wsk-pfn_wsk_", "DF": drivers + "ddi/wsk/nf-wsk-",
		"DS": drivers + "ddi/wsk/ns-wsk-_", "N": drivers + "network/", "WDM": drivers + "ddi/wdm/nf-wdm-",
		"NMR": drivers + "ddi/netioddk/nf-netioddk-", "FW": drivers + "ddi/fwpsk/",
		"SDK": learn + "windows/win32/winsock/"},
}

// files are keys that stand for one file.
var files = map[string]map[string]string{
	"wsk": {"H": github + "MuAlphaOmegaEpsilon/wdk-10/blob/HEAD/km/wsk.h",
		"HT":  github + "T-RN-R/WindowsPreviewSDKs/blob/HEAD/shared/mstcpip.h",
		"E":   samples + "wsk/echosrv/wsksmple.c",
		"WS":  samples + "trans/WFPSampler/lib/HelperFunctions_WinSock.cpp",
		"WT":  github + "microsoft/win-net-test/blob/HEAD/src/wskclient/wskclient.c",
		"QC":  drivers + "network/sio-query-wfp-connection-redirect-context",
		"MQ":  github + "microsoft/msquic/blob/HEAD/src/platform/datapath_winkernel.c",
		"WG":  github + "WireGuard/wireguard-nt/blob/HEAD/driver/socket.c",
		"DR":  github + "LINBIT/windrbd/blob/HEAD/windrbd/src/windrbd_winsocket.c",
		"LW":  github + "MiroKaku/libwsk/blob/HEAD/libwsk/libwsk.cpp",
		"WNT": github + "wine-mirror/wine/blob/HEAD/dlls/ntoskrnl.exe/tests/driver_netio.c"},
	"irp": {"H": github + "mingw-w64/mingw-w64/blob/HEAD/mingw-w64-headers/ddk/include/ddk/wdm.h"},
}

// A key has a name behind it; a path is one of a repository of documentation. A star stands for several
// pages, which have no address.
var (
	keyed  = regexp.MustCompile(`\b([A-Z][A-Z-]*):(\w[\w./-]*)(\*?)`)
	inRepo = regexp.MustCompile(`windows-driver-docs(?:-ddi)?: ` +
		`(?:windows-driver-docs-pr|(wdk-ddi-src)/content)/(\S+?)\.md`)
	aFile = regexp.MustCompile(`^(INFERRED from )?([A-Z]+)( \(.*\))?$`)
)

// addresses puts addresses for the keys and paths of one part of a source.
func addresses(text, part string) string {
	part = inRepo.ReplaceAllStringFunc(part, func(s string) string {
		m := inRepo.FindStringSubmatch(s)
		if m[1] != "" {
			return drivers + "ddi/" + m[2]
		}
		return drivers + m[2]
	})
	part = keyed.ReplaceAllStringFunc(part, func(s string) string {
		m := keyed.FindStringSubmatch(s)
		before, ok := keys[text][m[1]]
		switch {
		case !ok || m[3] != "" || strings.HasSuffix(m[2], "_"):
			return s
		case strings.HasPrefix(before, learn):
			return before + strings.TrimSuffix(m[2], ".md")
		}
		return before + m[2]
	})
	if m := aFile.FindStringSubmatch(part); m != nil && files[text][m[2]] != "" {
		return m[1] + files[text][m[2]] + m[3]
	}
	return part
}
