package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/sim"
)

// TestStories plays runs and compares what happened in them, as a reader would see it, with the transcripts
// in testdata/stories; -rewrite writes these anew. `play SCENARIO` plays the run of a scenario that ksim run
// shows, seed=N another; show=(WORD, …) leaves out the events in which none of the words occurs.
func TestStories(t *testing.T) {
	datadriven.Walk(t, filepath.Join("testdata", "stories"), func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd != "play" || len(d.CmdArgs) == 0 {
				d.Fatalf(t, "play SCENARIO [seed=N] [show=(WORD, …)]")
			}
			all := append(scenarios(), startIoStory())
			i := slices.IndexFunc(all, func(s sim.Scenario) bool { return s.Name == d.CmdArgs[0].Key })
			if i < 0 {
				d.Fatalf(t, "there is no scenario %s", d.CmdArgs[0].Key)
			}
			o := sim.RunOptions{}
			var words []string
			for _, a := range d.CmdArgs[1:] {
				switch a.Key {
				case "seed":
					a.Scan(t, 0, &o.Seed)
				case "show":
					words = a.Vals
				}
			}
			out, err := sim.RunScenario(all[i], o)
			require.NoError(t, err)
			defer out.Close()
			return story(t, &out, words)
		})
	})
}

// eventHead matches what stands before the lanes of a timeline: number, time, processor and level. The level
// is left.
var eventHead = regexp.MustCompile(`^ *#\d+ +\+\S+ +\d+ (\w+ *) `)

// counts are in the verdict and change with every event that is added anywhere.
var counts = regexp.MustCompile(`; \d+ events, \d+ scheduling points, \S+$`)

// story tells a run.
func story(t *testing.T, out *sim.Outcome, words []string) string {
	t.Helper()
	var timeline bytes.Buffer
	require.NoError(t, out.Machine.WriteTimeline(&timeline, 118, false))
	var b strings.Builder
	wanted := func(line string) bool {
		return len(words) == 0 || slices.ContainsFunc(words, func(w string) bool {
			return strings.Contains(line, w)
		})
	}
	for line := range strings.Lines(timeline.String()) {
		head := eventHead.FindStringSubmatch(line)
		if head == nil || !wanted(line) {
			continue
		}
		fmt.Fprintf(&b, "%s%s\n", head[1], strings.TrimRight(line[len(head[0])-1:], " \n"))
	}
	fmt.Fprintln(&b, counts.ReplaceAllString(out.Verdict(), ""))
	return b.String()
}

// disk is a driver whose device does one request at a time.
type disk struct {
	dev   *irp.DEVICE_OBJECT
	timer irql.KTIMER
	done  irql.KDPC
}

func (d *disk) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	s := irp.IoCreateDevice(k, drv, 0, `\Device\Disk`, irp.FILE_DEVICE_UNKNOWN, 0, false, &d.dev)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	irql.KeInitializeTimer(k, &d.timer)
	irql.KeInitializeDpc(k, &d.done, d.interrupted, nil)
	drv.MajorFunction[irp.IRP_MJ_CREATE], drv.MajorFunction[irp.IRP_MJ_CLOSE] = d.open, d.open
	drv.MajorFunction[irp.IRP_MJ_READ] = d.read
	drv.DriverStartIo, drv.DriverUnload = d.startIo, d.unload
	return irp.IoCreateSymbolicLink(k, `\DosDevices\Disk`, `\Device\Disk`)
}

func (d *disk) open(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	p.IoStatus().Status = ntstatus.STATUS_SUCCESS
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	return ntstatus.STATUS_SUCCESS
}

// read leaves the request to StartIo, at once or when those before it are done.
func (d *disk) read(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	irp.IoMarkIrpPending(k, p)
	irp.IoStartPacket(k, dev, p, nil, nil)
	return ntstatus.STATUS_PENDING
}

// startIo has the device begin; a timer stands for its interrupt.
func (d *disk) startIo(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP) {
	irql.KeSetTimer(k, &d.timer, -10_000, &d.done)
}

func (d *disk) interrupted(k *irql.K, _ *irql.KDPC, _, _, _ any) {
	p := d.dev.CurrentIrp()
	irp.IoStartNextPacket(k, d.dev, false)
	p.IoStatus().Status = ntstatus.STATUS_SUCCESS
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
}

func (d *disk) unload(k *irql.K, _ *irp.DRIVER_OBJECT) {
	irp.IoDeleteSymbolicLink(k, `\DosDevices\Disk`)
	irp.IoDeleteDevice(k, d.dev)
}

// startIoStory is a program that reads three times at once.
func startIoStory() sim.Scenario {
	return sim.Scenario{Name: "start-io", Run: func(m *sim.Machine) {
		m.Load("disk.sys", new(disk).DriverEntry)
		m.Process("app.exe").Go("main", func(u *sim.User) {
			h, err := u.Open(`\\.\Disk`)
			require.NoError(m, err)
			var all []*sim.Pending
			for range 3 {
				all = append(all, h.StartRead(make([]byte, 4), 0))
			}
			for _, r := range all {
				r.Wait()
			}
			require.NoError(m, h.Close())
		})
		m.Run()
		m.Unload("disk.sys")
	}}
}
