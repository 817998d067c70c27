// Package template is what ksim new makes drivers of: three of them, as they are, and what goes beside them.
// Each flavour is a package that compiles and passes its tests here; new.go gives it another name.
package template

import "embed"

// Files are the folders of the flavours, and README.md and ci.yml for all of them.
//
//go:embed README.md ci.yml wdm wsk callout
var Files embed.FS

// Flavour is one kind of driver.
type Flavour struct {
	Name  string
	Title string
	// Break is an exercise: a line of the driver, what it becomes, and what the mistake is.
	Break struct{ File, Old, New, Why string }
}

// Flavours are all there are; the first is what is made without a word.
var Flavours = []Flavour{
	{Name: "wdm", Title: "a device whose requests wait in a cancel-safe queue",
		Break: struct{ File, Old, New, Why string }{"driver.go",
			"waiter := irp.IoCsqRemoveNextIrp(k, &d.csq, nil)", "waiter := d.peek(k, &d.csq, nil, nil)",
			"The request is completed, and nobody takes it out of the queue"}},
	{Name: "wsk", Title: "a Winsock Kernel client behind a device",
		Break: struct{ File, Old, New, Why string }{"client.go",
			"if s := request(p); s == ntstatus.STATUS_PENDING {", "if s := request(p); !ntstatus.NT_SUCCESS(s) {",
			"STATUS_PENDING is a success: nobody waits for the requests that take longer"}},
	{Name: "callout", Title: "a callout at ALE_AUTH_CONNECT_V4 that blocks connections to a port",
		Break: struct{ File, Old, New, Why string }{"driver.go",
			"	d.unregister(k)\n	irp.IoDeleteDevice(k, d.device)\n}", "	irp.IoDeleteDevice(k, d.device)\n}",
			"The driver goes, and the filter engine still has its classifyFn"}},
}
