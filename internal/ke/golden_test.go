package ke

// Hashes of the event sequences of busy; they change whenever the scheduler or the events do.
const (
	goldenBoring = 0x71e36184cc910b1a
	goldenRandom = 0x74e056ff80d64f27
)
