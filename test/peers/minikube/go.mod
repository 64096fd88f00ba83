module docker-machine-driver-hyperkit/test/peers/minikube

go 1.25.0

require (
	github.com/blang/semver/v4 v4.0.0
	k8s.io/minikube v1.38.1
)

require (
	github.com/hectane/go-acl v0.0.0-20190604041725-da78bae5fc95 // indirect
	github.com/moby/term v0.5.2 // indirect
	golang.org/x/crypto v0.48.0 // indirect
	golang.org/x/sys v0.41.0 // indirect
	golang.org/x/term v0.40.0 // indirect
)
