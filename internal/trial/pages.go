//go:build rulepages

package trial

// pages: the pages of the rules show what happens under the boring schedule.
const pages = true
