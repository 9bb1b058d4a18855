//! What the program can be told to do.

mod doctor;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

pub use self::doctor::{DoctorArguments, doctor};
use crate::app::{Addresses, App};
use crate::config::{self, Profile, Sources};
use crate::server::listener::SetupError;
use crate::{auth, storage, stripe, telemetry};

/// `EX_CONFIG` of `sysexits.h`: something is wrong with the configuration.
const EXIT_CONFIG: u8 = 78;

/// Why a verb did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration is not usable.
    #[error("configuration: {0}")]
    Config(#[from] config::Error),
    /// Anything else, said for people.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

type Outcome = Result<ExitCode, Failure>;

/// What `paylink sandbox` can be told on the command line, over its configuration.
#[derive(Debug, clap::Args)]
pub struct SandboxArguments {
    /// A number that decides every identifier; with it time stands still until it is moved.
    #[arg(long)]
    seed: Option<u64>,
    /// A file that the state is kept in from run to run.
    #[arg(long)]
    data: Option<PathBuf>,
    /// A JSON file of objects to begin with.
    #[arg(long)]
    objects: Option<PathBuf>,
}

/// Runs everything on this machine.
pub async fn dev(file: Option<PathBuf>) -> Outcome {
    let config = Sources::of_process(Profile::Dev, file)?.load()?;
    let app = App::build_with_sandbox(config).await?;
    greet(app.addresses());
    app.run(asked_to_stop()?).await?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the service against Stripe.
pub async fn serve(file: Option<PathBuf>) -> Outcome {
    let config = Sources::of_process(Profile::Serve, file)?.load()?;
    let app = App::build(config).await?;
    let Addresses { grpc, webhook, operations, .. } = app.addresses();
    tracing::info!(%grpc, %webhook, %operations, "Serving");
    app.run(asked_to_stop()?).await?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the sandbox alone.
pub async fn sandbox(file: Option<PathBuf>, arguments: SandboxArguments) -> Outcome {
    let mut config = Sources::of_process(Profile::Dev, file)?.load()?;
    let SandboxArguments { seed, data, objects } = arguments;
    config.sandbox.seed = seed.or(config.sandbox.seed);
    config.sandbox.data = data.or(config.sandbox.data);
    config.sandbox.objects = objects.or(config.sandbox.objects);
    let telemetry = config.telemetry.start().map_err(anyhow::Error::from)?;
    let sandbox = config.sandbox.build().await.map_err(anyhow::Error::from)?;
    say(&format!("sandbox http://{}", sandbox.local_addr()));
    sandbox.run(asked_to_stop()?).await.map_err(anyhow::Error::from)?;
    telemetry.stop();
    Ok(ExitCode::SUCCESS)
}

/// Brings the storage's schema up to date.
pub async fn migrate(file: Option<PathBuf>) -> Outcome {
    // Nothing but the storage is needed, and no key of Stripe's asked for.
    let storage = Sources::of_process(Profile::Serve, file)?.storage()?;
    let storage = storage.open().await.map_err(anyhow::Error::from)?;
    storage.close().await;
    say("the schema is up to date");
    Ok(ExitCode::SUCCESS)
}

/// Prints the effective configuration.
pub fn config(file: Option<PathBuf>) -> Outcome {
    say(&Sources::of_process(Profile::Serve, file)?.effective()?);
    Ok(ExitCode::SUCCESS)
}

// === impl Failure ===

impl Failure {
    /// Says on standard error what is wrong, and gives the exit code for it.
    #[must_use]
    pub fn report(&self) -> ExitCode {
        let _ = writeln!(std::io::stderr(), "paylink: {self}");
        match self {
            Failure::Config(_) => ExitCode::from(EXIT_CONFIG),
            Failure::Other(error) if is_about_a_setting(error) => ExitCode::from(EXIT_CONFIG),
            Failure::Other(_) => ExitCode::FAILURE,
        }
    }
}

/// Whether a part was given a setting of the right type that it cannot work with.
fn is_about_a_setting(error: &anyhow::Error) -> bool {
    use storage::Error::{File, InUse, Setting, Url};
    use stripe::SetupError::{BaseUrl, Setting as Stripe};
    matches!(error.downcast_ref(), Some(Stripe { .. } | BaseUrl))
        || matches!(error.downcast_ref(), Some(Url(_) | File(_) | InUse | Setting { .. }))
        || matches!(error.downcast_ref(), Some(telemetry::Error::Filter(_)))
        || matches!(
            error.downcast_ref(),
            Some(SetupError::Plaintext { .. } | SetupError::Tls { .. })
        )
        || error.is::<auth::SetupError>()
}

/// Says where everything is, and what to try next.
fn greet(addresses: Addresses) {
    let Addresses { grpc, webhook, operations, sandbox } = addresses;
    let sandbox = sandbox.map(|sandbox| format!("http://{sandbox}")).unwrap_or_default();
    let greeting = include_str!("verbs/greeting.txt")
        .replace("{grpc}", &grpc.to_string())
        .replace("{webhook}", &webhook.to_string())
        .replace("{operations}", &operations.to_string())
        .replace("{sandbox}", &sandbox);
    say(&greeting);
}

/// Writes to standard output. A reader that has gone away is no reason to stop.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.trim_end());
    let _ = out.flush();
}

/// Waits for Ctrl-C, or for SIGTERM, which is how Kubernetes asks.
fn asked_to_stop() -> Result<impl Future<Output = ()>, Failure> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(anyhow::Error::from)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(anyhow::Error::from)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
