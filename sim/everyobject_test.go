package sim

import (
	"reflect"

	"calloutsim/irp"
	"calloutsim/irql"
)

var everyTag = irp.Tag("Evry")

// good gives an object as its routines make it, where there is one; else what zero gives.
func good(k *irql.K, d *nothing, t reflect.Type) reflect.Value {
	if p := made(k, d, t); p != nil && !reflect.ValueOf(p).IsNil() {
		return reflect.ValueOf(p)
	}
	return zero(k, d, t)
}

// ended gives an object that was made and whose life is over: freed, deleted, or in memory that was.
func ended(k *irql.K, d *nothing, t reflect.Type) reflect.Value {
	switch t {
	case reflect.TypeFor[*irp.IRP]():
		if p := irp.IoAllocateIrp(k, 2, false); p != nil {
			irp.IoFreeIrp(k, p)
			return reflect.ValueOf(p)
		}
	case reflect.TypeFor[*irp.MDL]():
		if mdl, _ := made(k, d, t).(*irp.MDL); mdl != nil {
			irp.IoFreeMdl(k, mdl)
			return reflect.ValueOf(mdl)
		}
	case reflect.TypeFor[*irp.Buffer]():
		if b, _ := made(k, d, t).(*irp.Buffer); b != nil {
			irp.ExFreePoolWithTag(k, b, everyTag)
			return reflect.ValueOf(b)
		}
	case reflect.TypeFor[*irp.IO_WORKITEM]():
		if w, _ := made(k, d, t).(*irp.IO_WORKITEM); w != nil {
			irp.IoFreeWorkItem(k, w)
			return reflect.ValueOf(w)
		}
	case reflect.TypeFor[*irp.DEVICE_OBJECT]():
		var dev *irp.DEVICE_OBJECT
		if d.device != nil && irql.KeGetCurrentIrql(k) == irql.PASSIVE_LEVEL {
			irp.IoCreateDevice(k, d.device.DriverObject, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &dev)
			irp.IoDeleteDevice(k, dev)
			return reflect.ValueOf(dev)
		}
	}
	if t.Kind() == reflect.Pointer && inPool[t] != nil {
		if p := inPool[t](k); p != nil {
			return reflect.ValueOf(p)
		}
	}
	return good(k, d, t)
}

// inPool makes an object in pool and frees the memory.
var inPool = map[reflect.Type]func(k *irql.K) any{}

func init() {
	gone(func(k *irql.K, p *irql.KEVENT) { irql.KeInitializeEvent(k, p, irql.NotificationEvent, false) })
	gone(func(k *irql.K, p *irql.KMUTEX) { irql.KeInitializeMutex(k, p, 0) })
	gone(func(k *irql.K, p *irql.KSEMAPHORE) { irql.KeInitializeSemaphore(k, p, 0, 1) })
	gone(func(k *irql.K, p *irql.KTIMER) { irql.KeInitializeTimer(k, p) })
	gone(func(k *irql.K, p *irql.KDPC) { irql.KeInitializeDpc(k, p, nil, nil) })
	gone(func(k *irql.K, p *irql.KSPIN_LOCK) { irql.KeInitializeSpinLock(k, p) })
	gone(func(k *irql.K, p *irql.FAST_MUTEX) { irql.ExInitializeFastMutex(k, p) })
	gone(func(k *irql.K, p *irql.KGUARDED_MUTEX) { irql.KeInitializeGuardedMutex(k, p) })
	gone(func(k *irql.K, p *irql.ERESOURCE) {
		irql.ExInitializeResourceLite(k, p)
		irql.ExDeleteResourceLite(k, p)
	})
	gone(func(k *irql.K, p *irql.EX_PUSH_LOCK) { irql.ExInitializePushLock(k, p) })
	gone(func(k *irql.K, p *irql.EX_RUNDOWN_REF) { irql.ExInitializeRundownProtection(k, p) })
	gone(func(k *irql.K, p *irp.IO_REMOVE_LOCK) { irp.IoInitializeRemoveLock(k, p, everyTag, 0, 0) })
	gone(func(k *irql.K, p *irp.LIST_ENTRY) { irp.InitializeListHead(k, p) })
}

func gone[T any](initialise func(k *irql.K, p *T)) {
	inPool[reflect.TypeFor[*T]()] = func(k *irql.K) any {
		block := irp.New[T](k, irp.POOL_FLAG_NON_PAGED, everyTag)
		if block == nil {
			return nil
		}
		p := block.Get()
		if irql.KeGetCurrentIrql(k) == irql.PASSIVE_LEVEL {
			initialise(k, p)
		}
		irp.Free(k, block, everyTag)
		return p
	}
}

// made gives an object that can be used, nil where none is known.
func made(k *irql.K, d *nothing, t reflect.Type) any {
	switch t {
	case reflect.TypeFor[*irp.IRP]():
		return irp.IoAllocateIrp(k, 2, false)
	case reflect.TypeFor[*irp.DEVICE_OBJECT]():
		return d.device
	case reflect.TypeFor[*irp.DRIVER_OBJECT]():
		return d.device.DriverObject
	case reflect.TypeFor[*irp.Buffer]():
		return irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 64, everyTag)
	case reflect.TypeFor[*irp.MDL]():
		b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 64, everyTag)
		mdl := irp.IoAllocateMdl(k, b, 64, false, false, nil)
		irp.MmBuildMdlForNonPagedPool(k, mdl)
		return mdl
	case reflect.TypeFor[*irp.IO_WORKITEM]():
		return irp.IoAllocateWorkItem(k, d.device)
	case reflect.TypeFor[*irql.KEVENT]():
		e := &irql.KEVENT{}
		irql.KeInitializeEvent(k, e, irql.NotificationEvent, true)
		return e
	case reflect.TypeFor[*irql.KDPC]():
		p := &irql.KDPC{}
		irql.KeInitializeDpc(k, p, func(*irql.K, *irql.KDPC, any, any, any) {}, nil)
		return p
	case reflect.TypeFor[*irql.KTIMER]():
		p := &irql.KTIMER{}
		irql.KeInitializeTimer(k, p)
		return p
	case reflect.TypeFor[*irql.KMUTEX]():
		p := &irql.KMUTEX{}
		irql.KeInitializeMutex(k, p, 0)
		return p
	case reflect.TypeFor[*irql.KSPIN_LOCK]():
		p := &irql.KSPIN_LOCK{}
		irql.KeInitializeSpinLock(k, p)
		return p
	case reflect.TypeFor[*irp.IO_CSQ]():
		q, first := &irp.IO_CSQ{}, (*irp.IRP)(nil)
		irp.IoCsqInitialize(k, q, func(_ *irql.K, _ *irp.IO_CSQ, p *irp.IRP) { first = p },
			func(*irql.K, *irp.IO_CSQ, *irp.IRP) { first = nil },
			func(*irql.K, *irp.IO_CSQ, *irp.IRP, any) *irp.IRP { return first },
			func(*irql.K, *irp.IO_CSQ, *irql.KIRQL) {}, func(*irql.K, *irp.IO_CSQ, irql.KIRQL) {},
			func(k *irql.K, _ *irp.IO_CSQ, p *irp.IRP) { irp.IoCompleteRequest(k, p, 0) })
		return q
	case reflect.TypeFor[*irql.KTHREAD]():
		return irql.KeGetCurrentThread(k)
	case reflect.TypeFor[*irp.LIST_ENTRY]():
		p := &irp.LIST_ENTRY{}
		irp.InitializeListHead(k, p)
		return p
	case reflect.TypeFor[*irp.IO_REMOVE_LOCK]():
		p := &irp.IO_REMOVE_LOCK{}
		irp.IoInitializeRemoveLock(k, p, everyTag, 0, 0)
		return p
	case reflect.TypeFor[*irql.ERESOURCE]():
		p := &irql.ERESOURCE{}
		irql.ExInitializeResourceLite(k, p)
		return p
	}
	return nil
}
