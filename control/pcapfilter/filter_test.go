package pcapfilter_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/control/pcapfilter"
)

func compile(t testing.TB, expression string, link pcapfilter.Link) *pcapfilter.Filter {
	t.Helper()
	f, err := pcapfilter.Compile(expression, link)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// names returns which packets match, each name once.
func names(t testing.TB, expression string) string {
	f := compile(t, expression, pcapfilter.Ethernet)
	var list []string
	seen := map[string]bool{}
	for _, p := range packets(t) {
		if f.Match(p.data) && !seen[p.name] {
			list, seen[p.name] = append(list, p.name), true
		}
	}
	return strings.Join(list, ", ")
}

func TestMatch(t *testing.T) {
	for expression, want := range map[string]string{
		"tcp port 80":                     "http",
		"port 80 or 443":                  "http, https, sctp",
		"udp":                             "dns, a later fragment, multicast",
		"udp and not port 53":             "a later fragment",
		"arp":                             "arp",
		"arp host 10.9.1.2":               "arp",
		"vlan 10 and vlan 20 and port 53": "dns",
		"vlan 11":                         "",
		"greater 1000":                    "https",
		"ip multicast":                    "multicast",
		"ether broadcast":                 "arp",
		"not (ip or ip6 or vlan)":         "arp",
		"icmp or icmp6":                   "ping, ping6",
		"net 224.0.0.0/4":                 "multicast",
		"dst port (53 or 443)":            "https, dns, multicast",
	} {
		if got := names(t, expression); got != want {
			t.Errorf("%s matches %q, want %q", expression, got, want)
		}
	}
}

// Without an Ethernet header the same is said about the same IP packets.
func TestRawIP(t *testing.T) {
	const header = 14
	for _, expression := range expressions {
		if strings.Contains(expression, "ether") || strings.Contains(expression, "vlan") || strings.Contains(expression, "arp") ||
			strings.Contains(expression, "cast") || strings.Contains(expression, "less") || strings.Contains(expression, "greater") ||
			strings.Contains(expression, "len") || strings.Contains(expression, "ip[-") || strings.Contains(expression, "ip[1 -") {
			continue
		}
		framed, raw := compile(t, expression, pcapfilter.Ethernet), compile(t, expression, pcapfilter.RawIP)
		for _, p := range packets(t) {
			if typ := [2]byte(p.data[12:]); typ != [2]byte{8, 0} && typ != [2]byte{0x86, 0xdd} {
				continue
			}
			if a, b := framed.Match(p.data), raw.Match(p.data[header:]); a != b {
				t.Errorf("%q, %s: %t in a frame, %t without", expression, p.name, a, b)
			}
		}
	}
	for _, expression := range []string{"arp", "vlan", "ether host 02:00:00:00:00:01", "ether multicast"} {
		f := compile(t, expression, pcapfilter.RawIP)
		for _, p := range packets(t) {
			if f.Match(p.data[header:]) {
				t.Errorf("%q matches a packet without Ethernet header", expression)
			}
		}
	}
}

func TestBadExpressions(t *testing.T) {
	for expression, says := range map[string]string{
		"frob":                              `unexpected "frob" at column 1: want something like host, net, port or a protocol`,
		"host":                              "it ends where an address, a port or a number is missing",
		"host example.org":                  `"example.org" is no address of a host; names are not looked up`,
		"tcp and":                           "it ends where an address, a port or a number is missing",
		"(tcp":                              "it ends where a closing parenthesis is missing",
		"tcp)":                              `unexpected ")" at column 4`,
		"port 65536":                        `bad port "65536"`,
		"portrange 1-x":                     `bad port "x"`,
		"ip port 80":                        "ip has no ports",
		"tcp host 10.9.0.1":                 "tcp has no address",
		"ip host fd09::1":                   "ip has no address fd09::1",
		"net 10.9.0.1/16":                   "want 10.9.0.0/16",
		"net 10.9.0.0 mask 1.2.3.4":         `bad mask "1.2.3.4"`,
		"ether host 10.9.0.1":               "want ether host with a MAC",
		"vlan 4096":                         "want a number from 0 to 4095",
		"less x":                            `unexpected "x" at column 6: want a number`,
		"ether proto 5":                     `bad protocol "5"`,
		"ip broadcast":                      "want ether broadcast",
		"tcp tcp":                           `unexpected "tcp" at column 5: want and, or, or the end`,
		"tcp & udp":                         `unexpected "&" at column 5: want and, or, or the end`,
		"net 10.9.0.0/":                     "it ends where the length of a prefix is missing",
		"tcp[13]":                           "it ends where =, !=, <, <=, > or >= is missing",
		"tcp[13] udp":                       `unexpected "udp" at column 9: want =, !=, <, <=, > or >=`,
		"tcp[13] =":                         "it ends where a number, len, or bytes like tcp[13] is missing",
		"tcp[13 = 2":                        `unexpected "=" at column 8: want a closing bracket`,
		"tcp[x] = 2":                        `unexpected "x" at column 5: want a number, len, or bytes like tcp[13]`,
		"tcp[13:3] = 2":                     `unexpected "3" at column 8: want 1, 2 or 4 bytes`,
		"tcp[13] = 2 = 2":                   `unexpected "=" at column 13: want and, or, or the end`,
		"ip[0] = 4294967296":                `unexpected "4294967296" at column 9`,
		"len = 5 / (3 - 3)":                 "a division by zero at column 9",
		"len = 5 % 0":                       "a division by zero at column 9",
		"len = 1 << 32":                     "a shift by more than 31 bits at column 9",
		"(4 << 32) = len":                   "a shift by more than 31 bits at column 4",
		"(len + 3) 5":                       `unexpected ")" at column 9: want =, !=, <, <=, > or >=`,
		"port 80 or len = 1 or 443":         `unexpected "443" at column 23: want something like host, net, port or a protocol`,
		"igmp[0] = 1":                       `unexpected "igmp" at column 1`,
		"len = " + strings.Repeat("(", 200): "deeper than 100",
		"len = " + strings.Repeat("1 + (len - ", 20) + "1" + strings.Repeat(")", 20): "use fewer parentheses",
		strings.Repeat("(", 200): "deeper than 100",
	} {
		_, err := pcapfilter.Compile(expression, pcapfilter.Ethernet)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.30q: %v, want %q", expression, err, says)
		}
	}
}

// A long expression jumps further than one conditional jump can.
func TestLongExpression(t *testing.T) {
	for expression, want := range map[string]string{
		strings.Repeat("not host 10.9.9.9 and ", 100) + "tcp port 80":          "http",
		strings.Repeat("not host 10.9.9.9 and ", 100) + "vlan 11":              "",
		"not port 53 and " + strings.Repeat("not port 9999 and ", 100) + "udp": "a later fragment",
		"icmp or " + strings.Repeat("port 9999 or ", 100) + "arp":              "ping, arp",
	} {
		if got := names(t, expression); got != want {
			t.Errorf("long expression ...%s matches %q, want %q", expression[len(expression)-30:], got, want)
		}
	}
}

// Boolean algebra holds of whatever is joined, on packets that are not cut off.
func TestLogic(t *testing.T) {
	all := packets(t)
	rapid.Check(t, func(t *rapid.T) {
		// vlan changes what the words behind it are about.
		simple := rapid.SampledFrom(expressions[1:66]).Filter(func(s string) bool { return !strings.Contains(s, "vlan") })
		a, b := simple.Draw(t, "a"), simple.Draw(t, "b")
		p := rapid.SampledFrom(all).Draw(t, "packet")
		match := func(expression string) bool {
			f, err := pcapfilter.Compile(expression, pcapfilter.Ethernet)
			if err != nil {
				t.Fatal(err)
			}
			return f.Match(p.data)
		}
		ma, mb := match(a), match(b)
		if match("("+a+") and ("+b+")") != (ma && mb) || match("("+a+") or ("+b+")") != (ma || mb) || match("not ("+a+")") == ma {
			t.Fatalf("%q is %t and %q is %t of %s, but not together", a, ma, b, mb, p.name)
		}
	})
}

func FuzzCompile(f *testing.F) {
	for _, expression := range expressions {
		f.Add(expression, []byte("a packet of no kind"))
	}
	f.Fuzz(func(t *testing.T, expression string, packet []byte) {
		for _, link := range []pcapfilter.Link{pcapfilter.Ethernet, pcapfilter.RawIP} {
			if c, err := pcapfilter.Compile(expression, link); err == nil {
				c.Match(packet)
			}
		}
	})
}

// An expression has its length, whoever asks for it.
func TestTooLong(t *testing.T) {
	term := "port 80 or "
	long := strings.Repeat(term, 2900) + "arp"
	if _, err := pcapfilter.Compile(long, pcapfilter.Ethernet); err != nil {
		t.Error(err)
	}
	if _, err := pcapfilter.Compile(long+strings.Repeat(" ", 1<<10), pcapfilter.Ethernet); err == nil || len(err.Error()) > 100 {
		t.Errorf("more than that: %v", err)
	}
}
