package verify

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestOrigin_Samples(t *testing.T) {
	o := Rule(WFP_105).Origin()
	assert.Equal(t, "docs/spec/wfp.md, 20.7 Redirection", o.Spec())
	assert.Equal(t, "#207-redirection", o.Anchor())

	o = Rule(WFP_097).Origin()
	assert.Equal(t, []string{drivers + "ddi/fwpsk/nf-fwpsk-fwpsredirecthandlecreate0",
		drivers + "network/using-bind-or-connect-redirection step 1"}, o.Pages)
	assert.Equal(t, []string{"CQL ConnectRedirectMultipleCallsHandleCreation"}, o.Basis)

	o = Rule(WFP_100).Origin()
	assert.Equal(t, []string{"INFERRED (21 #25)"}, o.Basis)
	assert.Empty(t, o.Pages)

	o = Rule(IRP_001).Origin()
	assert.Equal(t, "docs/spec/rules.md, IRP-001 IRP completed twice", o.Spec())
	assert.Equal(t, "#irp-001-irp-completed-twice", o.Anchor())
	assert.Equal(t, []string{drivers + "debugger/bug-check-0x44--multiple-irp-complete-requests",
		drivers + "devtest/wdm-doublecompletion"}, o.Pages)
	assert.Equal(t, []string{drivers + "ddi/wdm/nf-wdm-keinsertqueuedpc"}, Rule(OBJ_008).Origin().Pages)
	assert.Equal(t, []string{drivers + "ddi/wsk/nc-wsk-pfn_wsk_close_socket",
		drivers + "network/closing-a-socket"}, Rule(WSK_240).Origin().Pages)
	assert.Equal(t, []string{"N:sio-query-*", "N:sio-set-*"}, Rule(WSK_233).Origin().Basis)
}

// TestOrigin_NoPathIsLeft: whatever names a page by its path in a repository has an address.
func TestOrigin_NoPathIsLeft(t *testing.T) {
	pages := 0
	for _, id := range Rules() {
		o := Rule(id).Origin()
		assert.NotEmpty(t, strings.Fields(o.Heading), id)
		assert.Greater(t, len(strings.Fields(o.Heading)), 1, "%v: %s has no title", id, o.Heading)
		pages += len(o.Pages)
		for _, s := range o.Basis {
			assert.NotRegexp(t, `/\S+\.md`, s, "%v", id)
		}
		for _, s := range o.Pages {
			assert.NotContains(t, s, "drivers/windows-driver-docs", "%v", id)
			assert.NotRegexp(t, `microsoft\.com/\S+\.md`, s, "%v", id)
		}
	}
	t.Log(pages, "pages")
}
