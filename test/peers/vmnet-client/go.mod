module docker-machine-driver-hyperkit/test/peers/vmnet-client

go 1.25.0

require (
	github.com/google/uuid v1.6.0
	github.com/moby/vpnkit v0.6.0
)
