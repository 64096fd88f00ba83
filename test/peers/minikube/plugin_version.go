package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"

	"github.com/blang/semver/v4"
)

// oldestVersion: for anything below, minikube downloads its own plugin.
const oldestVersion = "1.11.0"

var versionLine = regexp.MustCompile(`version:(.*)`)

// pluginVersion runs the plugin as a plain program, stderr included, and
// accepts what minikube accepts.
func pluginVersion(driver string) (semver.Version, error) {
	var none semver.Version

	program := "docker-machine-driver-" + driver
	path, err := exec.LookPath(program)
	if err != nil {
		return none, fmt.Errorf("cannot find the plugin: %w", err)
	}
	output, err := exec.Command(path, "version").CombinedOutput()
	if err != nil {
		return none, fmt.Errorf("cannot run `%s version`: %w: %s", program, err, output)
	}
	match := versionLine.FindSubmatch(output)
	if match == nil {
		return none, fmt.Errorf("cannot read the plugin's version: no `version:` in %q", output)
	}
	version, err := semver.Make(strings.TrimPrefix(strings.TrimSpace(string(match[1])), "v"))
	if err != nil {
		return none, fmt.Errorf("cannot read the plugin's version from %q: %w", output, err)
	}
	if version.LT(semver.MustParse(oldestVersion)) {
		return none, fmt.Errorf("cannot use the plugin: its version is %s, minikube wants %s or later", version, oldestVersion)
	}
	return version, nil
}
