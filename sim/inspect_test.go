package sim

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/subsystems"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// rewrite has golden files written anew.
var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// TestInspect_ShowsTheMachine: every inspector over one machine that waits in the middle of everything.
func TestInspect_ShowsTheMachine(t *testing.T) {
	m := New(t, Options{Collect: true, NoStacks: true})
	var top, low *irp.DEVICE_OBJECT
	attach := func(dev **irp.DEVICE_OBJECT, name string, below **irp.DEVICE_OBJECT) irp.DRIVER_INITIALIZE {
		return func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
			drv.MajorFunction[irp.IRP_MJ_READ] = keepIt
			s := irp.IoCreateDevice(k, drv, 0, name, irp.FILE_DEVICE_NETWORK, 0, false, dev)
			if below != nil {
				irp.IoAttachDeviceToDeviceStack(k, *dev, *below)
			}
			return s
		}
	}
	m.Load("low.sys", attach(&low, `\Device\Low`, nil))
	m.Load("top.sys", attach(&top, "", &low))
	var outer, inner irql.KSPIN_LOCK
	var event irql.KEVENT
	var mutex irql.FAST_MUTEX
	m.Thread("client.sys", func(k *ke.K) {
		irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 64, irp.Tag("Clnt"))
		irp.ExAllocatePool2(k, irp.POOL_FLAG_PAGED, 100, irp.Tag("Clnt"))
		irql.KeInitializeSpinLock(k, &outer)
		irql.KeInitializeSpinLock(k, &inner)
		var old irql.KIRQL
		irql.KeAcquireSpinLock(k, &outer, &old)
		irql.KeAcquireSpinLockAtDpcLevel(k, &inner)
		irql.KeReleaseSpinLockFromDpcLevel(k, &inner)
		irql.KeReleaseSpinLock(k, &outer, old)
		p := irp.IoAllocateIrp(k, top.StackSize, false)
		irp.IoGetNextIrpStackLocation(k, p).SetMajorFunction(irp.IRP_MJ_READ)
		irp.IoSetCompletionRoutine(k, p, func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP,
			_ any) ntstatus.NTSTATUS {
			irp.IoFreeIrp(k, p)
			return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
		}, nil, true, true, true)
		irp.IoCallDriver(k, top, p)
		irql.ExInitializeFastMutex(k, &mutex)
		irql.ExAcquireFastMutex(k, &mutex)
		irql.KeInitializeEvent(k, &event, irql.NotificationEvent, false)
		irql.KeWaitForSingleObject(k, &event, irql.Executive, irql.KernelMode, false, nil)
		irql.ExReleaseFastMutex(k, &mutex)
	})
	m.Run()
	var got strings.Builder
	for _, command := range []string{"!irpfind", "!drvobj drv#2", "!devobj dev#1", "!devstack dev#1", "!irql",
		"!locks", "!poolused", "!pool pool#2"} {
		lines, err := m.Inspect(command)
		require.NoError(t, err, command)
		for _, l := range lines {
			fmt.Fprintln(&got, strings.TrimRight(l, " "))
		}
	}
	if *rewrite {
		require.NoError(t, os.WriteFile("testdata/inspect.txt", []byte(got.String()), 0o644))
	}
	want, err := os.ReadFile("testdata/inspect.txt")
	require.NoError(t, err)
	assert.Equal(t, string(want), got.String())
	lines, err := m.Inspect("!verifier")
	require.NoError(t, err)
	for _, part := range []string{"Verify Flags Level 0x0002083b", "[X] (0x00000020) Deadlock detection",
		"Clnt", "KeAcquireSpinLock lock#2", "Faults injected:"} {
		assert.Contains(t, strings.Join(lines, "\n"), part)
	}
}

func TestInspect_RefusesWhatMakesNoSense(t *testing.T) {
	m := New(t)
	for _, wrong := range []string{"!irp", "!irp irp#99", "!pool irp#1", "!what", "!irql 1", "!wfp",
		"!wfp classify x", "!wfp classify irp#1", "!wfp classify classify#1"} {
		_, err := m.Inspect(wrong)
		assert.Error(t, err, wrong)
	}
	_, err := subsystems.ParseInspection("!irp irp#99")
	assert.NoError(t, err, "only the machine knows")
	_, err = subsystems.ParseInspection("!what")
	assert.Error(t, err)
	lines, err := m.Inspect("!wfp classify 3")
	require.NoError(t, err)
	assert.Empty(t, lines, "nothing was classified")
}

func keepIt(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	irp.IoMarkIrpPending(k, p)
	return ntstatus.STATUS_PENDING
}
