package irp_test

// fuzzSeeds are scripts that reach far: requests that go down and come back, in every family of operations.
func fuzzSeeds() [][]byte {
	seeds := [][]byte{nil, {0}, {4, 0}}
	for mode := range byte(8) {
		for start := range byte(9) {
			s := []byte{mode, start}
			for i := range 300 {
				s = append(s, byte(i*i)*7+start*byte(i)+byte(i>>3)*11)
			}
			seeds = append(seeds, s, append([]byte{mode | wide}, s[1:]...))
		}
	}
	return seeds
}
