package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"time"

	"github.com/google/uuid"
	"github.com/moby/vpnkit/go/pkg/vmnet"
)

const (
	patience  = 10 * time.Second
	typeIPv4  = 0x0800
	typeARP   = 0x0806
	typeTest  = 0x88b5 // IEEE 802: for local experiments
	backlog   = 256
	icmp      = 1
	echoReply = 0
)

var broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// guest is a NIC without a system behind it.
type guest struct {
	vm     *vmnet.Vmnet
	vif    *vmnet.Vif
	frames chan *vmnet.EthernetFrame
}

// plug joins the network. Without an address the client asks DHCP for one.
func plug(socket string, id uuid.UUID, ip net.IP) (*guest, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()

	vm, err := vmnet.New(ctx, socket)
	if err != nil {
		return nil, err
	}
	var vif *vmnet.Vif
	if ip == nil {
		vif, err = vm.ConnectVif(id)
	} else {
		vif, err = vm.ConnectVifIP(id, ip)
	}
	if err != nil {
		_ = vm.Close()
		return nil, err
	}

	g := &guest{vm, vif, make(chan *vmnet.EthernetFrame, backlog)}
	go g.listen()
	return g, nil
}

func (g *guest) listen() {
	defer close(g.frames)
	for {
		bytes, err := g.vif.Read()
		if err != nil {
			return
		}
		frame, err := vmnet.ParseEthernetFrame(bytes)
		if err != nil {
			continue
		}
		select {
		case g.frames <- frame:
		default: // Nobody listens; a NIC would drop it, too.
		}
	}
}

// await takes frames until one is the wanted one.
func (g *guest) await(isWanted func(*vmnet.EthernetFrame) bool) (*vmnet.EthernetFrame, error) {
	timeout := time.After(patience)
	for {
		select {
		case frame, open := <-g.frames:
			if !open {
				return nil, errors.New("the connection has ended")
			}
			if isWanted(frame) {
				return frame, nil
			}
		case <-timeout:
			return nil, errors.New("no answer")
		}
	}
}

func (g *guest) send(to net.HardwareAddr, kind uint16, data []byte) error {
	frame := vmnet.NewEthernetFrame(to, g.vif.ClientMAC, kind)
	frame.Data = data
	return g.vif.Write(frame.Bytes())
}

// resolve asks by ARP (RFC 826).
func (g *guest) resolve(ip net.IP) (net.HardwareAddr, error) {
	request := []byte{0, 1, 8, 0, 6, 4, 0, 1}
	request = append(request, g.vif.ClientMAC...)
	request = append(request, g.vif.IP.To4()...)
	request = append(request, make([]byte, 6)...)
	request = append(request, ip.To4()...)
	if err := g.send(broadcast, typeARP, request); err != nil {
		return nil, err
	}
	reply, err := g.await(func(frame *vmnet.EthernetFrame) bool {
		data := frame.Data
		return frame.Type == typeARP && len(data) >= 28 && data[7] == 2 && bytes.Equal(data[14:18], ip.To4())
	})
	if err != nil {
		return nil, err
	}
	return reply.Data[8:14], nil
}

// ping sends one echo request (RFC 792) and waits for its reply.
func (g *guest) ping(ip net.IP) error {
	mac, err := g.resolve(ip)
	if err != nil {
		return err
	}
	echo := append([]byte{8, 0, 0, 0, 0x12, 0x34, 0, 1}, "are you there?"...)
	binary.BigEndian.PutUint16(echo[2:], checksum(echo))
	header := make([]byte, 20)
	header[0] = 0x45
	binary.BigEndian.PutUint16(header[2:], uint16(len(header)+len(echo)))
	header[8] = 64
	header[9] = icmp
	copy(header[12:], g.vif.IP.To4())
	copy(header[16:], ip.To4())
	binary.BigEndian.PutUint16(header[10:], checksum(header))
	if err := g.send(mac, typeIPv4, append(header, echo...)); err != nil {
		return err
	}
	_, err = g.await(func(frame *vmnet.EthernetFrame) bool {
		data := frame.Data
		return frame.Type == typeIPv4 && len(data) >= 20+len(echo) && data[9] == icmp &&
			bytes.Equal(data[12:16], ip.To4()) && data[20] == echoReply && bytes.Equal(data[24:20+len(echo)], echo[4:])
	})
	return err
}

// checksum is that of the internet (RFC 1071); all that is summed here is of even length.
func checksum(data []byte) uint16 {
	sum := uint32(0)
	for i := 0; i+1 < len(data); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(data[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
