module docker-machine-driver-hyperkit/test/peers/stub-plugin

go 1.24.0

require github.com/docker/machine v0.16.2-gitlab.30

require (
	golang.org/x/crypto v0.24.0 // indirect
	golang.org/x/sys v0.21.0 // indirect
	golang.org/x/term v0.21.0 // indirect
)

replace github.com/docker/machine => gitlab.com/gitlab-org/ci-cd/docker-machine v0.16.2-gitlab.30
