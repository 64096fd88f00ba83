package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"k8s.io/minikube/pkg/libmachine/drivers"
	"k8s.io/minikube/pkg/libmachine/drivers/rpcdriver"
	"k8s.io/minikube/pkg/libmachine/mcnutils"
	"k8s.io/minikube/pkg/libmachine/state"
)

// session is one loaded machine with its plugin running.
type session struct {
	options
	plugin *rpcdriver.RPCClientDriver
	out    io.Writer
}

var commands = map[string]func(session) error{
	"create": session.create,
	"start":  func(s session) error { return s.change(s.plugin.Start, state.Running) },
	"stop":   func(s session) error { return s.change(s.plugin.Stop, state.Stopped) },
	"kill":   func(s session) error { return s.change(s.plugin.Kill, state.Stopped) },
	"remove": session.remove,
	"state":  session.printState,
	"ip":     func(s session) error { return s.print(s.plugin.GetIP()) },
	"url":    func(s session) error { return s.print(s.plugin.GetURL()) },
	"config": session.printConfig,
	"ssh":    session.ssh,
}

func runCommand(o options, out io.Writer) error {
	word := o.words[0]
	if word == "version" {
		version, err := pluginVersion(o.driver)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, version)
		return nil
	}
	command, known := commands[word]
	if !known {
		return fmt.Errorf("there is no command %q", word)
	}

	config, err := initialConfig(o)
	if err != nil {
		return err
	}
	factory := rpcdriver.NewRPCClientDriverFactory()
	plugin, err := factory.NewRPCClientDriver(o.driver, config)
	if err != nil {
		return err
	}
	if err := command(session{o, plugin, out}); err != nil {
		return err
	}
	return factory.Close()
}

// initialConfig returns what the plugin is configured with after its start.
func initialConfig(o options) ([]byte, error) {
	if o.words[0] != "create" {
		h, err := loadHost(o.store, o.name)
		return h.Driver, err
	}
	if _, err := pluginVersion(o.driver); err != nil {
		return nil, err
	}
	if _, err := os.Stat(configFile(o.store, o.name)); !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot create machine %q: it exists", o.name)
	}
	return o.machine.config(o.store)
}

func (s session) create() error {
	if err := os.MkdirAll(machineFolder(s.store, s.name), 0o700); err != nil {
		return fmt.Errorf("cannot make the machine's folder: %w", err)
	}
	if err := s.plugin.PreCreateCheck(); err != nil {
		return fmt.Errorf("precreate: %w", err)
	}
	if err := s.save(); err != nil {
		return err
	}
	return s.change(s.plugin.Create, state.Running)
}

// change runs an operation, waits for what it shall lead to, and saves.
func (s session) change(operation func() error, goal state.State) error {
	if err := operation(); err != nil {
		return err
	}
	if err := mcnutils.WaitFor(drivers.MachineInState(s.plugin, goal)); err != nil {
		return fmt.Errorf("the machine does not become %s: %w", goal, err)
	}
	if err := s.save(); err != nil {
		return err
	}
	if err := s.printState(); err != nil || goal != state.Running {
		return err
	}
	return s.print(s.plugin.GetIP())
}

// remove asks twice, as minikube does.
func (s session) remove() error {
	if _, err := s.plugin.GetState(); err != nil {
		return err
	}
	if err := s.plugin.Remove(); err != nil {
		time.Sleep(time.Second)
		if err := s.plugin.Remove(); err != nil {
			return err
		}
	}
	return os.RemoveAll(machineFolder(s.store, s.name))
}

func (s session) save() error {
	config, err := s.plugin.GetConfigRaw()
	if err != nil {
		return err
	}
	return saveHost(s.store, host{configVersion, config, s.driver, s.name})
}

func (s session) ssh() error {
	output, err := drivers.RunSSHCommandFromDriver(s.plugin, strings.Join(s.words[1:], " "))
	if err != nil {
		return err
	}
	_, err = io.WriteString(s.out, output)
	return err
}

func (s session) printState() error {
	now, err := s.plugin.GetState()
	return s.print(now.String(), err)
}

func (s session) printConfig() error {
	config, err := s.plugin.GetConfigRaw()
	if err != nil {
		return err
	}
	line, err := json.Marshal(json.RawMessage(config)) // drops line breaks
	return s.print(string(line), err)
}

func (s session) print(answer string, err error) error {
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.out, answer)
	return err
}
