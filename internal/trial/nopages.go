//go:build !rulepages

package trial

// pages says that the tests are run to make the pages of the rules.
const pages = false
