package sim

import (
	"slices"
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/subsystems"
)

// Site is one question that is left open: something that may fail (fault/…), what Windows is documented or
// observed to do (doc/…), what the world outside does (env/…), and what else Options.Pins can fix.
type Site struct {
	Name         string
	Alternatives []string // the first is the boring one; none where it is numbered things such as threads
	Spec         string   // the section it rests on
}

// Sites lists all sites in order of their names.
func Sites() []Site {
	var all []Site
	for _, s := range slices.Concat(choiceSites(), ke.Sites(), []*ke.Site{&stepSite}) {
		all = append(all, Site{s.Name, s.Alts, s.Spec})
	}
	slices.SortFunc(all, func(a, b Site) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// choiceSites are the choice sites of all packages.
func choiceSites() (all []*ke.Site) {
	for _, s := range subsystems.All() {
		all = append(all, s.Sites...)
	}
	return all
}

// MatchSites gives the sites whose names a pattern matches, as in a Pin.
func MatchSites(pattern string) []Site {
	p := ke.Pin{Site: pattern}
	return slices.DeleteFunc(Sites(), func(s Site) bool { return !p.Matches(s.Name) })
}
