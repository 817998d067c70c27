package ke

import (
	"slices"
	"strings"
)

// Sites lists the choice sites of this package but that of who goes on.
func Sites() []*Site { return []*Site{&siteClock, &siteGrant, &siteKernelAlertable, &siteWake} }

// Pattern reports whether p is for all sites of some kind.
func (p *Pin) Pattern() bool { return strings.Contains(p.Site, "*") }

// Matches reports whether p speaks of a site.
func (p *Pin) Matches(name string) bool {
	first, rest, pattern := strings.Cut(p.Site, "*")
	if !pattern {
		return p.Site == name
	}
	name, ok := strings.CutPrefix(name, first)
	for ok && rest != "" {
		first, rest, pattern = strings.Cut(rest, "*")
		if !pattern {
			return strings.HasSuffix(name, first)
		}
		_, name, ok = strings.Cut(name, first)
	}
	return ok
}

// of returns the number of the alternative p fixes s to. A pattern passes over sites that have no alternative
// of its name.
func (p *Pin) of(s *Site) (alt int, ok bool) {
	if p.Name == "" {
		return p.Alt, true
	}
	if i := slices.Index(s.Alts, p.Name); i >= 0 || p.Pattern() {
		return i, i >= 0
	}
	panic(Misuse("site " + s.Name + " has no alternative " + p.Name + "; it has " + strings.Join(s.Alts,
		", ")))
}

// IsPinned reports whether a pin answers the next question of a site with two alternatives.
func IsPinned(k *K, s *Site) bool {
	_, pinned := Pinned(k.m.cfg.Pins, s, 2)
	return pinned
}
