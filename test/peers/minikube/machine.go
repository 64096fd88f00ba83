package main

import (
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
)

// machine is what the flags say about the machine to create.
type machine struct {
	name          string
	iso           string
	memory        int // MiB
	cpus          int
	disk          int // MiB
	uuid          string
	cmdline       string
	nfsShares     words
	nfsSharesRoot string
	vpnkitSock    string
	vsockPorts    words
	extraDisks    int
}

// words is a flag that may be given several times.
type words []string

func (w *words) String() string { return strings.Join(*w, ",") }

func (w *words) Set(word string) error {
	*w = append(*w, word)
	return nil
}

func (m *machine) addFlags(flags *flag.FlagSet) {
	flags.StringVar(&m.name, "name", "minikube", "name of the machine")
	flags.StringVar(&m.iso, "iso", "", "ISO to boot: a `PATH` or a URL")
	flags.IntVar(&m.memory, "memory", 2048, "`MiB` of memory")
	flags.IntVar(&m.cpus, "cpus", 2, "virtual CPUs")
	flags.IntVar(&m.disk, "disk", 20000, "`MiB` of disk")
	flags.StringVar(&m.uuid, "uuid", "", "UUID of the machine (default random)")
	flags.StringVar(&m.cmdline, "cmdline", "", "kernel `ARGUMENTS` (default minikube's)")
	flags.Var(&m.nfsShares, "nfs-share", "`FOLDER` to share, repeatable")
	flags.StringVar(&m.nfsSharesRoot, "nfs-shares-root", "/nfsshares", "where shares are mounted")
	flags.StringVar(&m.vpnkitSock, "vpnkit-sock", "", "VPNKit's `SOCKET`, or auto")
	flags.Var(&m.vsockPorts, "vsock-port", "`PORT` of the guest to offer as a socket, repeatable")
	flags.IntVar(&m.extraDisks, "extra-disks", 0, "number of further disks")
}

// driverConfig is the JSON minikube sends with SetConfigRaw, in its field order.
type driverConfig struct {
	IPAddress      string
	MachineName    string
	SSHUser        string
	SSHPort        int
	SSHKeyPath     string
	StorePath      string
	SwarmMaster    bool
	SwarmHost      string
	SwarmDiscovery string
	Boot2DockerURL string
	DiskSize       int
	CPU            int
	Memory         int
	Cmdline        string
	NFSShares      []string
	NFSSharesRoot  string
	UUID           string
	VpnKitSock     string
	VSockPorts     []string
	ExtraDisks     int
}

// minikubeCmdline comes from minikube, not from the ISO, so a plugin must take
// its kernel arguments from the configuration.
const minikubeCmdline = "loglevel=3 console=ttyS0 console=tty0 noembed nomodeset norestore waitusb=10 " +
	"systemd.legacy_systemd_cgroup_controller=yes random.trust_cpu=on hw_rng_model=virtio base host="

func (m machine) config(store string) ([]byte, error) {
	iso, err := isoURL(m.iso)
	if err != nil {
		return nil, err
	}
	cmdline, uuid := m.cmdline, m.uuid
	if cmdline == "" {
		cmdline = minikubeCmdline + m.name
	}
	if uuid == "" {
		uuid = randomUUID()
	}
	return json.Marshal(driverConfig{
		MachineName:    m.name,
		SSHUser:        "docker",
		StorePath:      store,
		Boot2DockerURL: iso,
		DiskSize:       m.disk,
		CPU:            m.cpus,
		Memory:         m.memory,
		Cmdline:        cmdline,
		NFSShares:      m.nfsShares,
		NFSSharesRoot:  m.nfsSharesRoot,
		UUID:           uuid,
		VpnKitSock:     m.vpnkitSock,
		VSockPorts:     m.vsockPorts,
		ExtraDisks:     m.extraDisks,
	})
}

func isoURL(iso string) (string, error) {
	if iso == "" {
		return "", fmt.Errorf("-iso is missing")
	}
	if strings.Contains(iso, "://") {
		return iso, nil
	}
	path, err := filepath.Abs(iso)
	if err != nil {
		return "", fmt.Errorf("cannot make %s absolute: %w", iso, err)
	}
	return "file://" + filepath.ToSlash(path), nil
}

// randomUUID returns a version 4 UUID (RFC 9562, section 5.4).
func randomUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
