package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// CALLBACK_FUNCTION is told what ExNotifyCallback was given.
//
// IRQL: <= DISPATCH_LEVEL, that of the notifier.
// Ownership: none.
// Rules: IRQL-007, LOCK-008, UNLOAD-008, UNLOAD-012.
// Reference: wdm/nf-wdm-exregistercallback.
type CALLBACK_FUNCTION func(k *irql.K, callbackContext, argument1, argument2 any)

// OBJECT_ATTRIBUTES says what an object is called and how; InitializeObjectAttributes fills it in.
type OBJECT_ATTRIBUTES struct {
	RootDirectory irql.HANDLE
	ObjectName    string // "" has no name
	Attributes    uint32
}

// Attributes of objects.
const (
	OBJ_PERMANENT        uint32 = 0x010
	OBJ_CASE_INSENSITIVE uint32 = 0x040
	OBJ_KERNEL_HANDLE    uint32 = 0x200
)

// CALLBACK_OBJECT is a named list of routines, through which drivers tell each other of things.
type CALLBACK_OBJECT struct {
	id       trace.ID
	name     string
	multiple bool
	refs     int
	regs     []*callbackReg
}

// callbackReg is one registration; drivers know it as the handle that ExRegisterCallback returned.
type callbackReg struct {
	id      trace.ID
	obj     *CALLBACK_OBJECT
	fn      CALLBACK_FUNCTION
	context any
	image   *ke.Image
	running int
	gone    bool
	idle    ke.Object
	seq     uint64
}

// callbacks are the callback objects of a machine and what is registered.
type callbacks struct {
	named []*CALLBACK_OBJECT
	regs  []*callbackReg
}

var (
	callbackState = ke.NewSlot(func(m *ke.Machine) *callbacks {
		s := &callbacks{}
		m.AtUnload(s.checkUnload)
		return s
	})
	callbackTable = ke.Table(trace.Registration, 1)

	siteCreateCallback = ke.Site{Name: "fault/ExCreateCallback", Alts: faultAlts, Spec: "irp.md 19.2"}
	siteRegCallback    = ke.Site{Name: "fault/ExRegisterCallback", Alts: faultAlts, Spec: "irp.md 19.2"}
)

// Reference and Dereference count the references to the object.
func (c *CALLBACK_OBJECT) Reference() int { c.refs++; return c.refs }

// Dereference is the counterpart of Reference.
func (c *CALLBACK_OBJECT) Dereference() int { c.refs--; return c.refs }

// exists reports a use after the last reference was given back.
func (c *CALLBACK_OBJECT) exists(k *irql.K, d ddi.ID) {
	if c.refs > 0 {
		return
	}
	ke.Report(k, verify.Finding{Rule: verify.OBJ_003, Case: "used after the last", Obj: c.id.String(),
		Headline: fmt.Sprintf("%v on %v, to which nobody has a reference any more", d, c.id),
		Args:     verify.Params(0, c.id)})
}

// InitializeObjectAttributes fills in attributes.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: security descriptors.
// Reference: ntdef/nf-ntdef-initializeobjectattributes.
func InitializeObjectAttributes(k *irql.K, p *OBJECT_ATTRIBUTES, objectName string, attributes uint32,
	rootDirectory irql.HANDLE, securityDescriptor any) {
	ke.Enter(k, ddi.None)
	*p = OBJECT_ATTRIBUTES{RootDirectory: rootDirectory, ObjectName: objectName, Attributes: attributes}
}

// ExCreateCallback opens the callback object of a name or, with create, makes it; create and
// allowMultipleCallbacks have no effect on one that is there. STATUS_OBJECT_NAME_NOT_FOUND: there is none.
//
// IRQL: <= APC_LEVEL.
// Ownership: ObDereferenceObject.
// Rules: IRQL-001, OBJ-003.
// Not modelled: security descriptors; objects of the system's own.
// Reference: wdm/nf-wdm-excreatecallback.
func ExCreateCallback(k *irql.K, callbackObject **CALLBACK_OBJECT, objectAttributes *OBJECT_ATTRIBUTES,
	create, allowMultipleCallbacks bool) ntstatus.NTSTATUS {
	const d = ddi.ExCreateCallback
	ke.Enter(k, d)
	if ke.Fails(k, &siteCreateCallback) {
		ke.CallStatus(k, d, 0, uint32(ntstatus.STATUS_INSUFFICIENT_RESOURCES))
		return ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	s := callbackState.Of(k)
	ke.Point(k, ke.Writes(callbackTable))
	name := ""
	if objectAttributes != nil {
		name = objectAttributes.ObjectName
	}
	c := s.find(name)
	switch {
	case c != nil:
		ke.Adds(k, ke.Swaps(c.id))
	case !create:
		ke.CallStatus(k, d, 0, uint32(ntstatus.STATUS_OBJECT_NAME_NOT_FOUND))
		return ntstatus.STATUS_OBJECT_NAME_NOT_FOUND
	default:
		c = &CALLBACK_OBJECT{id: ke.Of(k).NewID(trace.Registration), name: name,
			multiple: allowMultipleCallbacks}
		if objectAttributes != nil && objectAttributes.Attributes&OBJ_PERMANENT != 0 {
			c.refs++
		}
		s.named = append(s.named, c)
	}
	c.refs++
	*callbackObject = c
	ke.CallStatus(k, d, c.id, uint32(ntstatus.STATUS_SUCCESS))
	return ntstatus.STATUS_SUCCESS
}

func (s *callbacks) find(name string) *CALLBACK_OBJECT {
	for _, c := range s.named {
		if c.name == name && name != "" && c.refs > 0 {
			return c
		}
	}
	return nil
}

// ExRegisterCallback adds a routine to a callback object and returns a handle for ExUnregisterCallback; nil:
// there is a routine already and the object takes one, or there is no memory.
//
// IRQL: <= APC_LEVEL.
// Ownership: ExUnregisterCallback before the driver is unloaded.
// Rules: IRQL-001, OBJ-003, UNLOAD-008.
// Reference: wdm/nf-wdm-exregistercallback.
func ExRegisterCallback(k *irql.K, callbackObject *CALLBACK_OBJECT, callbackFunction CALLBACK_FUNCTION,
	callbackContext any) any {
	const d = ddi.ExRegisterCallback
	ke.Enter(k, d)
	c := callbackObject
	if ke.Fails(k, &siteRegCallback) {
		ke.CallBool(k, d, c.id, false)
		return nil
	}
	ke.Point(k, ke.Writes(c.id))
	c.exists(k, d)
	if len(c.regs) > 0 && !c.multiple {
		ke.CallBool(k, d, c.id, false)
		return nil
	}
	r := &callbackReg{id: ke.Of(k).NewID(trace.Registration), obj: c, fn: callbackFunction,
		context: callbackContext, image: ke.Acting(k)}
	r.idle = ke.Object{Kind: ke.NotificationEvent, ID: r.id}
	c.regs = append(c.regs, r)
	c.refs++
	s := callbackState.Of(k)
	s.regs = append(s.regs, r)
	ke.Gives(k, "CALLBACK_FUNCTION", ke.CodeOf(callbackFunction))
	r.seq = ke.CallOn(k, d, r.id, c.id)
	return r
}

// ExUnregisterCallback takes a routine out and waits until no call of it is under way.
//
// IRQL: <= APC_LEVEL.
// Ownership: the handle is gone.
// Rules: IRQL-001, LOCK-026, OBJ-003.
// Reference: wdm/nf-wdm-exunregistercallback.
func ExUnregisterCallback(k *irql.K, callbackRegistration any) {
	const d = ddi.ExUnregisterCallback
	ke.Enter(k, d)
	r, ok := callbackRegistration.(*callbackReg)
	if !ok && callbackRegistration != nil { // NULL is what it is to whoever uses it
		panic(ke.Misuse(fmt.Sprintf("%v: a %T is no handle of ExRegisterCallback", d, callbackRegistration)))
	}
	ke.Point(k, ke.Writes(r.obj.id))
	if r.gone {
		ke.Report(k, verify.Finding{Rule: verify.OBJ_003, Case: "unregistered twice", Obj: r.id.String(),
			Headline: fmt.Sprintf("%v on %v, which is unregistered already", d, r.id),
			Args:     verify.Params(0, r.id), Places: []verify.Place{{Label: "REGISTERED", Seq: r.seq}}})
		return
	}
	r.gone = true
	s := callbackState.Of(k)
	r.obj.regs, s.regs = without(r.obj.regs, r), without(s.regs, r)
	r.obj.refs--
	ke.Adds(k, ke.Swaps(r.id))
	ke.CallOn(k, d, r.id, r.obj.id)
	if r.running > 0 {
		objs := [1]*ke.Object{&r.idle}
		ke.Wait(k, objs[:], false, nil, d.String())
	}
}

func without(regs []*callbackReg, r *callbackReg) []*callbackReg {
	for i, x := range regs {
		if x == r {
			return list.Cut(regs, i)
		}
	}
	return regs
}

// ExNotifyCallback calls the routines of a callback object, in the order of their registration, at the
// caller's level.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: none.
// Rules: IRQL-001, OBJ-003.
// Not modelled: none.
// Reference: wdm/nf-wdm-exnotifycallback.
func ExNotifyCallback(k *irql.K, callbackObject *CALLBACK_OBJECT, argument1, argument2 any) {
	const d = ddi.ExNotifyCallback
	ke.Enter(k, d)
	c := callbackObject
	ke.Point(k, ke.Reads(c.id))
	c.exists(k, d)
	ke.Call(k, d, c.id)
	var last *callbackReg
	for {
		r := c.after(last)
		if r == nil {
			return
		}
		last = r
		ke.Adds(k, ke.Swaps(r.id))
		r.running++
		ke.Push(k, ke.Frame{Kind: ke.FrameCallback, Image: r.image, Obj: r.id, Fn: ke.CodeOf(r.fn)})
		ke.Point(k, ke.Here(k))
		r.fn(k, r.context, argument1, argument2)
		ke.Pop(k)
		ke.Point(k, ke.Reads(c.id))
		ke.Adds(k, ke.Swaps(r.id))
		if r.running--; r.gone && r.running == 0 {
			ke.SetSignal(k, &r.idle, 1)
		}
	}
}

// after is the registration that follows r, the first one for nil; registrations have rising ids.
func (c *CALLBACK_OBJECT) after(r *callbackReg) *callbackReg {
	for _, x := range c.regs {
		if r == nil || x.id > r.id {
			return x
		}
	}
	return nil
}

// checkUnload is UNLOAD-008 for routines of callback objects.
func (s *callbacks) checkUnload(m *ke.Machine, img *ke.Image) {
	for _, r := range s.regs {
		if r.image != img {
			continue
		}
		m.ReportEnd(verify.Finding{Rule: verify.UNLOAD_008, Case: "callback", Obj: r.id.String(),
			Driver: img.Name, Ctx: "unload of " + img.Name,
			Headline: fmt.Sprintf("%s is unloaded and its callback %s of %v is still registered", img.Name,
				ke.FuncName(ke.CodeOf(r.fn)), r.obj.id),
			Places: []verify.Place{{Label: "REGISTERED", Seq: r.seq}}})
	}
}
