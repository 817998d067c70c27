package coverage

import (
	"cmp"
	"slices"
	"strings"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
)

// Collector counts the runs of one worker. Names are made only when the Set is asked for.
type Collector struct {
	runs   uint64
	counts map[count]uint64
	rows   []string          // names of what is no routine of the table, behind the table's numbers
	byName map[string]uint32 // index in rows
	byFn   map[uintptr]uint32
	images []string
	sites  []site
	bySite map[*ke.Site]uint32
	run    requests // of the run that is counted
	used   map[use]bool
	labels []string // names of entries that callbacks are given for
	enters map[callback]uint64
}

// callback is a routine of a driver, and the entry of a table it was called by.
type callback struct {
	image uint16
	fn    uintptr
	entry uint8
}

// count is a Key in numbers.
type count struct{ image, row, aspect, what uint32 }

// use says that a driver called a routine.
type use struct{ image, row uint32 }

// The aspects that are no site; a site's is its number behind them.
const (
	aspectCalls = iota
	aspectStatus
	aspectBool
	aspectReturns
	aspectCompletes
	aspectCancelled
	aspectCalled  // a routine the driver gave; what is the number of the entry's name, or of "yes"
	aspectSuccess // of a routine that returns a status
	aspectSite
)

// rowNames is where the numbers of rows begin that are no numbers of the table.
const rowNames = 1 << 16

// site is a choice site with its name taken apart.
type site struct {
	*ke.Site
	kind, aspect string
	row          uint32
	routine      bool   // it is one of the table
	most         uint16 // alternatives there were
}

// New makes a collector for what the subsystems may ask.
func New(subsystems []*ke.Subsystem) *Collector {
	c := &Collector{counts: map[count]uint64{}, byName: map[string]uint32{}, byFn: map[uintptr]uint32{},
		bySite: map[*ke.Site]uint32{}, used: map[use]bool{}, enters: map[callback]uint64{}}
	for _, s := range subsystems {
		for _, site := range s.Sites {
			c.site(site)
		}
	}
	return c
}

// site gives the number of a site.
func (c *Collector) site(s *ke.Site) uint32 {
	n, ok := c.bySite[s]
	if !ok {
		n = uint32(len(c.sites))
		kind, rest, _ := strings.Cut(s.Name, "/")
		name, aspect, _ := strings.Cut(rest, "/")
		if aspect == "" {
			aspect = kind
		}
		x := site{Site: s, kind: kind, aspect: aspect, most: uint16(len(s.Alts))}
		x.row, x.routine = c.routine(name)
		c.sites, c.bySite[s] = append(c.sites, x), n
	}
	return n
}

// routine finds the row of a name, and whether it is a routine of the table.
func (c *Collector) routine(name string) (row uint32, known bool) {
	if id, ok := ddi.ByName(name); ok {
		return uint32(id), true
	}
	if rest, ok := strings.CutPrefix(name, "Wsk"); ok && rest != "" {
		if id, ok := ddi.ByName("PFN_WSK" + upperSnake(rest)); ok {
			return uint32(id), true
		}
	}
	return c.name(name), false
}

// upperSnake turns GetLocalAddress into _GET_LOCAL_ADDRESS.
func upperSnake(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}

// rowName is the name of a row: that of the routine, for members of WSK's tables the member's.
func (c *Collector) rowName(row uint32) string {
	if row >= rowNames {
		return c.rows[row-rowNames]
	}
	name := ddi.ID(row).String()
	rest, ok := strings.CutPrefix(name, "PFN_WSK_")
	if !ok {
		return name
	}
	var b strings.Builder
	b.WriteString("Wsk")
	for w := range strings.SplitSeq(rest, "_") {
		b.WriteString(w[:1] + strings.ToLower(w[1:]))
	}
	return b.String()
}

// name gives the row of a name that is not in the table.
func (c *Collector) name(s string) uint32 {
	n, ok := c.byName[s]
	if !ok {
		n = rowNames + uint32(len(c.rows))
		c.byName[s], c.rows = n, append(c.rows, s)
	}
	return n
}

// image gives the number of an image: 0 for none, which is also that of the system's own drivers.
func (c *Collector) image(name string) uint32 {
	for i, s := range c.images {
		if s == name {
			return uint32(i) + 1
		}
	}
	c.images = append(c.images, name)
	return uint32(len(c.images))
}

// Run counts a run that has ended. All of its events must have been kept.
func (c *Collector) Run(m *ke.Machine) {
	c.runs++
	clear(c.used)
	r := &c.run
	r.begin(c, m)
	log := m.Log()
	for seq := log.First(); seq <= log.Len(); seq++ {
		r.event(log.At(seq))
	}
	r.end()
	c.callbacks(m, r)
	choices := m.Choices()
	for i := range choices {
		if ch := &choices[i]; !strings.HasPrefix(ch.Site.Name, "sched/") {
			c.choice(ch, r.imageOf(ch.Driver))
		}
	}
}

// callbacks counts how often the routines that drivers gave the system were called.
func (c *Collector) callbacks(m *ke.Machine, r *requests) {
	for _, g := range m.Given() {
		image := r.imageOf(g.Image)
		if image == 0 {
			continue // one of the system's own
		}
		n := c.enters[callback{g.Image, g.Fn, g.Entry}]
		row := c.name(g.Role + " " + ke.FuncName(g.Fn))
		c.counts[count{image, row, aspectCalled, c.label(g.Name)}] += n
		if g.Name == "" { // those of a table are counted as requests
			c.counts[count{image, row, aspectCalls, 0}] += n
		}
	}
	clear(c.enters)
}

// label gives the number of an entry's name.
func (c *Collector) label(name string) uint32 {
	name = cmp.Or(name, "yes")
	i := slices.Index(c.labels, name)
	if i < 0 {
		i = len(c.labels)
		c.labels = append(c.labels, name)
	}
	return uint32(i)
}

// called counts a call.
func (c *Collector) called(image, row uint32) {
	c.counts[count{image, row, aspectCalls, 0}]++
	c.used[use{image, row}] = true
}

// choice counts an answer for those it concerns: who called the routine the site belongs to; for a fault of
// something that is no routine, in whose call it came up; else what is around the drivers.
func (c *Collector) choice(ch *ke.Choice, image uint32) {
	n := c.site(ch.Site)
	s := &c.sites[n]
	s.most = max(s.most, ch.N)
	add := func(image uint32) { c.counts[count{image, s.row, aspectSite + n, uint32(ch.Pick)}]++ }
	switch {
	case image != 0 && (s.routine || s.kind == "fault"):
		add(image)
		return
	case !s.routine:
		if !c.family(s, add) {
			add(0)
		}
		return
	}
	found := false
	for i := range c.images {
		if u := uint32(i) + 1; c.used[use{u, s.row}] {
			add(u)
			found = true
		}
	}
	if !found {
		add(0)
	}
}

// family adds for every driver that used a routine whose name begins as the site's: Wsk stands for all of
// WSK, FwpsCalloutUnregister for its two forms.
func (c *Collector) family(s *site, add func(image uint32)) (found bool) {
	name := c.rowName(s.row)
	for i := range c.images {
		image := uint32(i) + 1
		for u := range c.used {
			if u.image == image && u.row < rowNames && strings.HasPrefix(c.rowName(u.row), name) {
				add(image)
				found = true
				break
			}
		}
	}
	return found
}

// Set gives what was counted, in names, with what is known and never came up.
func (c *Collector) Set() *Set {
	s := &Set{Runs: c.runs}
	failed := map[use]uint64{}
	for k, n := range c.counts {
		s.Add(c.key(k), n)
		if k.aspect == aspectStatus && k.row != uint32(ddi.IoCompleteRequest) {
			u := use{k.image, k.row}
			failed[u] += 0
			if !ntstatus.NT_SUCCESS(ntstatus.NTSTATUS(k.what)) {
				failed[u] += n
			}
		}
		switch {
		case k.aspect >= aspectSite:
			c.alternatives(s, k)
		case k.aspect == aspectCalls:
			for i := range c.sites {
				if x := &c.sites[i]; x.row == k.row && x.routine {
					c.alternatives(s, count{k.image, k.row, aspectSite + uint32(i), 0})
				}
			}
		case k.aspect == aspectReturns:
			c.ways(s, k)
		}
	}
	for u, n := range failed { // some routines have a status in their event only when they fail
		all := c.counts[count{u.image, u.row, aspectCalls, 0}]
		s.Add(c.key(count{u.image, u.row, aspectSuccess, 0}), all-min(n, all))
	}
	return s
}

// alternatives makes those of a site known.
func (c *Collector) alternatives(s *Set, k count) {
	for i := range min(c.sites[k.aspect-aspectSite].most, maxNumbered) {
		k.what = uint32(i)
		s.Add(c.key(k), 0)
	}
}

// maxNumbered is how many alternatives without names are listed at most.
const maxNumbered = 8

// ways makes the ways known in which a request can go.
func (c *Collector) ways(s *Set, k count) {
	for a, names := range ways {
		for i := range names {
			if a == aspectCancelled && i == cancelledAfter && Received(c.rowName(k.row)) {
				continue // the request has gone when it is completed
			}
			s.Add(c.key(count{k.image, k.row, a, uint32(i)}), 0)
		}
	}
}

// key puts a count into words.
func (c *Collector) key(k count) Key {
	key := Key{DDI: c.rowName(k.row)}
	if k.image != 0 {
		key.Image = c.images[k.image-1]
	}
	switch k.aspect {
	case aspectCalls:
		key.Kind = calls
	case aspectStatus:
		key.Kind, key.Aspect, key.Name = "status", "status", ntstatus.NTSTATUS(k.what).String()
	case aspectCalled:
		key.Kind, key.Aspect, key.Name = callbacks, "called", c.labels[k.what]
	case aspectSuccess:
		key.Kind, key.Aspect, key.Name = "status", success, "yes"
	case aspectBool:
		key.Kind, key.Aspect, key.Name = "status", "result", "FALSE"
		if k.what != 0 {
			key.Name = "TRUE"
		}
	case aspectReturns, aspectCompletes, aspectCancelled:
		key.Kind, key.Aspect, key.Name = "request", aspectNames[k.aspect], ways[k.aspect][k.what]
	default:
		x := &c.sites[k.aspect-aspectSite]
		key.Kind, key.Aspect, key.Name = x.kind, x.aspect, x.Alt(int(k.what))
	}
	return key
}

// status counts what a routine returned, where its event tells.
func (c *Collector) status(image, row uint32, e *trace.Event) {
	switch {
	case e.Flags&trace.HasStatus == 0:
	case e.Flags&trace.IsBool != 0:
		c.counts[count{image, row, aspectBool, min(e.Status, 1)}]++
	default:
		c.counts[count{image, row, aspectStatus, e.Status}]++
	}
}
