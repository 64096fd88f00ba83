module docker-machine-driver-hyperkit/test/peers/rpc-client

go 1.24.0
