package explore

import (
	"fmt"
	"testing"

	"calloutsim/internal/ke"
)

func TestDbg(t *testing.T) {
	i := 220
	r := ke.NewRandom(11, uint64(i))
	p := randomProgram(r, len(requests), 4)
	fn := scenario(p, int(r.Next()%4)-1)
	fmt.Println(p.words(names(requests)))
	fmt.Println(commutes(t, "x", fn, 400))
	short, _ := bounded(t, &Search{Bounds: noFaults, Reduce: true}, fn, 3000)
	fmt.Println(short.runs, short.whole, short.outcomes, short.stopped)
	m, trail := ke.New(ke.Config{}), &ke.Trail{}
	for i := range 300 {
		p, _ := play(m, trail, fn, mute{picker{ke.NewRandom(3, uint64(i))}})
		if short.outcomes[p.outcome] == 0 {
			explain(t, &p, 0)
			break
		}
	}
}
