package tworedirectors

// Defect is a mistake a driver can be told to make, so that the rule that names it can be seen at work.
type Defect string

// The defects; the empty one is the correct driver.
const (
	None Defect = ""
	// IgnoresOthers: what a heavier redirector has redirected is redirected again.
	IgnoresOthers Defect = "ignores-others"
	// RedirectsItself: the proxy's own connection is redirected to the proxy.
	RedirectsItself Defect = "redirects-itself"
	// NoHandle: the redirect handle is not set, so that nobody can tell whose redirection it is.
	NoHandle Defect = "no-handle"
	// NoTarget: the process of the proxy is not named.
	NoTarget Defect = "no-target"
)
