// A gRPC client that knows no service beforehand: it asks the server by reflection, and does what a script says.
//
//	grpc-client [-tls-ca F -tls-cert F -tls-key F] TARGET < script.json
//
// Each call prints JSON lines: its messages, then its status. See script.go.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

func main() {
	ca := flag.String("tls-ca", "", "authority of the server's certificate")
	cert := flag.String("tls-cert", "", "our certificate")
	key := flag.String("tls-key", "", "its key")
	flag.Parse()
	if err := run(flag.Arg(0), *ca, *cert, *key); err != nil {
		fmt.Fprintln(os.Stderr, "grpc-client:", err)
		os.Exit(1)
	}
}

func run(target, ca, cert, key string) error {
	var steps []Step
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&steps); err != nil {
		return fmt.Errorf("the script: %w", err)
	}
	transport, err := transportCredentials(ca, cert, key)
	if err != nil {
		return err
	}
	connection, err := grpc.NewClient(target,
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(64<<20)),
		grpc.WithDisableRetry(),
	)
	if err != nil {
		return err
	}
	defer connection.Close()
	client := &Client{connection: connection, methods: newMethods(connection), out: json.NewEncoder(os.Stdout)}
	var together sync.WaitGroup
	for index, step := range steps {
		if !step.Together {
			client.play(context.Background(), index, step)
			continue
		}
		together.Add(1)
		go func() {
			defer together.Done()
			client.play(context.Background(), index, step)
		}()
	}
	together.Wait()
	return nil
}

func transportCredentials(ca, cert, key string) (credentials.TransportCredentials, error) {
	if ca == "" {
		return insecure.NewCredentials(), nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", ca)
	}
	config := &tls.Config{RootCAs: roots}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return credentials.NewTLS(config), nil
}
