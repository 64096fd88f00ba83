package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"

	gvproxy "github.com/containers/gvisor-tap-vsock/pkg/client"
	"github.com/containers/gvisor-tap-vsock/pkg/transport"
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
// add with a "zone", and tunnel to an "ip" and a "port", by which it says a
// "text" and tells what it hears until the end.
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
			IP      string              `json:"ip"`
			Port    int                 `json:"port"`
			Text    string              `json:"text"`
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
		case "tunnel":
			return tunnel(socket, command.IP, command.Port, command.Text)
		default:
			return unknown(do)
		}
	}
}

func tunnel(socket, ip string, port int, text string) (any, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	defer conn.Close()

	if err := transport.Tunnel(conn, ip, port); err != nil {
		return nil, err
	}
	if _, err := conn.Write([]byte(text)); err != nil {
		return nil, err
	}
	if err := conn.(*net.UnixConn).CloseWrite(); err != nil {
		return nil, err
	}
	heard, err := io.ReadAll(conn)
	return string(heard), err
}
