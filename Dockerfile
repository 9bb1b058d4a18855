# syntax=docker/dockerfile:1

# Can be pinned: --build-arg BUILDER=docker.io/library/rust:1.95-slim-bookworm@sha256:…
ARG BUILDER=docker.io/library/rust:1.95-slim-bookworm

FROM ${BUILDER} AS build
WORKDIR /src
# The dependencies are a layer of their own, compiled with an empty program in our place, so that a
# change of source compiles this crate alone. A layer and no cache mount: a builder that starts
# afresh can take it from a registry, by --cache-from.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src benches \
    && benches=$(sed -n '/^\[\[bench\]\]/{n;s/name = "\(.*\)"/benches\/\1.rs/p}' Cargo.toml) \
    && for target in src/main.rs build.rs $benches; do echo 'fn main() {}' > "$target"; done \
    && touch src/lib.rs \
    && cargo build --release --locked --bin paylink
COPY . .
# Cargo goes by the time of a file, and ours may be older than those in whose place they come.
RUN find src build.rs proto -exec touch {} + \
    && cargo build --release --locked --bin paylink \
    && scripts/image-root target/release/paylink /image

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="paylink" \
      org.opencontainers.image.description="A gRPC service over Stripe Payment Links" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image/root /
COPY --from=build --chown=10001:10001 /image/data /data
# A number, since a cluster that demands a user other than root cannot look a name up.
USER 10001:10001
# gRPC, webhooks, operations, and the sandbox of `paylink dev`.
EXPOSE 50051 8080 9090 12111
ENTRYPOINT ["/usr/local/bin/paylink"]
CMD ["serve"]
