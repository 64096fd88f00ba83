// A program of HyperKit's own Go binding: runs one virtual machine as LinuxKit and others do.
//
//	hyperkit-go '{"hyperkit": "/path/hyperkit", "state": "/path/state", "kernel": …, "initrd": …, "cmdline": …}'
//
// Prints one JSON line per event, and obeys words on stdin: stop, running, remove. Ends with stdin.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"

	hyperkit "github.com/moby/hyperkit/go"
)

// settings of the machine, as the command line gives them.
type settings struct {
	HyperKit string            `json:"hyperkit"`
	State    string            `json:"state"`
	Kernel   string            `json:"kernel"`
	Initrd   string            `json:"initrd"`
	CmdLine  string            `json:"cmdline"`
	VPNKit   string            `json:"vpnkit"`
	UUID     string            `json:"uuid"`
	CPUs     int               `json:"cpus"`
	Memory   int               `json:"memory"`
	DiskMiB  int               `json:"disk"`
	ISOs     []string          `json:"isos"`
	VMNet    bool              `json:"vmnet"`
	Serials  []hyperkit.Serial `json:"serials"`
}

type event map[string]any

var printing sync.Mutex

func say(e event) {
	printing.Lock()
	defer printing.Unlock()
	line, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}

func failed(err error) {
	say(event{"event": "failed", "error": err.Error()})
	os.Exit(1)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func machine(s settings) *hyperkit.HyperKit {
	h, err := hyperkit.New(s.HyperKit, s.VPNKit, s.State)
	if err != nil {
		failed(err)
	}
	// A tty and the console ring; the default, stdio, ends this program on Linux.
	h.Console = hyperkit.ConsoleFile
	h.Serials = s.Serials
	h.Kernel, h.Initrd, h.UUID, h.ISOImages, h.VMNet = s.Kernel, s.Initrd, s.UUID, s.ISOs, s.VMNet
	if s.CPUs > 0 {
		h.CPUs = s.CPUs
	}
	if s.Memory > 0 {
		h.Memory = s.Memory
	}
	if s.DiskMiB > 0 {
		disk, err := hyperkit.NewDisk("", s.DiskMiB)
		if err != nil {
			failed(err)
		}
		h.Disks = []hyperkit.Disk{disk}
	}
	return h
}

func main() {
	var s settings
	if len(os.Args) != 2 {
		failed(fmt.Errorf("usage: hyperkit-go JSON"))
	}
	if err := json.Unmarshal([]byte(os.Args[1]), &s); err != nil {
		failed(err)
	}
	h := machine(s)
	ended, err := h.Start(s.CmdLine)
	if err != nil {
		failed(err)
	}
	say(event{"event": "started", "pid": h.Pid, "arguments": h.Arguments})
	go func() { say(event{"event": "ended", "error": text(<-ended)}) }()
	for words := bufio.NewScanner(os.Stdin); words.Scan(); {
		switch words.Text() {
		case "stop":
			say(event{"event": "stopped", "error": text(h.Stop())})
		case "running":
			say(event{"event": "running", "running": h.IsRunning()})
		case "remove":
			say(event{"event": "removed", "error": text(h.Remove(false))})
		}
	}
}
