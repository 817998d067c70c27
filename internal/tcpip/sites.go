package tcpip

import "calloutsim/internal/ke"

// Sites lists the choice sites of this package.
func Sites() []*ke.Site {
	return []*ke.Site{
		&siteLocal, &siteIRQL, &siteLength, &siteAuth,
	}
}
