package fwpm

import "calloutsim/fwps"

// The keys of conditions on values that the modelled layers have. Those on values nobody models are left out.
var (
	FWPM_CONDITION_ALE_APP_ID = fwps.GUID{Data1: 0xd78e1e87, Data2: 0x8644, Data3: 0x4ea5,
		Data4: [8]byte{0x94, 0x37, 0xd8, 0x09, 0xec, 0xef, 0xc9, 0x71}}
	FWPM_CONDITION_ALE_ORIGINAL_APP_ID = fwps.GUID{Data1: 0x0e6cd086, Data2: 0xe1fb, Data3: 0x4212,
		Data4: [8]byte{0x84, 0x2f, 0x8a, 0x9f, 0x99, 0x3f, 0xb3, 0xf6}}
	FWPM_CONDITION_IP_PROTOCOL = fwps.GUID{Data1: 0x3971ef2b, Data2: 0x623e, Data3: 0x4f9a,
		Data4: [8]byte{0x8c, 0xb1, 0x6e, 0x79, 0xb8, 0x06, 0xb9, 0xa7}}
	FWPM_CONDITION_IP_LOCAL_ADDRESS = fwps.GUID{Data1: 0xd9ee00de, Data2: 0xc1ef, Data3: 0x4617,
		Data4: [8]byte{0xbf, 0xe3, 0xff, 0xd8, 0xf5, 0xa0, 0x89, 0x57}}
	FWPM_CONDITION_IP_LOCAL_PORT = fwps.GUID{Data1: 0x0c1ba1af, Data2: 0x5765, Data3: 0x453f,
		Data4: [8]byte{0xaf, 0x22, 0xa8, 0xf7, 0x91, 0xac, 0x77, 0x5b}}
	FWPM_CONDITION_IP_REMOTE_ADDRESS = fwps.GUID{Data1: 0xb235ae9a, Data2: 0x1d64, Data3: 0x49b8,
		Data4: [8]byte{0xa4, 0x4c, 0x5f, 0xf3, 0xd9, 0x09, 0x50, 0x45}}
	FWPM_CONDITION_IP_REMOTE_PORT = fwps.GUID{Data1: 0xc35a604d, Data2: 0xd22b, Data3: 0x4e1a,
		Data4: [8]byte{0x91, 0xb4, 0x68, 0xf6, 0x74, 0xee, 0x67, 0x4b}}
	FWPM_CONDITION_FLAGS = fwps.GUID{Data1: 0x632ce23b, Data2: 0x5167, Data3: 0x435c,
		Data4: [8]byte{0x86, 0xd7, 0xe9, 0x03, 0x68, 0x4a, 0xa8, 0x0c}}
	FWPM_CONDITION_DIRECTION = fwps.GUID{Data1: 0x8784c146, Data2: 0xca97, Data3: 0x44d6,
		Data4: [8]byte{0x9f, 0xd1, 0x19, 0xfb, 0x18, 0x40, 0xcb, 0xf7}}
	FWPM_CONDITION_COMPARTMENT_ID = fwps.GUID{Data1: 0x35a791ab, Data2: 0x04ac, Data3: 0x4ff2,
		Data4: [8]byte{0xa6, 0xbb, 0xda, 0x6c, 0xfa, 0xc7, 0x18, 0x06}}
)

// conditionField gives the end of the name of the value a condition looks at; "" for a key that is none.
func conditionField(key fwps.GUID) string {
	switch key {
	case FWPM_CONDITION_ALE_APP_ID:
		return "ALE_APP_ID"
	case FWPM_CONDITION_ALE_ORIGINAL_APP_ID:
		return "ALE_ORIGINAL_APP_ID"
	case FWPM_CONDITION_IP_PROTOCOL:
		return "IP_PROTOCOL"
	case FWPM_CONDITION_IP_LOCAL_ADDRESS:
		return "IP_LOCAL_ADDRESS"
	case FWPM_CONDITION_IP_LOCAL_PORT:
		return "IP_LOCAL_PORT"
	case FWPM_CONDITION_IP_REMOTE_ADDRESS:
		return "IP_REMOTE_ADDRESS"
	case FWPM_CONDITION_IP_REMOTE_PORT:
		return "IP_REMOTE_PORT"
	case FWPM_CONDITION_FLAGS:
		return "FLAGS"
	case FWPM_CONDITION_DIRECTION:
		return "DIRECTION"
	case FWPM_CONDITION_COMPARTMENT_ID:
		return "COMPARTMENT_ID"
	}
	return ""
}
