// vmnet-client is any number of guests on VPNKit's Ethernet socket.
//
//	vmnet-client SOCKET
//
// It reads one command per line of stdin, a JSON object, and answers each with
// one JSON line on stdout; what failed has an "error".
//
//	{"do": "connect", "guest": NAME, "uuid": UUID, "ip": PREFERRED}   {"mac", "ip", "mtu", "max"}
//	{"do": "arp", "guest": NAME, "ip": ADDRESS}                       {"mac"}
//	{"do": "ping", "guest": NAME, "ip": ADDRESS}                      {}
//	{"do": "tell", "guest": NAME, "to": OTHER, "text": TEXT}          {}, when the other guest has got it
//	{"do": "close", "guest": NAME}                                    {}
//
// Exit 2 means that a command was not understood.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/moby/vpnkit/go/pkg/vmnet"
)

const (
	exitFailed = 1
	exitUsage  = 2

	// Nobody should be left running by a test that was killed.
	lifetime = 5 * time.Minute
)

type command struct {
	Do    string `json:"do"`
	Guest string `json:"guest"`
	UUID  string `json:"uuid"`
	IP    string `json:"ip"`
	To    string `json:"to"`
	Text  string `json:"text"`
}

type answer map[string]any

func main() {
	if len(os.Args) != 2 {
		fail(exitUsage, fmt.Errorf("usage: vmnet-client SOCKET"))
	}
	time.AfterFunc(lifetime, func() { fail(exitFailed, fmt.Errorf("no end after %s", lifetime)) })

	guests := map[string]*guest{}
	in := bufio.NewScanner(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		var c command
		if err := json.Unmarshal(in.Bytes(), &c); err != nil {
			fail(exitUsage, fmt.Errorf("cannot read a command: %w", err))
		}
		result, err := perform(c, guests)
		if err != nil {
			result = answer{"error": err.Error()}
		}
		if err := out.Encode(result); err != nil {
			fail(exitFailed, err)
		}
	}
}

func perform(c command, guests map[string]*guest) (answer, error) {
	if c.Do == "connect" {
		g, err := plug(os.Args[1], uuid.MustParse(c.UUID), net.ParseIP(c.IP))
		if err != nil {
			return nil, err
		}
		guests[c.Guest] = g
		vif := g.vif
		return answer{"mac": vif.ClientMAC.String(), "ip": vif.IP.String(), "mtu": vif.MTU, "max": vif.MaxPacketSize}, nil
	}

	g := guests[c.Guest]
	if g == nil {
		return nil, fmt.Errorf("there is no guest %q", c.Guest)
	}
	switch c.Do {
	case "arp":
		mac, err := g.resolve(net.ParseIP(c.IP))
		return answer{"mac": mac.String()}, err
	case "ping":
		return answer{}, g.ping(net.ParseIP(c.IP))
	case "tell":
		other := guests[c.To]
		if err := g.send(other.vif.ClientMAC, typeTest, []byte(c.Text)); err != nil {
			return nil, err
		}
		_, err := other.await(func(frame *vmnet.EthernetFrame) bool {
			return frame.Type == typeTest && string(frame.Data) == c.Text && frame.Src.String() == g.vif.ClientMAC.String()
		})
		return answer{}, err
	case "close":
		delete(guests, c.Guest)
		return answer{}, g.vm.Close()
	default:
		fail(exitUsage, fmt.Errorf("there is no command %q", c.Do))
		return nil, nil
	}
}

func fail(code int, err error) {
	fmt.Fprintln(os.Stderr, "vmnet-client:", err)
	os.Exit(code)
}
