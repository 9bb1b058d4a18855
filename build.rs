//! Compiles `proto/` without an installed protoc, and keeps the descriptors.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use protox::prost_reflect::{DescriptorPool, FieldDescriptor, MessageDescriptor};

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
    let redacting = Redacting::of(&compiler.descriptor_pool());
    config.skip_debug(redacting.paths.iter());
    fs::write(out.join("redacted.rs"), redacting.code)?;
    // Sorted, so that one message has one encoding, and one request one form.
    config.btree_map(["."]);
    tonic_prost_build::configure().compile_fds_with_config(files, config)?;
    Ok(())
}

/// How messages are printed that have fields which the contract marks with
/// `debug_redact`: without what these hold. prost's own way shows everything.
#[derive(Default)]
struct Redacting {
    paths: Vec<String>,
    code: String,
}

impl Redacting {
    fn of(pool: &DescriptorPool) -> Self {
        let mut redacting = Self::default();
        for message in pool.all_messages().filter(|one| one.package_name() == "paylink.v1") {
            redacting.add(&message);
        }
        redacting
    }

    fn add(&mut self, message: &MessageDescriptor) {
        let is_marked = |field: &FieldDescriptor| {
            let options = field.options();
            let marked = options.get_field_by_name("debug_redact");
            marked.is_some_and(|marked| marked.as_bool() == Some(true))
        };
        // prost leaves out what is declared in a message together with the message.
        let mut is_left_out = message.fields().any(|field| is_marked(&field));
        let (name, mut module) = (message.name(), String::new());
        let mut inside = message.parent_message();
        while let Some(outer) = inside {
            is_left_out |= outer.fields().any(|field| is_marked(&field));
            module = format!("{}::{module}", snake_case(outer.name()));
            inside = outer.parent_message();
        }
        if !is_left_out {
            return;
        }
        let fields = message.fields().map(|field| {
            let name = field.name();
            let value = if is_marked(&field) {
                "&::core::format_args!(\"***\")".to_owned()
            } else {
                format!("&self.r#{name}")
            };
            format!(".field(\"{name}\", {value})")
        });
        let fields: String = fields.collect();
        let own = format!("f.debug_struct(\"{name}\"){fields}.finish()");
        self.code += &debug(&format!("{module}{name}"), &own);
        self.paths.push(format!(".{}", message.full_name()));
        for inner in message.child_enums() {
            let place = format!("{module}{}::{}", snake_case(name), inner.name());
            self.code += &debug(&place, "f.write_str(self.as_str_name())");
        }
    }
}

/// Writes how a type is printed.
fn debug(of: &str, code: &str) -> String {
    format!(
        "impl ::core::fmt::Debug for {of} {{
             fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {{
                 {code}
             }}
         }}\n"
    )
}

/// The name of the module in which prost puts what is declared in a message.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(character.to_lowercase());
    }
    snake
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
