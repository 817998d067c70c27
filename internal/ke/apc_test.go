package ke

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/ntstatus"
)

// TestQueueNormalAPC_WhatKeepsItBack: regions, an owned mutex, another normal APC; special ones pass it.
// Reference: irp.md 16.
func TestQueueNormalAPC_WhatKeepsItBack(t *testing.T) {
	m := newMachine(t, Config{})
	mutex := object(MutexObject, 1)
	said := ""
	m.NewThread("a", nil, func(k *K) {
		normal := func(name string) { m.QueueNormalAPC(k.t, func(*K) { said += name }) }
		ChangeAPCState(k, -1, 0)
		normal("a")
		m.QueueAPC(k.t, func(k *K) {
			assert.EqualValues(t, APC, IRQL(k))
			said += "S"
		})
		assert.Equal(t, "S", said, "a critical region keeps back the normal one only")
		ChangeAPCState(k, 1, 0)
		assert.Equal(t, "Sa", said)

		ChangeAPCState(k, 0, -1)
		normal("b")
		m.QueueAPC(k.t, func(*K) { said += "T" })
		assert.Equal(t, "Sa", said)
		ChangeAPCState(k, 0, 1)
		assert.Equal(t, "SaTb", said, "special ones first")

		said = ""
		ChangeAPCState(k, 0, -1)
		normal("x")
		normal("y")
		m.QueueAPC(k.t, func(*K) { said += "U" })
		ChangeAPCState(k, 0, 1)
		assert.Equal(t, "Uxy", said, "a special one passes all normal ones, and none is lost")
		said = "SaTb"

		Wait(k, []*Object{mutex}, false, nil, "test")
		normal("c")
		assert.Equal(t, "SaTb", said)
		ReleaseMutex(k, mutex)
		assert.Equal(t, "SaTbc", said)

		SetIRQL(k, APC)
		normal("d")
		assert.Equal(t, "SaTbc", said)
		SetIRQL(k, Passive)
		assert.Equal(t, "SaTbcd", said)

		m.QueueNormalAPC(k.t, func(k *K) {
			assert.EqualValues(t, Passive, IRQL(k))
			normal("f")
			said += "e"
		})
		assert.Equal(t, "SaTbcdef", said, "one after the other")
	})
	m.Run(nil)
	assert.Equal(t, "SaTbcdef", said)
}

// TestWait_GoesOnAfterAnAPCThatWaits: for the same objects, and to the same time.
func TestWait_GoesOnAfterAnAPCThatWaits(t *testing.T) {
	m := newMachine(t, Config{})
	mine, other := object(SynchronizationEvent, 0), object(SynchronizationEvent, 0)
	order := ""
	waiter := m.NewThread("waiter", nil, func(k *K) {
		due := int64(-10 * Second)
		assert.Equal(t, ntstatus.STATUS_SUCCESS, Wait(k, []*Object{mine}, false, &due, "test"))
		order += "w"
		assert.Equal(t, ntstatus.STATUS_TIMEOUT, Wait(k, []*Object{mine}, false, &due, "test"))
		assert.Equal(t, int64(11*Second), m.Uptime())
	})
	m.NewThread("setter", nil, func(k *K) {
		m.QueueNormalAPC(waiter, func(k *K) {
			Wait(k, []*Object{other}, false, nil, "in the APC")
			order += "a"
		})
		Sleep(k, -Second)
		assert.Equal(t, 1, other.Waiters())
		assert.Zero(t, mine.Waiters())
		SetSignal(k, mine, 1)
		SetSignal(k, other, 1)
	})
	m.Run(nil)
	assert.Equal(t, "aw", order)
	assert.True(t, waiter.Ended())
}

func TestAwait_AsksAfterEveryAPC(t *testing.T) {
	m := newMachine(t, Config{})
	n := 0
	waiter := m.NewThread("waiter", nil, func(k *K) {
		assert.True(t, Await(k, func() bool { return n == 2 }, nil, "test"))
		due := int64(-Second)
		assert.False(t, Await(k, func() bool { return n == 3 }, &due, "test"))
	})
	m.NewThread("poster", nil, func(k *K) {
		for range 2 {
			m.QueueAPC(waiter, func(*K) { n++ })
			Sleep(k, -Second)
		}
	})
	m.Run(nil)
	assert.True(t, waiter.Ended())
	assert.Equal(t, int64(2*Second), m.Uptime())
}

// TestWaitAs_InterruptedBeforeItBegins: a signalled object comes first, then what interrupts, then the time.
func TestWaitAs_InterruptedBeforeItBegins(t *testing.T) {
	m := newMachine(t, Config{})
	m.NewThread("a", nil, func(k *K) {
		zero, o := int64(0), object(SynchronizationEvent, 1)
		wait := func(how WaitHow) ntstatus.NTSTATUS {
			return WaitAs(k, how, []*Object{o}, false, &zero, "test")
		}
		ran := 0
		QueueUserAPC(k, k.t, func(*K) { ran++ })
		Alert(k, k.t)
		const both = WaitUser | WaitAlertable
		assert.Equal(t, ntstatus.STATUS_SUCCESS, wait(both))
		assert.Equal(t, ntstatus.STATUS_TIMEOUT, wait(WaitUser), "not alertable")
		assert.Equal(t, ntstatus.STATUS_ALERTED, wait(both))
		assert.True(t, ReturnToUser(k))
		assert.Zero(t, ran, "no wait was ended for it")
		assert.Equal(t, ntstatus.STATUS_USER_APC, wait(both))
		assert.Equal(t, ntstatus.STATUS_USER_APC, SleepAs(k, both, -Second))
		assert.Equal(t, ntstatus.STATUS_USER_APC, wait(WaitUser), "it is due already")
		assert.True(t, ReturnToUser(k))
		assert.Equal(t, 1, ran)
		assert.Equal(t, ntstatus.STATUS_TIMEOUT, wait(both))
		m.EndSoon(k.t)
		assert.Equal(t, ntstatus.STATUS_USER_APC, wait(WaitUser))
		assert.Equal(t, ntstatus.STATUS_TIMEOUT, wait(0))
		assert.False(t, QueueUserAPC(k, k.t, func(*K) {}))
		assert.False(t, ReturnToUser(k))
	})
	m.Run(nil)
	assert.Zero(t, m.Uptime())
}
