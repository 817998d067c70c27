// Package trace holds what a run leaves behind: small stable object ids, fixed-size events and the hash over
// them.
//
// Modelled: one event per DDI, per callback entered or left, per switch of context, per step of the simulated
// network. Ids and numbers only are recorded while a run goes on; text is made from them when somebody asks.
package trace

import "strconv"

// Kind says what sort of object an ID names.
type Kind uint8

// The kinds of objects that have ids.
const (
	NoKind Kind = iota
	IRP
	Device
	Driver
	File
	Pool
	MDL
	KEvent
	Mutex
	Semaphore
	Timer
	DPC
	Thread
	WorkItem
	SpinLock
	FastMutex
	GuardedMutex
	Resource
	PushLock
	Rundown
	RemoveLock
	Queue
	Lookaside
	Process
	Var
	Handle
	Registration
	Socket
	Endpoint
	Connection
	Callout
	Filter
	Sublayer
	Engine
	Classify
	ClassifyHandle
	RedirectHandle
	RedirectRecords
	RedirectContext
	Flow
	NetBuffer
	Interface
	APC
	Context
	List
	numKinds
)

var kindNames = [numKinds]string{
	"none", "irp", "dev", "drv", "file", "pool", "mdl", "event", "mutex", "sem", "timer", "dpc", "thread",
	"work",
	"lock", "fmutex", "gmutex", "eres", "push", "rundown", "rmlock", "csq", "look", "proc", "var", "handle",
	"reg",
	"sock", "ep", "conn", "callout", "filter", "sublayer", "engine", "classify", "ch", "rh", "records",
	"rctx",
	"flow", "nbl", "if", "apc", "ctx",
	"list",
}

// String gives the prefix printed before the number: "irp", "dev".
func (k Kind) String() string {
	if k >= numKinds {
		return "kind" + strconv.Itoa(int(k))
	}
	return kindNames[k]
}

// NumKinds is the number of kinds, for tables indexed by Kind.
const NumKinds = int(numKinds)

// ID names one object of one run: a kind and the number of the object among its kind, in order of creation.
// The zero ID names nothing. IDs compare, and are never used twice in a run.
type ID uint64

// MakeID puts an ID together.
func MakeID(k Kind, n uint64) ID { return ID(uint64(k)<<56 | n&(1<<56-1)) }

// Kind returns what the ID names.
func (id ID) Kind() Kind { return Kind(id >> 56) }

// Num returns the number among its kind.
func (id ID) Num() uint64 { return uint64(id) & (1<<56 - 1) }

// String prints the ID as reports show it: "irp#7"; the zero ID is "nil".
func (id ID) String() string {
	if id == 0 {
		return "nil"
	}
	return id.Kind().String() + "#" + strconv.FormatUint(id.Num(), 10)
}
