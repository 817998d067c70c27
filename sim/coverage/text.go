package coverage

import (
	"fmt"
	"strings"
)

// Summary is one line: how much of what is known came up.
func (s *Set) Summary() string {
	seen, known := 0, 0
	for k, n := range s.counts {
		if k.Kind == calls {
			continue
		}
		known++
		if n > 0 {
			seen++
		}
	}
	return fmt.Sprintf("%d of %d known outcomes in %d runs", seen, known, s.Runs)
}

// String gives the table: by driver and routine, what came up how often and what never did.
func (s *Set) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "coverage: %s\n", s.Summary())
	for _, d := range s.tree().Drivers {
		d.print(&b)
	}
	return b.String()
}

func (d *driver) print(b *strings.Builder) {
	name := d.Image
	if name == "" {
		name = "around the drivers"
	}
	fmt.Fprintf(b, "\n%s\n", name)
	for i := range d.DDIs {
		d.DDIs[i].print(b)
	}
}

// print writes the routine: a line for each aspect, and one with what never came up.
func (r *routine) print(b *strings.Builder) {
	fmt.Fprintf(b, "  %s", r.Name)
	if r.Calls > 0 {
		fmt.Fprintf(b, "  %d calls", r.Calls)
	}
	b.WriteByte('\n')
	var never []string
	aspect, sep := "", ""
	for _, o := range r.Outcomes {
		if o.Count > 0 && o.Aspect == success {
			continue // the statuses say it
		}
		if o.Count == 0 {
			never = append(never, o.Aspect+"="+o.Name)
			continue
		}
		if key := o.Kind + " " + o.Aspect; key != aspect {
			if aspect != "" {
				b.WriteByte('\n')
			}
			fmt.Fprintf(b, "      %s:", o.Aspect)
			aspect, sep = key, " "
		}
		fmt.Fprintf(b, "%s%s %d", sep, o.Name, o.Count)
		sep = ", "
	}
	if aspect != "" {
		b.WriteByte('\n')
	}
	if len(never) > 0 {
		fmt.Fprintf(b, "      never: %s\n", strings.Join(never, "; "))
	}
}
