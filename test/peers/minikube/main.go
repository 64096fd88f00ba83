// minikube-peer does to a plugin what minikube does with its hyperkit driver,
// and nothing else of minikube: no Kubernetes, no provisioning of the guest.
// The client half is minikube's own package k8s.io/minikube/pkg/libmachine;
// go.mod pins its version. (minikube itself compiles this driver on macOS only.)
//
//	minikube-peer [flags] version   the version minikube reads from the plugin
//	minikube-peer [flags] create    version, PreCreateCheck, Create, wait for Running
//	minikube-peer [flags] start|stop|kill|state|ip|url|config|remove
//	minikube-peer [flags] ssh COMMAND...
//
// create and start print the state and the address, one per line; the others
// print their one answer, config as one line of JSON, remove nothing. What
// plugin and libmachine have to say goes to stderr. An error is one text on
// stderr and exit 1, a wrong command line exit 2.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/minikube/pkg/libmachine/log"
	"k8s.io/minikube/pkg/libmachine/ssh"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

// options is the command line.
type options struct {
	driver string
	store  string
	debug  bool
	client string
	machine
	words []string
}

func main() {
	o, err := parseOptions()
	if err != nil {
		fail(exitUsage, err)
	}
	if err := prepare(o); err != nil {
		fail(exitFailed, err)
	}
	// Like minikube, leave at once after an error: the plugin is not told
	// Close and has to notice the silence.
	if err := runCommand(o, os.Stdout); err != nil {
		fail(exitFailed, err)
	}
}

func parseOptions() (options, error) {
	var o options
	flag.StringVar(&o.driver, "driver", "hyperkit", "plugin docker-machine-driver-`NAME`")
	flag.StringVar(&o.store, "store", "", "base `FOLDER`, minikube's ~/.minikube")
	flag.BoolVar(&o.debug, "debug", false, "show what the plugin writes to stderr")
	flag.StringVar(&o.client, "ssh-client", string(ssh.Native), "native, as minikube, or external")
	o.machine.addFlags(flag.CommandLine)
	flag.Parse()
	o.words = flag.Args()

	switch {
	case len(o.words) == 0:
		return o, fmt.Errorf("no command given; -help lists the flags")
	case o.store == "" && o.words[0] != "version":
		return o, fmt.Errorf("-store is missing")
	case o.store == "":
		return o, nil
	}
	store, err := filepath.Abs(o.store)
	o.store = store
	return o, err
}

// prepare puts the store's bin folder in front of PATH, where minikube keeps
// the drivers it downloads, and keeps stdout for results.
func prepare(o options) error {
	ssh.SetDefaultClient(ssh.ClientType(o.client))
	log.SetOutWriter(os.Stderr)
	log.SetErrWriter(os.Stderr)
	log.SetDebug(o.debug)
	if o.store == "" {
		return nil
	}
	bin := filepath.Join(o.store, "bin")
	return os.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func fail(code int, err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(code)
}
