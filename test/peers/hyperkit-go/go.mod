module docker-machine-driver-hyperkit/test/peers/hyperkit-go

go 1.25.0

require github.com/moby/hyperkit v0.0.0-20210108224842-2f061e447e14

require (
	github.com/mitchellh/go-ps v1.0.0 // indirect
	golang.org/x/sys v0.0.0-20201015000850-e3ed0017c211 // indirect
)
