// Package scenario lets a program write to the driver of use-after-free while others are busy.
package scenario

import (
	"encoding/binary"

	useafterfree "calloutsim/docs/examples/use-after-free"
	"calloutsim/sim"
)

// bystanders is how many threads have nothing to do with the message, and number that of the message.
const (
	bystanders = 3
	number     = 42
)

// Message has a program send one message while the bystanders work, and unloads the drivers.
func Message(d useafterfree.Defect) func(m *sim.Machine) {
	return func(m *sim.Machine) {
		receiver := &useafterfree.Receiver{}
		m.Load("receiver.sys", receiver.DriverEntry)
		defer m.Unload("receiver.sys") // also where memory is too short for the other driver
		sender := &useafterfree.Sender{Defect: d, Below: receiver.Device}
		m.Load("sender.sys", sender.DriverEntry)
		sent := false
		m.Process("app.exe").Go("main", func(u *sim.User) { sent = write(u) })
		for range bystanders {
			m.Thread("bystander.sys", useafterfree.Bystander)
		}
		m.Run()
		m.Unload("sender.sys")
		if sent && !m.Ended() && (receiver.Got != number || sender.Noted != number) {
			m.Errorf("%d was received and %d noted, not %d", receiver.Got, sender.Noted, number)
		}
	}
}

// write sends the message. For want of memory it may fail.
func write(u *sim.User) bool {
	d, err := u.Open(useafterfree.Path)
	if err != nil {
		return false
	}
	_, err = d.Write(binary.LittleEndian.AppendUint64(nil, number))
	return err == nil && d.Close() == nil
}

// Scenarios gives the sender with its mistake and without.
func Scenarios() []sim.Scenario {
	return []sim.Scenario{
		{Name: "use-after-free", Title: "a driver looks at a buffer after IoCallDriver that its " +
			"completion routine frees",
			Doc: "Nothing is between ExFreePoolWithTag in the work item's lane and the violation in that " +
				"of the program's thread: whoever comes first is first.",
			Run: Message(useafterfree.LooksAfterSend), Expect: []string{"POOL-013"}, Sometimes: true},
		{Name: "use-after-free-fixed", Title: "the same driver, which waits for its request before it looks",
			Doc: "KeSetEvent in the completion routine comes before the end of the wait, and that before " +
				"the buffer is looked at and freed.",
			Run: Message(useafterfree.None)},
	}
}
