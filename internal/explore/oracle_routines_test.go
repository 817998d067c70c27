package explore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
)

// shares are what the threads of a random program of the routines beside the core share.
type shares struct {
	m       *ke.Machine
	v       [2]irql.Var[int32]
	e       [2]irql.KEVENT
	mutant  irql.KMUTANT
	res     irql.ERESOURCE
	run     irql.EX_RUNDOWN_REF
	d       irql.KDPC
	object  *irp.CALLBACK_OBJECT
	process *ke.Process
}

const ownerPointer irql.ERESOURCE_THREAD = 0x1003

func (s *shares) init(k *irql.K) {
	irql.KeInitializeEvent(k, &s.e[0], irql.NotificationEvent, false)
	irql.KeInitializeEvent(k, &s.e[1], irql.SynchronizationEvent, false)
	irql.KeInitializeMutant(k, &s.mutant, false)
	irql.ExInitializeResourceLite(k, &s.res)
	irql.ExInitializeRundownProtection(k, &s.run)
	irql.KeInitializeThreadedDpc(k, &s.d, func(k *irql.K, _ *irql.KDPC, _, _, _ any) {
		irql.InterlockedIncrement(k, &s.v[0])
	}, nil)
	irp.ExCreateCallback(k, &s.object, nil, true, true)
	s.process = s.m.NewProcess("app.exe", false)
}

func (s *shares) wait(k *irql.K, object any) uint64 {
	due := int64(-10)
	return uint64(irql.KeWaitForSingleObject(k, object, irql.Executive, irql.KernelMode, false, &due))
}

func (s *shares) told(k *irql.K, _, _ irql.HANDLE, _ bool) { irql.InterlockedIncrement(k, &s.v[1]) }

var routineActs = []act[shares]{
	{"inc0", func(k *irql.K, s *shares) { irql.InterlockedIncrement(k, &s.v[0]) }},
	{"inc1", func(k *irql.K, s *shares) { irql.InterlockedIncrement(k, &s.v[1]) }},
	{"pulse", func(k *irql.K, s *shares) { ke.Sees(k, uint64(irql.KePulseEvent(k, &s.e[0], 0, false))) }},
	{"pulse1", func(k *irql.K, s *shares) { irql.KePulseEvent(k, &s.e[1], 0, false) }},
	{"set", func(k *irql.K, s *shares) { irql.KeSetEvent(k, &s.e[0], 0, false) }},
	{"wait", func(k *irql.K, s *shares) { ke.Sees(k, s.wait(k, &s.e[0])) }},
	{"wait1", func(k *irql.K, s *shares) { ke.Sees(k, s.wait(k, &s.e[1])) }},
	{"mutant", func(k *irql.K, s *shares) {
		if n := s.wait(k, &s.mutant); n == 0 || n == 0x80 {
			ke.Sees(k, n)
			irql.InterlockedIncrement(k, &s.v[0])
			irql.KeReleaseMutant(k, &s.mutant, 0, false, false)
		}
	}},
	{"abandon", func(k *irql.K, s *shares) { // the child ends as its owner
		s.m.NewThread("child", nil, func(k *irql.K) { s.wait(k, &s.mutant) })
	}},
	{"owner", func(k *irql.K, s *shares) {
		irql.KeEnterCriticalRegion(k)
		if irql.ExAcquireResourceExclusiveLite(k, &s.res, false) {
			irql.ExSetResourceOwnerPointer(k, &s.res, ownerPointer)
			irql.InterlockedIncrement(k, &s.v[1])
			irql.ExReleaseResourceForThreadLite(k, &s.res, ownerPointer)
		}
		irql.KeLeaveCriticalRegion(k)
	}},
	{"resource", func(k *irql.K, s *shares) {
		irql.ExEnterCriticalRegionAndAcquireResourceShared(k, &s.res)
		s.v[1].Load(k)
		irql.ExReleaseResourceAndLeaveCriticalRegion(k, &s.res)
	}},
	{"rundown", func(k *irql.K, s *shares) {
		if irql.ExAcquireRundownProtectionEx(k, &s.run, 2) {
			irql.InterlockedIncrement(k, &s.v[0])
			irql.ExReleaseRundownProtectionEx(k, &s.run, 2)
		}
	}},
	{"down", func(k *irql.K, s *shares) { irql.ExRundownCompleted(k, &s.run) }},
	{"threaded", func(k *irql.K, s *shares) {
		ke.Sees(k, bit(irql.KeInsertQueueDpc(k, &s.d, nil, nil)))
	}},
	{"undpc", func(k *irql.K, s *shares) { ke.Sees(k, bit(irql.KeRemoveQueueDpc(k, &s.d))) }},
	{"flush", func(k *irql.K, s *shares) { irql.KeFlushQueuedDpcs(k); s.v[0].Load(k) }},
	{"generic", func(k *irql.K, s *shares) {
		irql.KeGenericCallDpc(k, func(k *irql.K, _ *irql.KDPC, _, done, barrier any) {
			irql.KeSignalCallDpcSynchronize(k, barrier)
			irql.InterlockedIncrement(k, &s.v[1])
			irql.KeSignalCallDpcDone(k, done)
		}, nil)
	}},
	{"register", func(k *irql.K, s *shares) {
		r := irp.ExRegisterCallback(k, s.object, func(k *irql.K, _, _, _ any) {
			irql.InterlockedIncrement(k, &s.v[0])
		}, nil)
		irp.ExUnregisterCallback(k, r)
	}},
	{"notify", func(k *irql.K, s *shares) { irp.ExNotifyCallback(k, s.object, nil, nil) }},
	{"watch", func(k *irql.K, s *shares) {
		ke.Sees(k, uint64(irp.PsSetCreateProcessNotifyRoutine(k, s.told, false)))
		ke.Sees(k, uint64(irp.PsSetCreateProcessNotifyRoutine(k, s.told, true)))
	}},
	{"process", func(k *irql.K, s *shares) { irp.Sim.ProcessCreated(k, s.process) }},
}

// TestSearch_RandomProgramsOfFurtherRoutines is the same for pulses, mutants, owner pointers, threaded and
// generic DPCs, callbacks and notify routines.
func TestSearch_RandomProgramsOfFurtherRoutines(t *testing.T) {
	o := oracle{names: names(routineActs), limit: 3000, size: 5}
	o.run(t, 11, 60, func(p program, _ *ke.Random) scene {
		return func(m *ke.Machine) {
			s := &shares{m: m}
			m.NewThread("main", nil, func(k *irql.K) {
				s.init(k)
				for _, list := range p {
					m.NewThread("t", nil, func(k *irql.K) {
						for _, a := range list {
							routineActs[a].do(k, s)
						}
					})
				}
			})
		}
	})
	require.Greater(t, o.compared, 15)
}
