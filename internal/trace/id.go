// Package trace holds what a run leaves behind: small stable object ids, fixed-size events and the hash over
// them.
//
// Modelled: one event per DDI, per callback entered or left, per switch of context, per step of the simulated
// network. Ids and numbers only are recorded while a run goes on; text is made from them when somebody asks.
package trace

import (
	"strconv"
	"strings"
)

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
	Peer // the far end of a connection, on a declared host
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
	Layer      // a station of the network at which filters are
	Port       // of a transport protocol
	Injection  // a handle by which packets are injected
	Indication // a list of received data that a driver is shown
	numKinds
)

var kindNames = [...]string{
	NoKind:          "none",
	IRP:             "irp",
	Device:          "dev",
	Driver:          "drv",
	File:            "file",
	Pool:            "pool",
	MDL:             "mdl",
	KEvent:          "event",
	Mutex:           "mutex",
	Semaphore:       "sem",
	Timer:           "timer",
	DPC:             "dpc",
	Thread:          "thread",
	WorkItem:        "work",
	SpinLock:        "lock",
	FastMutex:       "fmutex",
	GuardedMutex:    "gmutex",
	Resource:        "eres",
	PushLock:        "push",
	Rundown:         "rundown",
	RemoveLock:      "rmlock",
	Queue:           "csq",
	Lookaside:       "look",
	Process:         "proc",
	Var:             "var",
	Handle:          "handle",
	Registration:    "reg",
	Socket:          "sock",
	Endpoint:        "ep",
	Peer:            "peer",
	Callout:         "callout",
	Filter:          "filter",
	Sublayer:        "sublayer",
	Engine:          "engine",
	Classify:        "classify",
	ClassifyHandle:  "ch",
	RedirectHandle:  "rh",
	RedirectRecords: "records",
	RedirectContext: "rctx",
	Flow:            "flow",
	NetBuffer:       "nbl",
	Interface:       "if",
	APC:             "apc",
	Context:         "ctx",
	List:            "list",
	Layer:           "layer",
	Port:            "port",
	Injection:       "ih",
	Indication:      "ind",
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

// ParseID reads what String gives, "irp#7".
func ParseID(s string) (ID, bool) {
	prefix, digits, ok := strings.Cut(s, "#")
	n, err := strconv.ParseUint(digits, 10, 56)
	if !ok || err != nil {
		return 0, false
	}
	for k, name := range kindNames {
		if name == prefix {
			return MakeID(Kind(k), n), true
		}
	}
	return 0, false
}
