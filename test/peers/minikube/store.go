package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// host is the part of config.json that a plugin can notice.
type host struct {
	ConfigVersion int
	Driver        json.RawMessage
	DriverName    string
	Name          string
}

const configVersion = 3

func machineFolder(store, name string) string {
	return filepath.Join(store, "machines", name)
}

func configFile(store, name string) string {
	return filepath.Join(machineFolder(store, name), "config.json")
}

func loadHost(store, name string) (host, error) {
	var h host
	text, err := os.ReadFile(configFile(store, name))
	if err != nil {
		return h, fmt.Errorf("cannot load machine %q: %w", name, err)
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return h, fmt.Errorf("cannot load machine %q: %w", name, err)
	}
	return h, nil
}

// saveHost replaces config.json in one step.
func saveHost(store string, h host) error {
	text, err := json.MarshalIndent(h, "", "    ")
	if err != nil {
		return fmt.Errorf("cannot save machine %q: %w", h.Name, err)
	}
	file := configFile(store, h.Name)
	draft := file + ".tmp"
	if err := os.WriteFile(draft, text, 0o600); err != nil {
		return fmt.Errorf("cannot save machine %q: %w", h.Name, err)
	}
	if err := os.Rename(draft, file); err != nil {
		return fmt.Errorf("cannot save machine %q: %w", h.Name, err)
	}
	return nil
}
