package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"

	gvproxy "github.com/containers/gvisor-tap-vsock/pkg/client"
	"github.com/containers/gvisor-tap-vsock/pkg/types"
	"github.com/moby/vpnkit/go/pkg/vpnkit"
)

// newVpnkit knows expose and unexpose with a "port", list and dump.
func newVpnkit(socket string) player {
	client, err := vpnkit.NewClient(socket)
	if err != nil {
		fail(exitFailed, err)
	}
	ctx := context.Background()

	return func(do string, fields json.RawMessage) (any, error) {
		var command struct {
			Port vpnkit.Port `json:"port"`
		}
		read(fields, &command)

		switch do {
		case "expose":
			return nil, client.Expose(ctx, &command.Port)
		case "unexpose":
			return nil, client.Unexpose(ctx, &command.Port)
		case "list":
			return client.ListExposed(ctx)
		case "dump":
			var text bytes.Buffer
			err := client.DumpState(ctx, &text)
			return text.String(), err
		default:
			return unknown(do)
		}
	}
}

// newGvproxy knows expose and unexpose with a "forward", list, leases, zones,
// and add with a "zone".
func newGvproxy(socket string) player {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}
	client := gvproxy.New(&http.Client{Transport: transport}, "http://unix")

	return func(do string, fields json.RawMessage) (any, error) {
		var command struct {
			Forward types.ExposeRequest `json:"forward"`
			Zone    types.Zone          `json:"zone"`
		}
		read(fields, &command)

		switch do {
		case "expose":
			return nil, client.Expose(&command.Forward)
		case "unexpose":
			return nil, client.Unexpose(&types.UnexposeRequest{
				Local:    command.Forward.Local,
				Protocol: command.Forward.Protocol,
			})
		case "list":
			return client.List()
		case "leases":
			return client.ListDHCPLeases()
		case "zones":
			return client.ListDNS()
		case "add":
			return nil, client.AddDNS(&command.Zone)
		default:
			return unknown(do)
		}
	}
}
