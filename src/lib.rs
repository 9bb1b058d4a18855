//! A gRPC service over Stripe Payment Links, with a sandbox Stripe inside.
