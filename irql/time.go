package irql

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
)

// timeIncrement is the length of a clock tick in units of 100 ns.
const timeIncrement = 156250

// KeQuerySystemTime stores the time in units of 100 ns since 1601, UTC. It is virtual: it moves on when
// nothing else can.
//
// IRQL: any.
// Ownership: currentTime is written before return.
// Rules: none.
// Not modelled: the clock advances continuously instead of by ticks.
// Reference: wdm/nf-wdm-kequerysystemtime.
func KeQuerySystemTime(k *K, currentTime *int64) {
	ke.Enter(k, ddi.KeQuerySystemTime)
	*currentTime = ke.Time(k)
}

// KeQuerySystemTimePrecise is KeQuerySystemTime: virtual time is precise.
//
// IRQL: any.
// Ownership: currentTime is written before return.
// Rules: none.
// Not modelled: none.
// Reference: wdm/nf-wdm-kequerysystemtimeprecise.
func KeQuerySystemTimePrecise(k *K, currentTime *int64) {
	ke.Enter(k, ddi.KeQuerySystemTimePrecise)
	*currentTime = ke.Time(k)
}

// KeQueryInterruptTime returns the time since the machine was started, in units of 100 ns.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: wdm/nf-wdm-kequeryinterrupttime.
func KeQueryInterruptTime(k *K) uint64 {
	ke.Enter(k, ddi.KeQueryInterruptTime)
	return uint64(ke.Since(ke.Time(k)))
}

// KeQueryUnbiasedInterruptTime is KeQueryInterruptTime: the machine never sleeps.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: wdm/nf-wdm-kequeryunbiasedinterrupttime.
func KeQueryUnbiasedInterruptTime(k *K) uint64 {
	ke.Enter(k, ddi.KeQueryUnbiasedInterruptTime)
	return uint64(ke.Since(ke.Time(k)))
}

// KeQueryTickCount stores the number of clock ticks since the machine was started.
//
// IRQL: any.
// Ownership: currentCount is written before return.
// Rules: none.
// Not modelled: none.
// Reference: ntddk/nf-ntddk-kequerytickcount.
func KeQueryTickCount(k *K, currentCount *int64) {
	ke.Enter(k, ddi.KeQueryTickCount)
	*currentCount = ke.Since(ke.Time(k)) / timeIncrement
}

// KeQueryTimeIncrement returns the length of a clock tick in units of 100 ns.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: wdm/nf-wdm-kequerytimeincrement.
func KeQueryTimeIncrement(k *K) uint32 {
	ke.Enter(k, ddi.KeQueryTimeIncrement)
	return timeIncrement
}

// KeQueryPerformanceCounter returns a counter of 10 MHz, and its frequency if performanceFrequency is not
// nil.
//
// IRQL: any.
// Ownership: performanceFrequency is written before return.
// Rules: none.
// Not modelled: none.
// Reference: ntifs/nf-ntifs-kequeryperformancecounter.
func KeQueryPerformanceCounter(k *K, performanceFrequency *int64) int64 {
	ke.Enter(k, ddi.KeQueryPerformanceCounter)
	if performanceFrequency != nil {
		*performanceFrequency = ke.Second
	}
	return ke.Since(ke.Time(k))
}

// KeStallExecutionProcessor keeps the processor busy for a time; others run meanwhile on other processors,
// and on this one if the level allows it.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: ntifs/nf-ntifs-kestallexecutionprocessor.
func KeStallExecutionProcessor(k *K, microSeconds uint32) {
	ke.Enter(k, ddi.KeStallExecutionProcessor)
	ke.Stall(k, int64(microSeconds)*ke.Microsecond)
}
