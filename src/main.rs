//! The `paylink` program.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use paylink::verbs;

/// Takes a tenth less of the processor for a call than that of the system, and far less
/// than that of musl, by which the program can be linked statically.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Serves Stripe Payment Links over gRPC.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// A TOML file over the compiled-in defaults.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run everything on this machine, with a sandbox in Stripe's place.
    Dev,
    /// Run the service against Stripe.
    Serve,
    /// Run the sandbox Stripe alone.
    Sandbox(verbs::SandboxArguments),
    /// Examine a configuration, and what it names, before anything is started with it.
    Doctor(verbs::DoctorArguments),
    /// Bring the storage's schema up to date.
    Migrate,
    /// Print the effective configuration, with secrets masked.
    Config,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { config, verb } = Arguments::parse();
    let outcome = match verb {
        Verb::Dev => verbs::dev(config).await,
        Verb::Serve => verbs::serve(config).await,
        Verb::Sandbox(arguments) => verbs::sandbox(config, arguments).await,
        Verb::Doctor(arguments) => verbs::doctor(config, arguments).await,
        Verb::Migrate => verbs::migrate(config).await,
        Verb::Config => verbs::config(config),
    };
    outcome.unwrap_or_else(|failure| failure.report())
}
