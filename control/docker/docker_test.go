package docker_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/vxtap/vxtap/control/docker"
	"github.com/vxtap/vxtap/encap"
)

func TestProtocol(t *testing.T) {
	p := newPlugin(t, nil)
	p.asks("Plugin.Activate", "", `{"Implements":["NetworkDriver","IpamDriver"]}`)
	p.asks("NetworkDriver.GetCapabilities", "", `{"Scope":"local","ConnectivityScope":"global"}`)
	p.asks("IpamDriver.GetCapabilities", "", `{"RequiresMACAddress":false,"RequiresRequestReplay":false}`)
	p.asks("IpamDriver.GetDefaultAddressSpaces", "", `{"LocalDefaultAddressSpace":"vxtap-local","GlobalDefaultAddressSpace":"vxtap-global"}`)
	p.refuses("NetworkDriver.Frobnicate", "{}", `no such method "NetworkDriver.Frobnicate"`)
	if code, _ := p.post("NetworkDriver.Frobnicate", "{}"); code != 404 {
		t.Errorf("status %d of an unknown method", code)
	}
	for _, body := range []string{"{", "[]", `{"NetworkID": 7}`, `{"NetworkID": "` + strings.Repeat("x", 1<<20) + `"}`} {
		p.refuses("NetworkDriver.CreateNetwork", body, "")
	}
	p.refuses("NetworkDriver.CreateNetwork", "{}", "without an ID")
	for _, m := range []string{"DiscoverNew", "DiscoverDelete", "ProgramExternalConnectivity", "RevokeExternalConnectivity", "FreeNetwork"} {
		p.asks("NetworkDriver."+m, "{}", "{}")
	}
}

// Options become words, as the same user would say them.
func TestOptions(t *testing.T) {
	for options, want := range map[string]string{
		`"vni": "42"`: "map[tap:[none] vni:[42]]",
		`"vni": "42", "remote": "10.9.0.2,10.9.0.1,10.9.0.3:8472", "sealed": ""`:                                          "map[remote:[10.9.0.2 10.9.0.3:8472] sealed:[true] tap:[none] vni:[42]]",
		`"vni": "42", "mtu": "1300", "encrypted": "", "sealed": "true"`:                                                   "map[mtu:[1300] sealed:[true] tap:[none] vni:[42]]",
		`"vni": 42, "com.docker.network.driver.mtu": "1500", "sealed": "false"`:                                           "map[mtu:[1450] tap:[none] vni:[42]]",
		`"com.docker.network.driver.overlay.vxlanid_list": "42,43", "com.docker.network.driver.mtu":1500, "encrypted":""`: "map[mtu:[1418] sealed:[true] tap:[none] vni:[42]]",
	} {
		p := newPlugin(t, nil)
		p.create(options)
		if got := fmt.Sprint(p.agent.words[42]); got != want {
			t.Errorf("%s: %s, want %s", options, got, want)
		}
	}
	// A node with two addresses leaves both out, and the MTU is that of the other's family.
	two := newPlugin(t, nil)
	two.agent.second = netip.MustParseAddr("fd09::1")
	two.restart()
	two.create(`"vni": "42", "remote": "fd09::1,fd09::2", "com.docker.network.driver.mtu": "1500"`)
	if got := fmt.Sprint(two.agent.words[42]); got != "map[mtu:[1430] remote:[fd09::2] tap:[none] vni:[42]]" {
		t.Errorf("on a node of both families: %s", got)
	}
	p := newPlugin(t, nil)
	for options, says := range map[string]string{
		`"x": "1"`:   `unknown option "x"`,
		`"vni": "0"`: "option vni",
		`"vni": "1", "com.docker.network.driver.overlay.vxlanid_list": "2"`: "name one",
		`"sealed": "maybe"`:                                      "option sealed",
		`"com.docker.network.driver.mtu": "x"`:                   "bad MTU",
		`"com.docker.network.driver.mtu": "100"`:                 "bad MTU",
		`"com.docker.network.driver.mtu": "1500", "mtu": "1400"`: "give one",
	} {
		p.refuses("NetworkDriver.CreateNetwork", networkBody("n1", options), says)
	}
	p.refuses("NetworkDriver.CreateNetwork", `{"NetworkID": "x", "Options": {"com.docker.network.generic": 7}}`, "generic")
	p.refuses("NetworkDriver.CreateNetwork", `{"NetworkID": "x", "IPv4Data": [{"Pool": "10.1"}]}`, "bad subnet")
	// Of networks that chose none, each has a VNI of its own, the same one wherever it is.
	p.asks("NetworkDriver.CreateNetwork", networkBody("n1", ""), "{}")
	p.asks("NetworkDriver.CreateNetwork", networkBody("n2", ""), "{}")
	other := newPlugin(t, nil)
	other.asks("NetworkDriver.CreateNetwork", networkBody("n2", ""), "{}")
	if len(p.agent.words) != 2 {
		t.Errorf("networks %v", p.agent.words)
	}
	for vni := range other.agent.words {
		if p.agent.words[vni] == nil || vni < 4096 {
			t.Errorf("the VNI is %d on one host only", vni)
		}
	}
}

const (
	endpointBody = `{"NetworkID": "n1", "EndpointID": "0123456789abcdef", "Interface": {"Address": "10.1.0.5/24"}}`
	joinBody     = `{"NetworkID": "n1", "EndpointID": "0123456789abcdef", "SandboxKey": "/run/docker/netns/1"}`
)

// The life of a container on a network, each step asked for twice.
func TestEndpoint(t *testing.T) {
	p := newPlugin(t, nil)
	for range 2 {
		p.create(`"vni": "42"`)
		p.asks("NetworkDriver.CreateEndpoint", endpointBody, `{"Interface":{"MacAddress":"02:42:0a:01:00:05"}}`)
	}
	for range 2 {
		p.asks("NetworkDriver.Join", joinBody, `{"InterfaceName":{"SrcName":"vx0123456789ab","DstPrefix":"eth"},"DisableGatewayService":false}`)
	}
	spec := p.agent.ports["42/0123456789ab"]
	if !spec.Handover || spec.MAC.String() != "02:42:0a:01:00:05" || !p.agent.up["0123456789abcdef"] {
		t.Errorf("the port is %+v, others know of %v", spec, p.agent.up)
	}
	p.asks("NetworkDriver.EndpointOperInfo", joinBody, `{"Value":{"vxtap.port":"0123456789ab","vxtap.vni":"42"}}`)
	for range 2 {
		p.asks("NetworkDriver.Leave", joinBody, "{}")
		if len(p.agent.ports) != 0 || len(p.agent.up) != 0 {
			t.Errorf("ports %v and endpoints %v stay", p.agent.ports, p.agent.up)
		}
	}
	p.refuses("NetworkDriver.Join", strings.Replace(joinBody, "0123", "4567", 1), "is not known")
	p.refuses("NetworkDriver.Join", strings.Replace(joinBody, "n1", "n2", 1), "none of vxtap's")
	p.refuses("NetworkDriver.CreateEndpoint", strings.Replace(endpointBody, "n1", "n2", 1), "none of vxtap's")
	p.refuses("NetworkDriver.CreateEndpoint", strings.Replace(endpointBody, "/24", "", 1), "bad address")
	p.agent.err = errors.New("no more devices")
	p.refuses("NetworkDriver.Join", joinBody, "no more devices")
	p.agent.err = nil
	p.asks("NetworkDriver.Join", joinBody, `{"InterfaceName":{"SrcName":"vx0123456789ab","DstPrefix":"eth"},"DisableGatewayService":false}`)
	for range 2 { // with a container on it, and then without a network
		p.asks("NetworkDriver.DeleteEndpoint", joinBody, "{}")
		p.asks("NetworkDriver.DeleteNetwork", joinBody, "{}")
	}
	if len(p.agent.ports)+len(p.agent.words)+len(p.agent.up) != 0 {
		t.Errorf("%v, %v and %v stay", p.agent.ports, p.agent.words, p.agent.up)
	}
}

// An address that another host has is not given out here, and which are given out is known
// after a restart.
func TestAddresses(t *testing.T) {
	p := newPlugin(t, nil)
	pool := `{"PoolID": "10.1.0.0/24"`
	p.asks("IpamDriver.RequestPool", `{"AddressSpace": "vxtap-local", "Pool": "10.1.0.0/24", "SubPool": "10.1.0.8/29", "Options": null, "V6": false}`,
		`{"PoolID":"10.1.0.0/24","Pool":"10.1.0.0/24","Data":{}}`)
	p.asks("IpamDriver.RequestAddress", pool+`, "Address": "10.1.0.1", "Options": {"RequestAddressType": "com.docker.network.gateway"}}`, `{"Address":"10.1.0.1/24","Data":{}}`)
	p.agent.taken = []string{"10.1.0.8", "10.1.0.9", "10.1.0.77"}
	p.agent.seen = []string{"10.1.0.10", "10.1.0.88"}
	p.create(`"vni": "42"`)
	if len(p.agent.claims) != 0 {
		t.Errorf("claimed %v before there was a network", p.agent.claims)
	}
	p.asks("IpamDriver.RequestAddress", pool+"}", `{"Address":"10.1.0.11/24","Data":{}}`)
	p.asks("IpamDriver.RequestAddress", pool+`, "Address": "10.1.0.88"}`, `{"Address":"10.1.0.88/24","Data":{}}`) // it has moved here
	if got := fmt.Sprint(p.agent.claims); got != "[42 10.1.0.8 42 10.1.0.9 42 10.1.0.11 42 10.1.0.88]" {
		t.Errorf("claimed %v", got)
	}
	p.refuses("IpamDriver.RequestAddress", pool+`, "Address": "10.1.0.77"}`, "in use on another host")
	p.agent.taken = nil
	p.asks("IpamDriver.RequestAddress", pool+`, "Address": "10.1.0.77"}`, `{"Address":"10.1.0.77/24","Data":{}}`)
	p.restart()
	p.refuses("IpamDriver.RequestAddress", pool+`, "Address": "10.1.0.11"}`, "taken")
	p.asks("IpamDriver.RequestAddress", pool+"}", `{"Address":"10.1.0.12/24","Data":{}}`)
	for range 2 {
		p.asks("IpamDriver.ReleaseAddress", pool+`, "Address": "10.1.0.11"}`, "{}")
	}
	p.asks("IpamDriver.RequestAddress", pool+`, "Address": "10.1.0.11"}`, `{"Address":"10.1.0.11/24","Data":{}}`)
	for i := 13; i < 16+3; i++ { // 13 to 15, 8 and 9, which are not known any more, and for want of others 10
		if code, got := p.post("IpamDriver.RequestAddress", pool+"}"); code != 200 {
			t.Error(got)
		}
	}
	p.refuses("IpamDriver.RequestAddress", pool+"}", "no address is left")
	p.refuses("IpamDriver.RequestPool", `{"Pool": "10.1.0.128/25"}`, "in use for another network")
	p.refuses("IpamDriver.RequestPool", `{"Pool": "10.1"}`, "bad subnet")
	p.refuses("IpamDriver.RequestAddress", `{"PoolID": "x"}`, "no such pool")
	p.refuses("IpamDriver.RequestAddress", pool+`, "Address": "x"}`, "bad address")
	for range 2 {
		p.asks("IpamDriver.ReleasePool", pool+"}", "{}")
	}
	// With another's address manager, one that is taken can only be refused.
	p.agent.taken = []string{"10.1.0.5"}
	p.refuses("NetworkDriver.CreateEndpoint", endpointBody, "--ip-range")
}

func TestRoutes(t *testing.T) {
	p := newPlugin(t, func(c *docker.Config) {
		c.Routes = func() ([]netip.Prefix, error) {
			return []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("10.128.0.0/24")}, nil
		}
	})
	p.refuses("NetworkDriver.CreateNetwork", networkBody("n1", ""), "this host has a route to 10.1.0.0/16")
	p.refuses("IpamDriver.RequestPool", `{"Pool": "10.0.0.0/8"}`, "this host has a route to 10.1.0.0/16")
	p.asks("IpamDriver.RequestPool", `{}`, `{"PoolID":"10.128.1.0/24","Pool":"10.128.1.0/24","Data":{}}`)
}

// In a swarm, its nodes are the remotes of networks that name none, before and after, and
// managers choose VNIs for all.
func TestSwarm(t *testing.T) {
	p := newPlugin(t, func(c *docker.Config) { c.Swarm = true })
	p.asks("NetworkDriver.GetCapabilities", "", `{"Scope":"global","ConnectivityScope":"global"}`)
	node := func(addr string, self bool) string {
		return fmt.Sprintf(`{"DiscoveryType": 1, "DiscoveryData": {"Address": %q, "BindAddress": "x", "Self": %t}}`, addr, self)
	}
	p.asks("NetworkDriver.DiscoverNew", node("10.9.0.1", true), "{}")
	p.asks("NetworkDriver.DiscoverNew", node("10.9.0.2", false), "{}")
	p.asks("NetworkDriver.DiscoverNew", node("fd09::3", false), "{}") // which cannot be one
	p.create(`"vni": "42"`)
	p.asks("NetworkDriver.CreateNetwork", networkBody("n2", `"vni": "43", "remote": "10.9.0.7"`), "{}")
	p.asks("NetworkDriver.DiscoverNew", node("10.9.0.3", false), "{}")
	p.asks("NetworkDriver.DiscoverDelete", node("10.9.0.2", false), "{}")
	if got := fmt.Sprint(p.agent.words[42]["remote"], p.agent.fdb); got != "[10.9.0.2] [42+10.9.0.3 42-10.9.0.2]" {
		t.Errorf("remotes %s", got)
	}
	p.restart()
	if got := fmt.Sprint(p.agent.words[42]["remote"], p.agent.words[43]["remote"]); got != "[10.9.0.3] [10.9.0.7]" {
		t.Errorf("remotes %s after a restart", got)
	}
	// What the user asked for is in the answer, too, or the nodes would not hear of it.
	p.asks("NetworkDriver.AllocateNetwork", `{"NetworkID": "n9", "Options": {"vni": "9", "encrypted": ""}}`, `{"Options":{"encrypted":"","vni":"9"}}`)
	_, sealed := p.post("NetworkDriver.AllocateNetwork", `{"NetworkID": "n9", "Options": {"encrypted": ""}}`)
	if !strings.Contains(sealed, `"encrypted":""`) || !strings.Contains(sealed, `"vni":`) {
		t.Errorf("allocated %s", sealed)
	}
	_, one := p.post("NetworkDriver.AllocateNetwork", `{"NetworkID": "n9", "Options": {}}`)
	_, two := newPlugin(t, nil).post("NetworkDriver.AllocateNetwork", `{"NetworkID": "n9"}`)
	if one != two || !strings.Contains(one, `"vni":"`) {
		t.Errorf("two managers chose %s and %s", one, two)
	}
}

// Engines of later versions say more than this one knows, and may leave IPv4 out.
func TestNewerEngine(t *testing.T) {
	p := newPlugin(t, nil)
	p.asks("NetworkDriver.CreateNetwork", `{"NetworkID": "n1", "Frobnicate": [1], "Options": {"com.docker.network.enable_ipv4": false,
		"com.docker.network.enable_ipv6": true, "com.docker.network.later": {"x": 1}, "com.docker.network.generic": {"vni": "42"}},
		"IPv4Data": null, "IPv6Data": [{"AddressSpace": "x", "Pool": "fd42::/64", "Gateway": "fd42::1/64", "AuxAddresses": {"a": "fd42::9/64"}, "Later": 1}]}`, "{}")
	p.asks("NetworkDriver.CreateEndpoint", `{"NetworkID": "n1", "EndpointID": "0123456789abcdef", "Options": {"com.docker.network.portmap": []},
		"Interface": {"Address": "", "AddressIPv6": "fd42::5/64", "MacAddress": "", "Later": true}}`, `{"Interface":{"MacAddress":"`+encap.MACFromAddr(netip.MustParseAddr("fd42::5")).String()+`"}}`)
	p.asks("NetworkDriver.Join", strings.Replace(joinBody, "{", `{"Options": {"com.docker.network.endpoint.ifname": "x"}, "Later": {},`, 1),
		`{"InterfaceName":{"SrcName":"vx0123456789ab","DstPrefix":"eth"},"DisableGatewayService":false}`)
	p.asks("IpamDriver.RequestPool", `{"AddressSpace": "vxtap-local", "Pool": "10.7.0.0/24", "Options": {"a": "b"}, "Exclude": ["10.8.0.0/16"]}`,
		`{"PoolID":"10.7.0.0/24","Pool":"10.7.0.0/24","Data":{}}`)
	p.restart()
	if spec := p.agent.ports["42/0123456789ab"]; fmt.Sprint(spec.Addresses) != "[fd42::5/64]" {
		t.Errorf("made again as %+v", spec)
	}
	if code, _ := p.post("NetworkDriver.GwAllocCheck", "{}"); code != 404 {
		t.Errorf("a method that is not announced: status %d", code)
	}
}
