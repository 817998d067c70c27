package irp_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Conformance of stack locations and of the climb: irp.md 2, 4 and 25.

// story is what a scenario notes down, one line per event.
type story struct{ lines []string }

func (s *story) add(format string, args ...any) {
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

func (s *story) want(t *testing.T, lines ...string) {
	t.Helper()
	if d := cmp.Diff(lines, s.lines); d != "" {
		t.Errorf("story (-want +got):\n%s", d)
	}
}

// names gives devices the names of the example.
type names map[*irp.DEVICE_OBJECT]string

func (n names) of(dev *irp.DEVICE_OBJECT) string {
	if dev == nil {
		return "NULL"
	}
	return n[dev]
}

// telling is a routine that tells the story and goes on as next says.
func (s *story) telling(name string, n names, next irp.IO_COMPLETION_ROUTINE) irp.IO_COMPLETION_ROUTINE {
	return func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP, context any) ntstatus.NTSTATUS {
		s.add("%s: location %d, device %s, pending %v", name, p.CurrentLocation(), n.of(dev),
			p.PendingReturned())
		return next(k, dev, p, context)
	}
}

// TestClimb_WorkedExample is the table at the end of irp.md 4: top T, middle M, lowest L, a creator without
// location. windows-driver-docs-pr/kernel/i-o-stack-locations.md, "I/O Stack Locations"
func TestClimb_WorkedExample(t *testing.T) {
	l := newLab(t, ke.Config{})
	s, n := &story{}, names{}
	var low *driver
	st := l.stack(
		func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			s.add("T: location %d of %d", p.CurrentLocation(), p.StackCount())
			return forward(k, d, p, s.telling("CT", n, propagate))
		},
		func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			s.add("M: location %d", p.CurrentLocation())
			return forward(k, d, p, s.telling("CM", n, propagate))
		},
		func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			s.add("L: location %d, control 0x%02x", p.CurrentLocation(),
				irp.IoGetCurrentIrpStackLocation(k, p).Control())
			s2 := keeps(k, d, p)
			s.add("L: marked, control 0x%02x", irp.IoGetCurrentIrpStackLocation(k, p).Control())
			low = d
			return s2
		})
	n[st[0].dev], n[st[1].dev], n[st[2].dev] = "T", "M", "L"
	l.run(func(k *irql.K) {
		p := irp.IoAllocateIrp(k, st[0].dev.StackSize, false)
		s.add("creator: location %d of %d", p.CurrentLocation(), p.StackCount())
		prepare(k, p, s.telling("CC", n, freeIt), nil)
		s.add("T returned %v", irp.IoCallDriver(k, st[0].dev, p))
	})
	low.later(func(k *irql.K) { complete(k, low.kept, ok) })
	l.rest()
	l.silent()
	s.want(t,
		"creator: location 4 of 3",
		"T: location 3 of 3", "M: location 2", "L: location 1, control 0xe0", "L: marked, control 0xe1",
		"T returned STATUS_PENDING",
		"CM: location 2, device M, pending true",
		"CT: location 3, device T, pending true",
		"CC: location 4, device NULL, pending true")
}

// TestClimb_WorkedExampleSkipped: M skips, two locations are enough, L runs in M's, and CT is called
// directly. windows-driver-docs-pr/kernel/passing-irps-down-the-driver-stack.md, "Passing IRPs down the
// Driver Stack"
func TestClimb_WorkedExampleSkipped(t *testing.T) {
	l := newLab(t, ke.Config{})
	s, n := &story{}, names{}
	st := l.stack(
		func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			return forward(k, d, p, s.telling("CT", n, propagate))
		},
		func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			r := irp.IoGetCurrentIrpStackLocation(k, p).CompletionRoutine()
			assert.NotNil(t, r, "the routine in M's location is T's")
			s.add("M: location %d", p.CurrentLocation())
			return skips(k, d, p)
		},
		func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			loc := irp.IoGetCurrentIrpStackLocation(k, p)
			s.add("L: location %d, device %s", p.CurrentLocation(), n.of(loc.DeviceObject()))
			return pends(ok)(k, d, p)
		})
	n[st[0].dev], n[st[1].dev], n[st[2].dev] = "T", "M", "L"
	l.run(func(k *irql.K) {
		p := irp.IoAllocateIrp(k, 2, false)
		prepare(k, p, s.telling("CC", n, freeIt), nil)
		irp.IoCallDriver(k, st[0].dev, p)
	})
	l.silent()
	s.want(t, "M: location 1", "L: location 1, device L",
		"CT: location 2, device T, pending true", "CC: location 3, device NULL, pending true")
}

// TestCurrentLocation_AtEveryMoment is the table of irp.md 2.1 for the moments the worked example does not
// show. windows-driver-docs-ddi: wdk-ddi-src/content/wdm/nf-wdm-iosetnextirpstacklocation.md, "-remarks"
func TestCurrentLocation_AtEveryMoment(t *testing.T) {
	l := newLab(t, ke.Config{})
	s, n := &story{}, names{}
	st := l.stack(forwards(nil), completes(ok))
	own := &irp.DEVICE_OBJECT{}
	n[own] = "own"
	l.run(func(k *irql.K) {
		p := irp.IoAllocateIrp(k, st[0].dev.StackSize+1, false)
		s.add("allocated: %d of %d", p.CurrentLocation(), p.StackCount())
		irp.IoSetNextIrpStackLocation(k, p)
		s.add("own location: %d", p.CurrentLocation())
		irp.IoGetCurrentIrpStackLocation(k, p).SetDeviceObject(own)
		prepare(k, p, s.telling("CC", n, stopIt), nil)
		irp.IoCallDriver(k, st[0].dev, p)
		s.add("stopped: %d", p.CurrentLocation())
		irp.IoReuseIrp(k, p, failed)
		s.add("reused: %d of %d, status %v", p.CurrentLocation(), p.StackCount(), p.IoStatus().Status)
		irp.IoFreeIrp(k, p)
	})
	l.silent()
	s.want(t, "allocated: 4 of 3", "own location: 3", "CC: location 3, device own, pending false",
		"stopped: 3",
		"reused: 4 of 3, status STATUS_UNSUCCESSFUL")
}

// TestIoAllocateIrp_Limits: StackCount+2 must fit a signed byte. INFERRED (irp.md 2.1).
// windows-driver-docs-ddi: wdk-ddi-src/content/wdm/nf-wdm-ioallocateirp.md, "-parameters"
func TestIoAllocateIrp_Limits(t *testing.T) {
	l := newLab(t, ke.Config{})
	l.run(func(k *irql.K) {
		for _, n := range []int8{1, 8, 9, 125} {
			p := irp.IoAllocateIrp(k, n, false)
			require.NotNil(t, p)
			assert.Equal(t, n+1, p.CurrentLocation())
			assert.Equal(t, irql.KernelMode, p.RequestorMode())
			irp.IoFreeIrp(k, p)
		}
		assert.Nil(t, irp.IoAllocateIrp(k, 126, false))
		assert.Nil(t, irp.IoAllocateIrp(k, -1, false))
	})
	l.silent()
	assert.Equal(t, uint16(0xD0+3*0x48), irp.IoSizeOfIrp(3))
}

// TestIoCopyCurrentIrpStackLocationToNext_WhatItCopies: everything before CompletionRoutine; Control becomes
// 0, and the parameters of the two locations are independent afterwards. windows-driver-docs-ddi:
// wdk-ddi-src/content/wdm/nf-wdm-iocopycurrentirpstacklocationtonext.md, "-remarks"
func TestIoCopyCurrentIrpStackLocationToNext_WhatItCopies(t *testing.T) {
	passes(t, func(l *lab) {
		l.through(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			cur := irp.IoGetCurrentIrpStackLocation(k, p)
			cur.SetMinorFunction(7)
			cur.SetFlags(3)
			cur.Parameters().DeviceIoControl.IoControlCode = ioctlTest
			cur.Parameters().Others.Argument1 = "argument"
			irp.IoCopyCurrentIrpStackLocationToNext(k, p)
			next := irp.IoGetNextIrpStackLocation(k, p)
			assert.Equal(t, uint8(irp.IRP_MJ_DEVICE_CONTROL), next.MajorFunction())
			assert.Equal(t, uint8(7), next.MinorFunction())
			assert.Equal(t, uint8(3), next.Flags())
			assert.Equal(t, cur.DeviceObject(), next.DeviceObject())
			assert.Zero(t, next.Control())
			assert.Equal(t, *cur.Parameters(), *next.Parameters())
			next.Parameters().DeviceIoControl.IoControlCode = 1
			assert.Equal(t, uint32(ioctlTest), cur.Parameters().DeviceIoControl.IoControlCode)
			s := irp.IoCallDriver(k, d.below, p)
			return s
		}, completes(ok))
	})
}

// TestIoCallDriver_OverwritesOnlyTheDevice: a skipped driver's device is recorded nowhere.
// windows-driver-docs-ddi: wdk-ddi-src/content/wdm/nf-wdm-iofcalldriver.md, "-remarks"
func TestIoCallDriver_OverwritesOnlyTheDevice(t *testing.T) {
	passes(t, func(l *lab) {
		var low *irp.DEVICE_OBJECT
		st := l.stack(skips, skips, func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			loc := irp.IoGetCurrentIrpStackLocation(k, p)
			low = loc.DeviceObject()
			assert.Equal(t, uint32(ioctlTest), loc.Parameters().DeviceIoControl.IoControlCode)
			assert.Equal(t, uint8(9), loc.MinorFunction())
			return complete(k, p, ok)
		})
		l.run(func(k *irql.K) {
			p := request(k, st[0].dev, freeIt, nil)
			next := irp.IoGetNextIrpStackLocation(k, p)
			next.SetMinorFunction(9)
			next.Parameters().DeviceIoControl.IoControlCode = ioctlTest
			irp.IoCallDriver(k, st[0].dev, p)
		})
		assert.Equal(t, st[2].dev, low)
	})
}

// TestIoCallDriver_EmptyEntryOfTheTable: the I/O manager's own routine completes with
// STATUS_INVALID_DEVICE_REQUEST. windows-driver-docs-ddi: wdk-ddi-src/content/wdm/ns-wdm-_driver_object.md,
// "-struct-fields"
func TestIoCallDriver_EmptyEntryOfTheTable(t *testing.T) {
	passes(t, func(l *lab) {
		var dev *irp.DEVICE_OBJECT
		l.load("empty.sys", nil, func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
			return irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &dev)
		})
		l.run(func(k *irql.K) {
			p := request(k, dev, stopIt, nil)
			assert.Equal(t, ntstatus.STATUS_INVALID_DEVICE_REQUEST, irp.IoCallDriver(k, dev, p))
			assert.Equal(t, irp.IO_STATUS_BLOCK{Status: ntstatus.STATUS_INVALID_DEVICE_REQUEST},
				*p.IoStatus())
			irp.IoFreeIrp(k, p)
		})
	})
}

// TestClimb_MarkTravelsWhereNoRoutineRuns: the middle driver copies without a routine, the lowest pends; the
// routine of the top driver must see PendingReturned (irp.md 25 a).
// windows-driver-docs-pr/kernel/implementing-an-iocompletion-routine.md, "Implementing an IoCompletion
// Routine"
func TestClimb_MarkTravelsWhereNoRoutineRuns(t *testing.T) {
	for _, c := range []named[dispatch]{
		{"no routine", forwards(nil)},
		{"routine not selected", func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoCopyCurrentIrpStackLocationToNext(k, p)
			irp.IoSetCompletionRoutine(k, p, propagate, nil, false, true, true)
			return irp.IoCallDriver(k, d.below, p)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			passes(t, func(l *lab) {
				saw := false
				top := forwards(func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP,
					context any) ntstatus.NTSTATUS {
					saw = p.PendingReturned()
					return propagate(k, dev, p, context)
				})
				assert.Equal(t, pending, l.through(top, c.do, pends(ok)))
				assert.True(t, saw)
			})
		})
	}
}

// TestClimb_NoMarkWhereNobodyPended: the routine of the top driver sees FALSE when the request completed
// inline. windows-driver-docs-ddi: wdk-ddi-src/content/wdm/ns-wdm-_irp.md, "-struct-fields"
func TestClimb_NoMarkWhereNobodyPended(t *testing.T) {
	passes(t, func(l *lab) {
		saw := true
		top := forwards(func(_ *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, _ any) ntstatus.NTSTATUS {
			saw = p.PendingReturned()
			return resume
		})
		l.through(top, forwards(nil), completes(ok))
		assert.False(t, saw)
	})
}

// TestClimb_SelectionByStatus: success is NT_SUCCESS, informational codes included; warnings select
// INVOKE_ON_ERROR (irp.md 25 b). INVOKE_ON_CANCEL looks at Irp.Cancel, not at STATUS_CANCELLED.
// windows-driver-docs-ddi: wdk-ddi-src/content/wdm/nf-wdm-iosetcompletionroutine.md, "-remarks"
func TestClimb_SelectionByStatus(t *testing.T) {
	const success, onError, onCancel = 1, 2, 4
	for _, c := range []struct {
		status ntstatus.NTSTATUS
		cancel bool
		runs   int // flags that select the routine on their own
	}{
		{ok, false, success},
		{0x00000104, false, success}, // STATUS_REPARSE
		{0x40000000, false, success},
		{0x80000005, false, onError}, // STATUS_BUFFER_OVERFLOW
		{failed, false, onError},
		{ntstatus.STATUS_CANCELLED, false, onError},
		{ok, true, success | onCancel},
		{0x40000000, true, success | onCancel},
		{0x80000005, true, onError | onCancel},
		{ntstatus.STATUS_CANCELLED, true, onError | onCancel},
	} {
		for _, flag := range []int{0, success, onError, onCancel} {
			t.Run(fmt.Sprintf("%v cancel %v flag %d", c.status, c.cancel, flag), func(t *testing.T) {
				ran := selected(t, c.status, c.cancel, flag&success != 0, flag&onError != 0,
					flag&onCancel != 0)
				assert.Equal(t, c.runs&flag != 0, ran)
			})
		}
	}
}

func selected(t *testing.T, status ntstatus.NTSTATUS, cancel, onSuccess, onError, onCancel bool) (ran bool) {
	passes(t, func(l *lab) {
		st := l.stack(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoCopyCurrentIrpStackLocationToNext(k, p)
			irp.IoSetCompletionRoutine(k, p, func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP,
				context any) ntstatus.NTSTATUS {
				ran = true
				return propagate(k, dev, p, context)
			}, nil, onSuccess, onError, onCancel)
			return irp.IoCallDriver(k, d.below, p)
		}, keeps)
		l.begin(func(k *irql.K) {
			p := request(k, st[0].dev, freeIt, nil)
			irp.IoCallDriver(k, st[0].dev, p)
			if cancel {
				assert.False(t, irp.IoCancelIrp(k, p))
			}
		})
		st[1].completeLater(st[1].kept, status)
		l.rest()
	})
	return ran
}

// TestClimb_SelectionUsesTheStatusAtThatMoment: a routine that rewrites the status changes which flag selects
// the next. windows-driver-docs-pr/kernel/completing-irps.md, "Completing IRPs"
func TestClimb_SelectionUsesTheStatusAtThatMoment(t *testing.T) {
	passes(t, func(l *lab) {
		s := &story{}
		onError := func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoMarkIrpPending(k, p)
			irp.IoCopyCurrentIrpStackLocationToNext(k, p)
			irp.IoSetCompletionRoutine(k, p, func(*irql.K, *irp.DEVICE_OBJECT, *irp.IRP,
				any) ntstatus.NTSTATUS {
				s.add("top")
				return resume
			}, nil, false, true, false)
			irp.IoCallDriver(k, d.below, p)
			return pending
		}
		rewrites := func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoMarkIrpPending(k, p)
			forward(k, d, p, func(_ *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, _ any) ntstatus.NTSTATUS {
				s.add("middle")
				p.IoStatus().Status = failed
				return resume
			})
			return pending
		}
		l.through(onError, rewrites, completes(ok))
		s.want(t, "middle", "top")
	})
}

// TestClimb_AnyOtherValueContinues: only STATUS_MORE_PROCESSING_REQUIRED is special.
// windows-driver-docs-pr/kernel/different-ways-of-handling-irps-cheat-sheet.md,
// "Different ways of handling IRPs - Cheat sheet"
func TestClimb_AnyOtherValueContinues(t *testing.T) {
	for _, s := range []ntstatus.NTSTATUS{ok, failed, pending, 0xFFFFFFFF, ntstatus.STATUS_CANCELLED} {
		passes(t, func(l *lab) {
			l.through(forwards(func(*irql.K, *irp.DEVICE_OBJECT, *irp.IRP, any) ntstatus.NTSTATUS {
				return s
			}), completes(ok))
		})
	}
}

// TestClimb_ResumedAboveItsOwnRoutine: a stopped IRP that is completed again goes on with the routine above.
// windows-driver-docs-ddi: wdk-ddi-src/content/wdm/nc-wdm-io_completion_routine.md, "-remarks"
func TestClimb_ResumedAboveItsOwnRoutine(t *testing.T) {
	passes(t, func(l *lab) {
		s, n := &story{}, names{}
		st := l.stack(
			func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
				return forward(k, d, p, s.telling("CT", n, propagate))
			},
			func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
				irp.IoMarkIrpPending(k, p)
				forward(k, d, p, s.telling("CM", n, stopIt))
				s.add("M resumes at %d", p.CurrentLocation())
				complete(k, p, failed)
				return pending
			}, completes(ok))
		n[st[0].dev], n[st[1].dev] = "T", "M"
		l.send(st[0])
		s.want(t, "CM: location 2, device M, pending false", "M resumes at 2",
			"CT: location 3, device T, pending true")
	})
}

// TestClimb_SeveralRoutinesOnTheCompletersStack: they run inside one IoCompleteRequest, at its IRQL, in its
// context. windows-driver-docs-ddi: wdk-ddi-src/content/wdm/nc-wdm-io_completion_routine.md, "-remarks"
func TestClimb_SeveralRoutinesOnTheCompletersStack(t *testing.T) {
	passes(t, func(l *lab) {
		var where []string
		note := func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP, context any) ntstatus.NTSTATUS {
			where = append(where, ke.ContextName(k)+" at "+irql.KeGetCurrentIrql(k).String())
			return propagate(k, dev, p, context)
		}
		st := l.stack(forwards(note), forwards(note), keeps)
		l.send(st[0])
		st[2].later(func(k *irql.K) {
			var old irql.KIRQL
			irql.KeRaiseIrql(k, irql.DISPATCH_LEVEL, &old)
			complete(k, st[2].kept, ok)
			irql.KeLowerIrql(k, old)
		})
		l.rest()
		assert.Equal(t, []string{"thread of drv2.sys at DISPATCH_LEVEL",
			"thread of drv2.sys at DISPATCH_LEVEL"}, where)
	})
}

// TestClimb_CompletedLocationReadsAsZero: parameters, minor function, flags and Control of the location below
// are gone when the routine runs (irp.md 25 d). windows-driver-docs-ddi:
// wdk-ddi-src/content/wdm/nf-wdm-iofcompleterequest.md, "-remarks"
func TestClimb_CompletedLocationReadsAsZero(t *testing.T) {
	passes(t, func(l *lab) {
		read := forwards(func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, _ any) ntstatus.NTSTATUS {
			gone := irp.IoGetNextIrpStackLocation(k, p)
			assert.Zero(t, *gone.Parameters())
			assert.Zero(t, gone.MinorFunction())
			assert.Zero(t, gone.Flags())
			assert.Zero(t, gone.Control())
			own := irp.IoGetCurrentIrpStackLocation(k, p)
			assert.Equal(t, uint32(ioctlTest), own.Parameters().DeviceIoControl.IoControlCode)
			return resume
		})
		st := l.stack(read, completes(ok))
		l.run(func(k *irql.K) {
			p := request(k, st[0].dev, freeIt, nil)
			next := irp.IoGetNextIrpStackLocation(k, p)
			next.SetMinorFunction(5)
			next.SetFlags(1)
			next.Parameters().DeviceIoControl.IoControlCode = ioctlTest
			irp.IoCallDriver(k, st[0].dev, p)
		})
	})
}

// TestIoReuseIrp_ClearsEverythingButItsSize: Cancel, flags, MDL, locations and DriverContext go.
// windows-driver-docs-pr/kernel/reusing-irps.md, "Reusing IRPs"
func TestIoReuseIrp_ClearsEverythingButItsSize(t *testing.T) {
	passes(t, creator(completes(failed), func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
		irp.IoCancelIrp(k, p)
		p.DriverContext()[1] = "mine"
		p.IoStatus().Information = 5
		irp.IoReuseIrp(k, p, ntstatus.STATUS_NOT_SUPPORTED)
		assert.False(t, p.Cancel())
		assert.False(t, p.PendingReturned())
		assert.Nil(t, p.CancelRoutine())
		assert.Zero(t, *p.DriverContext())
		assert.Equal(t, irp.IO_STATUS_BLOCK{Status: ntstatus.STATUS_NOT_SUPPORTED}, *p.IoStatus())
		next := irp.IoGetNextIrpStackLocation(k, p)
		assert.Zero(t, next.MajorFunction())
		assert.Nil(t, next.DeviceObject())
		assert.Nil(t, next.CompletionRoutine())
		assert.Nil(t, next.Context())
		irp.IoFreeIrp(k, p)
	}))
}
