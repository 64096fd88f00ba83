package main

import (
	"github.com/docker/machine/libmachine/drivers"
	"github.com/docker/machine/libmachine/mcnflag"
	"github.com/docker/machine/libmachine/state"
)

const driverName = "stub"

// unprovisioned is a driver name for which `create` skips SSH altogether.
const unprovisioned = "none"

// defaultIP stands in for the empty address that clients send at first.
const defaultIP = "127.0.0.1"

// stub implements drivers.Driver; its exported fields are the JSON that
// clients keep in config.json.
type stub struct {
	*drivers.BaseDriver

	// Stopped rather than Running, so that the zero configuration runs.
	Stopped bool

	// URL is what GetURL answers while running. Empty keeps `ls` from asking a
	// Docker daemon for its version.
	URL string

	created bool
}

func newStub() *stub {
	return &stub{BaseDriver: &drivers.BaseDriver{SSHUser: "docker"}}
}

// DriverName is asked for config.json before Create, and to choose a
// provisioner after it; so the machine is loaded with this plugin next time.
func (s *stub) DriverName() string {
	if s.created {
		return unprovisioned
	}
	return driverName
}

func (s *stub) GetCreateFlags() []mcnflag.Flag {
	return []mcnflag.Flag{
		mcnflag.BoolFlag{Name: "stub-stopped", Usage: "answer as a stopped machine does"},
		mcnflag.StringFlag{Name: "stub-url", Usage: "what GetURL answers while running"},
		mcnflag.StringFlag{Name: "stub-ip", Usage: "what GetIP answers", Value: defaultIP},
	}
}

func (s *stub) SetConfigFromFlags(flags drivers.DriverOptions) error {
	s.Stopped = flags.Bool("stub-stopped")
	s.URL = flags.String("stub-url")
	s.IPAddress = flags.String("stub-ip")
	return nil
}

func (s *stub) GetState() (state.State, error) {
	if s.Stopped {
		return state.Stopped, nil
	}
	return state.Running, nil
}

func (s *stub) GetURL() (string, error) {
	if s.Stopped {
		return "", drivers.ErrHostIsNotRunning
	}
	return s.URL, nil
}

func (s *stub) GetIP() (string, error) {
	if s.IPAddress == "" {
		return defaultIP, nil
	}
	return s.IPAddress, nil
}

func (s *stub) GetSSHHostname() (string, error) { return s.GetIP() }

func (s *stub) Create() error {
	s.created = true
	return nil
}

func (s *stub) Start() error   { return s.become(false) }
func (s *stub) Restart() error { return s.become(false) }
func (s *stub) Stop() error    { return s.become(true) }
func (s *stub) Kill() error    { return s.become(true) }
func (s *stub) Remove() error  { return nil }

func (s *stub) become(stopped bool) error {
	s.Stopped = stopped
	return nil
}
