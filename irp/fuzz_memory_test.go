package irp_test

import (
	"calloutsim/irp"
	"calloutsim/irql"
)

var fuzzTags = [...]uint32{irp.Tag("fuzz"), irp.Tag("data"), 0}

// memoryOp allocates, touches and frees pool.
func (z *fuzz) memoryOp(k *irql.K, _ *irp.IRP, op int) {
	b := &z.buf[z.pick(registers)]
	tag := fuzzTags[z.pick(len(fuzzTags))]
	switch op % 14 {
	case 0, 1:
		*b = irp.ExAllocatePool2(k, uint64(z.next())<<2&0x1C0, uint64(z.next())*uint64(1+z.next()), tag)
	case 2:
		*b = irp.ExAllocatePoolWithTag(k, irp.POOL_TYPE(z.pick(20)), uint64(z.next()), tag)
	case 3:
		const raises = irp.POOL_FLAG_NON_PAGED | irp.POOL_FLAG_RAISE_ON_FAILURE
		*b = irp.ExAllocatePool2(k, raises, 1<<uint(11*z.pick(4)), tag)
	case 4:
		irp.ExFreePoolWithTag(k, *b, tag)
	case 5:
		irp.ExFreePool(k, *b)
	case 6:
		if *b != nil {
			(*b).Store8(z.next(), uint8(z.next()))
		}
	case 7:
		if *b != nil {
			(*b).Load32(z.next() - 2)
		}
	case 8:
		if *b != nil {
			z.buf[z.pick(registers)] = (*b).Slice(z.next(), z.next())
		}
	case 9:
		if *b != nil {
			(*b).Fill(z.next(), z.next(), uint8(z.next()))
		}
	case 10:
		*b = irp.ExAllocateFromLookasideListEx(k, &z.data.list)
	case 11:
		irp.ExFreeToLookasideListEx(k, &z.data.list, *b)
	case 12:
		irp.ExDeleteLookasideListEx(k, &z.data.list)
	case 13:
		*b = irp.StackBuffer(k, z.next())
	}
}

// mdlOp describes, locks and maps memory.
func (z *fuzz) mdlOp(k *irql.K, p *irp.IRP, op int) {
	i := z.pick(registers)
	mdl, b := &z.mdl[i], &z.buf[z.pick(registers)]
	switch op % 11 {
	case 0, 1:
		if z.next()&3 != 0 {
			p = nil
		}
		if *b != nil {
			*mdl = irp.IoAllocateMdl(k, *b, uint32(z.next()), z.next()&1 != 0, false, p)
		}
	case 2:
		irp.IoFreeMdl(k, *mdl)
	case 3:
		irp.MmBuildMdlForNonPagedPool(k, *mdl)
	case 4:
		irp.MmProbeAndLockPages(k, *mdl, irql.KPROCESSOR_MODE(z.pick(2)), irp.LOCK_OPERATION(z.pick(3)))
	case 5:
		irp.MmUnlockPages(k, *mdl)
	case 6:
		*b = irp.MmGetSystemAddressForMdlSafe(k, *mdl, uint32(z.next()))
	case 7:
		irp.MmUnmapLockedPages(k, *b, *mdl)
	case 8:
		if other := z.mdl[z.pick(registers)]; other != nil && *mdl != nil && *b != nil {
			irp.IoBuildPartialMdl(k, *mdl, other, *b, uint32(z.next()))
		}
	case 9:
		irp.MmPrepareMdlForReuse(k, *mdl)
	case 10:
		if *mdl != nil && *mdl != z.mdl[(i+1)%registers] && i+1 < registers {
			(*mdl).Next = z.mdl[i+1]
		}
	}
}
