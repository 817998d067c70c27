package explore

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"calloutsim/internal/ke"
)

func TestDbg(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("DBG"))
	if err != nil {
		t.Skip()
	}
	p := randomProgram(ke.NewRandom(7, uint64(n)))
	short, _ := bounded(t, &Search{Bounds: NoBounds, Reduce: true}, p.scene, 400_000)
	s := &Search{Bounds: NoBounds}
	trail := &ke.Trail{}
	s.Trail = trail
	m := ke.New(ke.Config{})
	shown := 0
	fmt.Println(p, len(short.outcomes), short.findings)
	for more := true; more; {
		m.Reset(ke.Config{Source: s.Begin(), Trail: trail, Processors: ke.Unbounded, Events: -1})
		p.scene(m)
		m.Run(nil)
		bad := len(m.Findings()) == 0 && short.outcomes[trail.Outcome()] == 0
		for _, f := range m.Findings() {
			bad = bad || short.findings[fmt.Sprint(f.Rule)] == 0
		}
		if bad && shown < 1 {
			shown++
			short.outcomes[trail.Outcome()] = 1
			fmt.Println("---- missing", m.Dead(), m.Findings())
			for i, st := range trail.Steps {
				fmt.Println(i, fmt.Sprintf("%x", uint32(st.Actor)), st.Host, st.Choice, trail.Uses(i), trail.After(i))
			}
			for q := uint64(1); q <= m.Log().Len(); q++ {
				e := m.Log().At(q)
				fmt.Println("   ", q, e.What, e.Code, e.Obj, e.Obj2, e.Status, e.A, e.Ctx, e.CPU, e.IRQL, e.Text)
			}
		}
		more = s.End(m)
	}
}

func TestDbg2(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("DBG"))
	if err != nil {
		t.Skip()
	}
	p := randomProgram(ke.NewRandom(7, uint64(n)))
	s := &Search{Bounds: NoBounds, Reduce: true}
	trail := &ke.Trail{}
	s.Trail = trail
	m := ke.New(ke.Config{})
	fmt.Println(p)
	run := 0
	for more := true; more; {
		m.Reset(ke.Config{Source: s.Begin(), Trail: trail, Processors: ke.Unbounded, Events: -1})
		p.scene(m)
		m.Run(nil)
		run++
		more = s.End(m)
		fmt.Println("---- run", run, m.WasCut())
		for i, st := range trail.Steps {
			fmt.Printf("%d:%x.%v ", i, uint32(st.Actor), trail.Uses(i))
		}
		fmt.Println()
		for i := range s.nodes {
			fmt.Printf("  %d(%d): todo %b done %b actors %x sleep", i, s.nodes[i].pick, s.nodes[i].todo.low, s.nodes[i].done.low, s.nodes[i].actors)
			for _, z := range s.nodes[i].sleep {
				fmt.Printf(" %x%v", uint32(z.actor), z.uses)
			}
			fmt.Println()
		}
	}
}
