// docker-machine-driver-stub is the fastest plugin libmachine allows: every
// answer comes from its configuration, nothing is started, nothing is waited
// for. Benchmarks run it beside ours. go.mod pins the libmachine it is built on.
package main

import (
	"fmt"
	"os"

	"github.com/docker/machine/libmachine/drivers/plugin"
)

func main() {
	// minikube asks this before it starts a plugin, without the plugin environment.
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println("version: v1.38.1")
		return
	}
	plugin.RegisterDriver(newStub())
}
