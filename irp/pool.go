package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Buffer is an address of memory that may be read and written: a view of a block. Its methods check every
// access.
type Buffer = pool.Buffer

// Flags of ExAllocatePool2. Exactly one of the three pool types must be given; bits from 32 on are optional
// and ignored when they are not known.
const (
	POOL_FLAG_USE_QUOTA         uint64 = 0x1
	POOL_FLAG_UNINITIALIZED     uint64 = 0x2
	POOL_FLAG_CACHE_ALIGNED     uint64 = 0x8
	POOL_FLAG_RAISE_ON_FAILURE  uint64 = 0x20
	POOL_FLAG_NON_PAGED         uint64 = 0x40
	POOL_FLAG_NON_PAGED_EXECUTE uint64 = 0x80
	POOL_FLAG_PAGED             uint64 = 0x100
	POOL_FLAG_SPECIAL_POOL      uint64 = 1 << 32
)

const (
	poolFlagTypes = POOL_FLAG_NON_PAGED | POOL_FLAG_NON_PAGED_EXECUTE | POOL_FLAG_PAGED
	poolFlagKnown = poolFlagTypes | POOL_FLAG_USE_QUOTA | POOL_FLAG_UNINITIALIZED | POOL_FLAG_CACHE_ALIGNED |
		POOL_FLAG_RAISE_ON_FAILURE
	poolFlagRequired = 1<<32 - 1
)

// POOL_TYPE is the pool type of the older routines.
type POOL_TYPE uint32

// Pool types.
const (
	NonPagedPool               POOL_TYPE = 0
	NonPagedPoolExecute        POOL_TYPE = 0
	PagedPool                  POOL_TYPE = 1
	NonPagedPoolCacheAligned   POOL_TYPE = 4
	PagedPoolCacheAligned      POOL_TYPE = 5
	NonPagedPoolNx             POOL_TYPE = 512
	NonPagedPoolNxCacheAligned POOL_TYPE = 516
)

// The bits that may be or-ed to a pool type. Lookaside lists take some of them as flags.
const (
	POOL_QUOTA_FAIL_INSTEAD_OF_RAISE = 8
	POOL_RAISE_IF_ALLOCATION_FAILURE = 16
	poolSession                      = 32
	POOL_COLD_ALLOCATION             = 256
	POOL_NX_ALLOCATION               = 512
)

// Tag makes a pool tag of up to four characters, in the order in which WinDbg shows them. It is not a
// routine of Windows, where a driver writes the characters in reverse order.
func Tag(s string) uint32 {
	if len(s) > 4 {
		panic(ke.Misuse(fmt.Sprintf("pool tag %q has more than four characters", s)))
	}
	tag := uint32(0)
	for i := range 4 {
		c := byte(' ')
		if i < len(s) {
			c = s[i]
		}
		tag |= uint32(c) << (8 * i)
	}
	return tag
}

var (
	siteAllocatePool2       = ke.Site{Name: "fault/ExAllocatePool2", Alts: faultAlts, Spec: "irp.md 19.2"}
	siteAllocatePoolWithTag = ke.Site{Name: "fault/ExAllocatePoolWithTag", Alts: faultAlts,
		Spec: "irp.md 19.2"}
	siteAllocatePoolZero = ke.Site{Name: "fault/ExAllocatePoolZero", Alts: faultAlts, Spec: "irp.md 19.2"}
	siteAllocateUninit   = ke.Site{Name: "fault/ExAllocatePoolUninitialized", Alts: faultAlts,
		Spec: "irp.md 19.2"}
	faultAlts = []string{"succeeds", "fails"}
)

// ExAllocatePool2 allocates pool memory, filled with zeros unless POOL_FLAG_UNINITIALIZED is given. It
// returns nil when there is none, or raises with POOL_FLAG_RAISE_ON_FAILURE.
//
// IRQL: <= DISPATCH_LEVEL; <= APC_LEVEL for POOL_FLAG_PAGED.
// Ownership: the caller's until it frees the block.
// Rules: POOL-001, POOL-002, POOL-003, POOL-010, POOL-019, POOL-020, POOL-022.
// Not modelled: session pool, the effect of quotas.
// Reference: wdm/nf-wdm-exallocatepool2.
func ExAllocatePool2(k *irql.K, flags, numberOfBytes uint64, tag uint32) *Buffer {
	ke.EnterAnyLevel(k, ddi.ExAllocatePool2)
	r := pool.Request{DDI: ddi.ExAllocatePool2, Size: blockSize(numberOfBytes), Tag: tag}
	if !pool2Request(k, &r, flags) {
		return nil
	}
	raises := flags&POOL_FLAG_RAISE_ON_FAILURE != 0
	if poolFails(k, &siteAllocatePool2, raises) {
		return noPool(k, &r, raises)
	}
	b := pool.Alloc(k, &r)
	if b == nil {
		return noPool(k, &r, raises)
	}
	return b
}

// poolFails asks whether an allocation fails. One that was told to raise does not in the code of the test
// itself (Machine.Thread), unless a pin says so: nobody would handle the exception there, and whoever asks
// for it wants memory that is there. In a driver that is loaded it fails as every other does.
func poolFails(k *irql.K, site *ke.Site, raises bool) bool {
	if img := ke.Acting(k); raises && img != nil && img.Test && !ke.IsPinned(k, site) {
		return false
	}
	return ke.Fails(k, site)
}

// blockSize is n as an int; what does not fit is more than there is.
func blockSize(n uint64) int { return int(min(n, 1<<62)) }

// pool2Request checks the arguments of ExAllocatePool2; false means that the result is NULL.
func pool2Request(k *irql.K, r *pool.Request, flags uint64) bool {
	r.Uninitialized = flags&POOL_FLAG_UNINITIALIZED != 0
	r.CacheAligned = flags&POOL_FLAG_CACHE_ALIGNED != 0
	ok := flags&poolFlagRequired&^poolFlagKnown == 0
	switch flags & poolFlagTypes {
	case POOL_FLAG_NON_PAGED:
	case POOL_FLAG_NON_PAGED_EXECUTE:
		r.Kind = pool.NonPagedExecute
	case POOL_FLAG_PAGED:
		r.Kind = pool.Paged
	default:
		ok = false
	}
	ok = checkRequest(k, r) && ok
	if flags&POOL_FLAG_USE_QUOTA != 0 && ke.IsDPC(k) {
		quotaInDPC(k, r.DDI)
	}
	if !ok && flags&POOL_FLAG_RAISE_ON_FAILURE != 0 {
		raise(k, r.DDI, ntstatus.STATUS_INVALID_PARAMETER)
	}
	return ok
}

// noPool is the end of an allocation for which there is no memory.
func noPool(k *irql.K, r *pool.Request, raises bool) *Buffer {
	if raises {
		raise(k, r.DDI, ntstatus.STATUS_INSUFFICIENT_RESOURCES)
	}
	ke.CallStatus(k, r.DDI, 0, uint32(ntstatus.STATUS_INSUFFICIENT_RESOURCES))
	return nil
}

// ExAllocatePoolWithTag allocates pool memory without initialising it.
//
// IRQL: <= DISPATCH_LEVEL; <= APC_LEVEL for paged pool types.
// Ownership: the caller's until it frees the block.
// Rules: POOL-001, POOL-002, POOL-003, POOL-010, POOL-015, POOL-019, POOL-022.
// Not modelled: must-succeed and session pool.
// Reference: wdm/nf-wdm-exallocatepoolwithtag.
func ExAllocatePoolWithTag(k *irql.K, poolType POOL_TYPE, numberOfBytes uint64, tag uint32) *Buffer {
	ke.EnterAnyLevel(k, ddi.ExAllocatePoolWithTag)
	deprecated(k, ddi.ExAllocatePoolWithTag)
	return olderPool(k, ddi.ExAllocatePoolWithTag, &siteAllocatePoolWithTag, poolType, numberOfBytes, tag,
		true)
}

// ExAllocatePoolZero allocates pool memory filled with zeros, on every version of Windows.
//
// IRQL: <= DISPATCH_LEVEL; <= APC_LEVEL for paged pool types.
// Ownership: the caller's until it frees the block.
// Rules: POOL-001, POOL-002, POOL-003, POOL-010, POOL-019, POOL-022.
// Not modelled: must-succeed and session pool.
// Reference: wdm/nf-wdm-exallocatepoolzero.
func ExAllocatePoolZero(k *irql.K, poolType POOL_TYPE, numberOfBytes uint64, tag uint32) *Buffer {
	ke.EnterAnyLevel(k, ddi.ExAllocatePoolZero)
	return olderPool(k, ddi.ExAllocatePoolZero, &siteAllocatePoolZero, poolType, numberOfBytes, tag, false)
}

// ExAllocatePoolUninitialized allocates pool memory and says by its name that nothing is in it.
//
// IRQL: <= DISPATCH_LEVEL; <= APC_LEVEL for paged pool types.
// Ownership: the caller's until it frees the block.
// Rules: POOL-001, POOL-002, POOL-003, POOL-010, POOL-019, POOL-022.
// Not modelled: must-succeed and session pool.
// Reference: wdm/nf-wdm-exallocatepooluninitialized.
func ExAllocatePoolUninitialized(k *irql.K, poolType POOL_TYPE, numberOfBytes uint64, tag uint32) *Buffer {
	ke.EnterAnyLevel(k, ddi.ExAllocatePoolUninitialized)
	return olderPool(k, ddi.ExAllocatePoolUninitialized, &siteAllocateUninit, poolType, numberOfBytes, tag,
		true)
}

func olderPool(k *irql.K, d ddi.ID, site *ke.Site, t POOL_TYPE, n uint64, tag uint32,
	uninitialized bool) *Buffer {
	r := pool.Request{DDI: d, Kind: t.kind(), Size: blockSize(n), Tag: tag, Uninitialized: uninitialized,
		CacheAligned: t.cacheAligned()}
	checkRequest(k, &r)
	raises := t&POOL_RAISE_IF_ALLOCATION_FAILURE != 0
	if poolFails(k, site, raises) {
		return noPool(k, &r, raises)
	}
	b := pool.Alloc(k, &r)
	if b == nil {
		return noPool(k, &r, raises)
	}
	return b
}

func (t POOL_TYPE) kind() pool.Kind {
	switch {
	case t&PagedPool != 0:
		return pool.Paged
	case t&NonPagedPoolNx != 0:
		return pool.NonPaged
	}
	return pool.NonPagedExecute
}

func (t POOL_TYPE) cacheAligned() bool { return t&NonPagedPoolCacheAligned != 0 }

// ExFreePoolWithTag frees pool memory. A tag other than 0 must be that of the allocation.
//
// IRQL: <= DISPATCH_LEVEL; <= APC_LEVEL when the block is paged pool.
// Ownership: gone.
// Rules: POOL-004 to POOL-009, POOL-011, POOL-012, POOL-018, POOL-025, MDL-018.
// Reference: wdm/nf-wdm-exfreepoolwithtag.
func ExFreePoolWithTag(k *irql.K, p *Buffer, tag uint32) {
	ke.EnterAnyLevel(k, ddi.ExFreePoolWithTag)
	pool.Free(k, ddi.ExFreePoolWithTag, p, tag)
}

// ExFreePool frees pool memory whatever its tag.
//
// IRQL: <= DISPATCH_LEVEL; <= APC_LEVEL when the block is paged pool.
// Ownership: gone.
// Rules: POOL-004 to POOL-008, POOL-011, POOL-012, POOL-018, POOL-025, MDL-018.
// Reference: wdm/nf-wdm-exfreepool.
func ExFreePool(k *irql.K, p *Buffer) {
	ke.EnterAnyLevel(k, ddi.ExFreePool)
	pool.Free(k, ddi.ExFreePool, p, 0)
}

// ExFreePool2 frees pool memory like ExFreePoolWithTag.
//
// IRQL: <= DISPATCH_LEVEL; <= APC_LEVEL when the block is paged pool.
// Ownership: gone.
// Rules: as ExFreePoolWithTag.
// Not modelled: extended parameters.
// Reference: wdm/nf-wdm-exfreepool2.
func ExFreePool2(k *irql.K, p *Buffer, tag uint32, extendedParameters any, extendedParametersCount uint32) {
	ke.EnterAnyLevel(k, ddi.ExFreePool2)
	pool.Free(k, ddi.ExFreePool2, p, tag)
}

// checkRequest reports what is wrong with an allocation; false means that ExAllocatePool2 returns NULL.
func checkRequest(k *irql.K, r *pool.Request) bool {
	allocationLevel(k, r)
	if r.Size == 0 {
		ke.Report(k, verify.Finding{Rule: verify.POOL_001, Obj: r.DDI.String(),
			Headline: fmt.Sprintf("%v is asked for zero bytes", r.DDI),
			Args:     verify.Params(nil, ke.IRQL(k), r.Kind)})
	}
	if r.Kind == pool.NonPagedExecute {
		executable(k, r.DDI)
	}
	return checkTag(k, r.DDI, r.Tag)
}

func executable(k *irql.K, d ddi.ID) {
	ke.Report(k, verify.Finding{Rule: verify.POOL_019, Obj: d.String(),
		Headline: fmt.Sprintf("%v is asked for executable pool", d)})
}

// allocationLevel reports POOL-002 and POOL-003.
func allocationLevel(k *irql.K, r *pool.Request) {
	level := ke.IRQL(k)
	rule, allowed := verify.POOL_003, uint8(ke.Dispatch)
	if r.Kind == pool.Paged {
		allowed = ke.APC
		if level <= ke.Dispatch {
			rule = verify.POOL_002
		}
	}
	if level <= allowed {
		return
	}
	f := verify.Finding{Rule: rule, Obj: r.DDI.String(), AllowedIRQL: allowed,
		Headline: fmt.Sprintf("%v is asked for %v at %s", r.DDI, r.Kind, ke.LevelName(level)),
		Args:     verify.Params(nil, level, r.Kind, r.Size)}
	ke.Report(k, f)
}

// checkTag reports POOL-010 and POOL-022; false for a tag with which ExAllocatePool2 returns NULL.
func checkTag(k *irql.K, d ddi.ID, tag uint32) bool {
	why, sub := badTag(tag, d == ddi.ExAllocatePool2)
	switch {
	case why != "":
		ke.Report(k, verify.Finding{Rule: verify.POOL_010, Obj: d.String(),
			Headline: fmt.Sprintf("%v: the pool tag %#x %s", d, tag, why), Args: verify.Params(sub)})
	case tag == tagNone || tag == tagWdm:
		ke.Report(k, verify.Finding{Rule: verify.POOL_022, Obj: d.String(),
			Headline: fmt.Sprintf("%v: '%s' is a default tag", d, pool.TagName(tag))})
	}
	return tag != 0
}

// The default tags and the one reserved for large blocks, as Tag makes them.
const (
	tagNone = 0x656e6f4e // "None"
	tagWdm  = 0x206d6457 // "Wdm "
	tagBig  = 0x00474942 // "BIG"
)

// badTag says what is wrong with a tag, and the first parameter of bug check 0xC2 for it.
func badTag(tag uint32, strict bool) (why, sub string) {
	switch tag {
	case 0:
		return "is zero", "0x9b"
	case tagBig, tagBig | ' '<<24:
		return "is reserved for large blocks", "0x9c"
	}
	letter, printable := false, true
	for t := tag; t != 0; t >>= 8 {
		c := byte(t)
		letter = letter || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
	}
	for i := range 4 {
		c := byte(tag >> (8 * i))
		printable = printable && c >= 0x20 && c <= 0x7e
	}
	switch {
	case !letter:
		return "has neither letter nor digit", "0x9d"
	case strict && !printable:
		return "has a character that is not printable", "0x9d"
	}
	return "", ""
}

func deprecated(k *irql.K, d ddi.ID) {
	ke.Report(k, verify.Finding{Rule: verify.POOL_015, Obj: d.String(),
		Headline: fmt.Sprintf("%v is deprecated: the memory it returns is not initialised",
			d)})
}

func quotaInDPC(k *irql.K, d ddi.ID) {
	ke.Report(k, verify.Finding{Rule: verify.POOL_020, Obj: d.String(),
		Headline: fmt.Sprintf("%v charges quota to a process in a DPC, which runs in none", d)})
}

// arg makes a bug check parameter.
func arg(value any, meaning string) verify.Arg {
	return verify.Arg{Value: fmt.Sprint(value), Meaning: meaning}
}

// raise ends a routine with an exception, as ExRaiseStatus does.
func raise(k *irql.K, d ddi.ID, s ntstatus.NTSTATUS) {
	ke.CallStatus(k, d, 0, uint32(s))
	panic(irql.Exception{Status: s, Routine: d.String()})
}
