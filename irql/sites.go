package irql

import "calloutsim/internal/ke"

// Sites lists the choice sites of this package.
func Sites() []*ke.Site {
	return []*ke.Site{
		&siteAllocateTimer, &siteDeleteCallback, &siteThread, &siteCoalesce, &siteThreadedDPC,
	}
}
