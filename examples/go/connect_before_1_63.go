//go:build grpc_before_1_63

package main

import "google.golang.org/grpc"

// Connects with the older libraries that distributions have, which know no NewClient.
func connect(target, serviceConfig string) (*grpc.ClientConn, error) {
	return grpc.Dial(
		target,
		grpc.WithInsecure(),
		grpc.WithDefaultServiceConfig(serviceConfig),
	)
}
