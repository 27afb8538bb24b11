package docker

import "encoding/json"

// The messages of the protocol, as engines write and read them: docs/remote.md and
// docs/ipam.md of libnetwork, and Docker's plugin_api. Fields that nobody here looks at are
// left out.

type activation struct{ Implements []string }

type capabilities struct {
	Scope             string
	ConnectivityScope string
}

// nothing is an empty message.
type nothing struct{}

type ipamData struct {
	AddressSpace string
	Pool         string // a prefix
	Gateway      string // an address with the length of its prefix
}

type networkID struct{ NetworkID string }

type createNetwork struct {
	NetworkID          string
	Options            map[string]json.RawMessage
	IPv4Data, IPv6Data []ipamData
}

type allocateNetwork struct {
	NetworkID string
	Options   map[string]string
}

type allocated struct{ Options map[string]string }

type endpointID struct{ NetworkID, EndpointID string }

// endpointInterface has addresses with the lengths of their prefixes. What is empty in a
// request is to be filled in by the answer, and nothing else may be.
type endpointInterface struct {
	Address     string `json:",omitempty"`
	AddressIPv6 string `json:",omitempty"`
	MacAddress  string `json:",omitempty"`
}

type createEndpoint struct {
	endpointID
	Interface *endpointInterface
}

type createdEndpoint struct{ Interface *endpointInterface }

type operInfo struct{ Value map[string]string }

type joinRequest struct {
	endpointID
	SandboxKey string // path of the container's network namespace
}

type interfaceName struct{ SrcName, DstPrefix string }

type joined struct {
	InterfaceName         interfaceName
	DisableGatewayService bool
}

type discovery struct {
	DiscoveryType int // 1 is about nodes
	DiscoveryData struct {
		Address string
		Self    bool
	}
}

const discoveredNode = 1

type ipamCapabilities struct{ RequiresMACAddress, RequiresRequestReplay bool }

type addressSpaces struct{ LocalDefaultAddressSpace, GlobalDefaultAddressSpace string }

type requestPool struct {
	AddressSpace, Pool, SubPool string
	V6                          bool
}

type poolGiven struct {
	PoolID string
	Pool   string
	Data   map[string]string
}

type poolID struct{ PoolID string }

type requestAddress struct {
	PoolID  string
	Address string
	Options map[string]string
}

// Options of an address request that say that it is for no container.
const (
	requestType    = "RequestAddressType"
	requestGateway = "com.docker.network.gateway"
)

type addressGiven struct {
	Address string // with the length of its prefix
	Data    map[string]string
}

type releaseAddress struct{ PoolID, Address string }
