package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxtap/vxtap/control/api"
)

func newKeysShowCommand(e *env) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "show",
		Short: "Show each peer's epoch, its age, and what was sealed, opened and rejected",
		Long: `Show how the node stands with each peer in sealed networks: since when the keys of the
present epoch are in use, when they are changed at the latest, how many packets were
sealed and opened, and how many were rejected, for which reason. Of keys, only public
ones are shown.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			k, err := api.NewClient(e.socket).Keys(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(e.stdout, k)
			}
			_, err = io.WriteString(e.stdout, describeKeys(&k))
			return err
		},
	}
	jsonFlag(c.Flags(), &asJSON)
	return c
}

// describeKeys returns a line for the node and a block for each peer.
func describeKeys(k *api.Keys) string {
	if k.PublicKey.IsZero() {
		return "no sealed networks\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "node %v cipher %s%s\n", k.PublicKey, k.Cipher, wordIf(k.NAT, " behind-nat"))
	if nobodys := rejected(k.Rejected); nobodys != "" {
		fmt.Fprintf(&b, "  rejected of nobody known %s\n", nobodys)
	}
	for i := range k.Peers {
		b.WriteByte('\n')
		describePeer(&b, &k.Peers[i])
	}
	if len(k.Peers) == 0 {
		b.WriteString("\nno peers\n")
	}
	return b.String()
}

// wordIf returns a word for what is so.
func wordIf(so bool, word string) string {
	if so {
		return word
	}
	return ""
}

func describePeer(b *strings.Builder, p *api.PeerKeys) {
	fmt.Fprintf(b, "peer %v %v\n", p.VTEP.Addr(), p.PublicKey)
	fmt.Fprintf(b, "  %s", p.State)
	if p.Endpoint.IsValid() {
		fmt.Fprintf(b, " at %v", p.Endpoint)
	}
	b.WriteString(wordIf(p.NAT, " across-nat") + "\n")
	if p.Epoch != 0 {
		fmt.Fprintf(b, "  epoch %d, age %v, next rotation %s\n", p.Epoch, seconds(p.AgeSeconds), rotation(p.NextRotationSeconds))
	}
	fmt.Fprintf(b, "  packets sent %d received %d\n", p.Sent, p.Received)
	fmt.Fprintf(b, "  rejected %s\n", orNone(rejected(p.Rejected)))
}

func seconds(n uint32) time.Duration { return time.Duration(n) * time.Second }

// rotation says when the next one is, at the latest.
func rotation(n uint32) string {
	if n == 0 {
		return "under way"
	}
	return "in " + seconds(n).String()
}

// rejected lists the reasons that occurred, by name.
func rejected(counts map[string]uint64) string {
	var words []string
	for _, why := range slices.Sorted(maps.Keys(counts)) {
		if counts[why] > 0 {
			words = append(words, why, strconv.FormatUint(counts[why], 10))
		}
	}
	return strings.Join(words, " ")
}
