# syntax=docker/dockerfile:1

# Both bases can be pinned: --build-arg BASE=gcr.io/distroless/cc-debian12:nonroot@sha256:…
ARG BUILDER=docker.io/library/rust:1.95-slim-bookworm
# The C library and the certificates of public authorities, and neither shell nor package manager.
ARG BASE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILDER} AS build
WORKDIR /src
COPY . .
# The caches hold the compiled dependencies between builds, so a change of source compiles this
# crate alone. They are no part of a layer: hence the copy.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked --bin paylink \
    && cp target/release/paylink /usr/local/bin/paylink \
    && mkdir /data

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="paylink" \
      org.opencontainers.image.description="A gRPC service over Stripe Payment Links" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /usr/local/bin/paylink /usr/local/bin/paylink
# A volume laid over this folder takes its owner, so that SQLite can write there.
COPY --from=build --chown=10001:10001 /data /data
# A number, since a cluster that demands a user other than root cannot look a name up.
USER 10001:10001
# gRPC, webhooks, operations, and the sandbox of `paylink dev`.
EXPOSE 50051 8080 9090 12111
ENTRYPOINT ["/usr/local/bin/paylink"]
CMD ["serve"]
