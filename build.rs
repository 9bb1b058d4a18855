//! Compiles `proto/` without an installed protoc, and keeps the descriptors.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

const SERVICES: [&str; 7] = [
    "paylink/v1/catalog_service.proto",
    "paylink/v1/diagnostics_service.proto",
    "paylink/v1/discount_service.proto",
    "paylink/v1/order_service.proto",
    "paylink/v1/payment_link_service.proto",
    "paylink/v1/payment_service.proto",
    "paylink/v1/shipping_rate_service.proto",
];

const SANDBOX: &str = "paylink/sandbox/v1/sandbox.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files(SERVICES)?;

    // The mapping to Stripe and the field rules live in custom options, which
    // only the compiler's own encoding keeps.
    let descriptors = compiler.encode_file_descriptor_set();
    #[expect(clippy::disallowed_methods, reason = "cargo says in it where to write")]
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors)?;
    compile_sandbox(&out)?;

    // Options are read from the descriptors, so only our own messages become
    // code; they refer to well-known types, which prost-types has.
    let mut files = compiler.file_descriptor_set();
    files.file.retain(|file| matches!(file.package(), "paylink.v1" | "google.protobuf"));
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    // Sorted, so that one message has one encoding, and one request one form.
    config.btree_map(["."]);
    tonic_prost_build::configure().compile_fds_with_config(files, config)?;
    Ok(())
}

/// Compiles the control of the sandbox apart from the contract, which must not know of it.
fn compile_sandbox(out: &Path) -> Result<(), Box<dyn Error>> {
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files([SANDBOX])?;
    fs::write(out.join("sandbox_descriptors.bin"), compiler.encode_file_descriptor_set())?;
    let mut files = compiler.file_descriptor_set();
    files.file.retain(|file| matches!(file.package(), "paylink.sandbox.v1" | "google.protobuf"));
    tonic_prost_build::configure().compile_fds(files)?;
    Ok(())
}
