package wfp

// Origin says how long a management object lasts and whose it is.
type Origin struct {
	Session    uint64 // the dynamic session that it vanishes with; 0 is none
	Persistent bool   // it outlives the service that keeps it
	Builtin    bool   // it is part of the system
	Provider   *Provider
}

// MayReferTo reports whether an object may refer to another: not to one that can vanish earlier, and a
// persistent one not to a persistent one of another provider (wfp.md 1.2). That an object without a provider
// is nobody else's is INFERRED.
func (o Origin) MayReferTo(target Origin) bool {
	switch {
	case target.Builtin:
		return true
	case target.Session != 0:
		return target.Session == o.Session
	case o.Persistent:
		return target.Persistent && (target.Provider == nil || target.Provider == o.Provider)
	}
	return true
}

// Provider is who objects say they belong to.
type Provider struct {
	Key    GUID
	Origin Origin
	Data   any // how package fwpm describes it; the same of the other objects
}

// ProviderContext is what a filter hands to its callout.
type ProviderContext struct {
	Key    GUID
	ID     uint64
	Origin Origin
	Data   any
}
