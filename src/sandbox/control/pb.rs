//! The messages and the service of `proto/paylink/sandbox/v1`.

#[expect(
    clippy::all,
    clippy::pedantic,
    reason = "generated from proto/, where the documentation is checked by buf"
)]
mod v1 {
    tonic::include_proto!("paylink.sandbox.v1");
}

pub use v1::*;

/// The compiled `proto/paylink/sandbox/v1` with everything it imports, comments included: an
/// encoded `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/sandbox_descriptors.bin"));
