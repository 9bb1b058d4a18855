//! The whole program put together: the only place that knows every part.

mod examined;
mod health;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use axum::Router;
use futures_util::FutureExt as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic_health::server::HealthReporter;

pub use self::examined::doctor;
use crate::audit::AuditLog;
use crate::auth::Auth;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::Config;
use crate::discounts::Discounts;
use crate::doctor::Doctor;
use crate::endings::Endings;
use crate::links::Links;
use crate::operations::Operations;
use crate::orders::{self, Orders};
use crate::payments::Payments;
use crate::sandbox::Sandbox;
use crate::server::audit::Audit;
use crate::server::listener::Listener;
use crate::server::webhook::{Keep, NotKept};
use crate::server::{grpc, operations, webhook};
use crate::shipping::ShippingRates;
use crate::storage::Storage;
use crate::stripe;
use crate::telemetry::Telemetry;

/// How long writes may take to finish whose callers have gone when the process stops.
const WRITES_DRAIN: Duration = Duration::from_secs(5);

/// How long the records of calls may take to be written when the process stops.
const RECORDS_DRAIN: Duration = Duration::from_secs(2);

/// What the memory keeps of the mode that it was made with.
const LIVEMODE: &str = "stripe.livemode";

/// The program, with everything bound and nothing served yet.
#[derive(Debug)]
pub struct App {
    config: Config,
    addresses: Addresses,
    telemetry: Telemetry,
    storage: Storage,
    payments: Payments,
    writes: Operations,
    endings: Endings,
    stripe: stripe::Client,
    auth: Auth,
    audit: Audit,
    sandbox: Option<Sandbox>,
    health: HealthReporter,
    listeners: [(Listener, Router); 3],
    /// Says that the process is about to stop.
    leaving: CancellationToken,
    stop: CancellationToken,
}

/// Where the program can be reached, with true ports.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// gRPC.
    pub grpc: SocketAddr,
    /// Stripe's webhooks.
    pub webhook: SocketAddr,
    /// Operations.
    pub operations: SocketAddr,
    /// The sandbox, where there is one.
    pub sandbox: Option<SocketAddr>,
}

// === impl App ===

impl App {
    /// Builds the service against the Stripe of the configuration.
    pub async fn build(config: Config) -> Result<Self> {
        Self::assemble(config, None).await
    }

    /// Builds the service against a sandbox of its own.
    pub async fn build_with_sandbox(mut config: Config) -> Result<Self> {
        let sandbox = config.sandbox.clone().build().await.context("sandbox")?;
        config.stripe.base_url = format!("http://{}", from_here(sandbox.local_addr()));
        config.stripe.api_key = config.sandbox.api_key.clone().into();
        (config.stripe.api_key_file, config.stripe.webhook_secrets_file) = (None, None);
        config.stripe.webhook_secrets = vec![config.sandbox.webhook_secret.clone().into()];
        Self::assemble(config, Some(sandbox)).await
    }

    async fn assemble(config: Config, sandbox: Option<Sandbox>) -> Result<Self> {
        let telemetry = config.telemetry.start()?;
        let auth =
            config.auth.build(config.grpc.listen, config.grpc.tls.sees_certificates()).await?;
        let storage = config.storage.open().await?;
        let stripe = config.stripe.client()?;
        keep_mode(&storage, &stripe).await?;
        let (leaving, stop) = (CancellationToken::new(), CancellationToken::new());
        let memory = Arc::new(storage.clone());
        let clock = Clock::of_machine();
        let writes = Operations::new(&config.writes, memory, stripe.clone(), clock.clone());
        let endings = Endings::new(
            &config.endings,
            storage.clone(),
            stripe.clone(),
            writes.clone(),
            clock.clone(),
        );
        let payments = Payments::new(
            &config.payments,
            storage.clone(),
            stripe.clone(),
            writes.clone(),
            endings.clone(),
            config.orders.refund_duplicates,
            stop.clone(),
        );

        let grpc = Listener::bind(config.grpc.entrance()).await?;
        let webhook = Listener::bind(config.webhook.entrance()).await?;
        let operations = Listener::bind(config.operations.entrance()).await?;
        let addresses = Addresses {
            grpc: grpc.address(),
            webhook: webhook.address(),
            operations: operations.address(),
            sandbox: sandbox.as_ref().map(Sandbox::local_addr),
        };
        if let Some(sandbox) = &sandbox {
            let webhook = from_here(webhook.address());
            sandbox.handle().set_webhook(format!("http://{webhook}/webhooks/stripe"));
        }

        let audit = Audit::new(storage.clone(), clock.clone());
        let health = HealthReporter::new();
        let services = grpc::Services {
            audit: AuditLog::new(storage.clone()),
            catalog: Catalog::new(stripe.clone(), writes.clone()),
            discounts: Discounts::new(stripe.clone(), writes.clone()),
            doctor: Doctor::new(examined::patient(&config), stripe.clone())?,
            links: Links::new(
                &config.links,
                stripe.clone(),
                writes.clone(),
                storage.clone(),
                endings.clone(),
                clock.clone(),
            ),
            orders: Orders::new(
                storage.clone(),
                endings.clone(),
                writes.clone(),
                looking(payments.clone()),
                clock,
            ),
            payments: payments.clone(),
            shipping: ShippingRates::new(stripe.clone(), writes.clone()),
        };
        let methods = grpc::routes(
            &config.grpc,
            services,
            auth.clone(),
            stripe.clone(),
            health.clone(),
            stop.clone(),
            audit.clone(),
        )?;
        let hooks = webhook::routes(
            config.webhook.clone(),
            stripe.clone(),
            keeping(payments.clone(), writes.clone(), stripe.clone()),
        );
        let ready = health::readiness(storage.clone(), stripe.clone(), leaving.clone());
        let asked = operations::routes(ready, telemetry.metrics());
        let listeners = [(grpc, methods), (webhook, hooks), (operations, asked)];
        Ok(Self {
            config,
            addresses,
            telemetry,
            storage,
            payments,
            writes,
            endings,
            stripe,
            auth,
            audit,
            sandbox,
            health,
            listeners,
            leaving,
            stop,
        })
    }

    /// Where the program can be reached once it runs.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Runs until `shutdown`, then stops in order: health says so, and a while later
    /// streams end, calls finish, what was received is stored, what was seen is exported.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<()> {
        let mut parts = JoinSet::new();
        // Whoever asks first must not be told that there are no services.
        let (storage, stripe, leaving) = (&self.storage, &self.stripe, &self.leaving);
        let mut health =
            health::Teller::new(self.health, storage.clone(), stripe.clone(), leaving.clone());
        health.tell().await;
        for (listener, routes) in self.listeners {
            parts.spawn(listener.serve(routes, self.config.connections, self.stop.clone()));
        }
        parts.spawn(self.auth.run(self.stop.clone()));
        parts.spawn(self.payments.run());
        parts.spawn(self.writes.clone().resolve(self.stop.clone()));
        parts.spawn(self.endings.run(self.stop.clone()));
        let retention = self.config.storage.retention;
        parts.spawn(self.storage.clone().forget_by(
            retention,
            Clock::of_machine(),
            self.stop.clone(),
        ));
        parts.spawn(self.stripe.clone().mind_keys(self.stop.clone()));
        parts.spawn(health.keep_true());
        let stop_sandbox = CancellationToken::new();
        let run = |sandbox: Sandbox| sandbox.run(stop_sandbox.clone().cancelled_owned());
        let mut sandbox: JoinSet<_> = self.sandbox.into_iter().map(run).collect();

        let outcome = tokio::select! {
            () = shutdown => Ok(()),
            Some(ended) = sandbox.join_next() => Err(anyhow!("the sandbox has ended: {ended:?}")),
        };
        tracing::info!("Stopping");
        self.leaving.cancel();
        if outcome.is_ok() {
            let notice = self.config.connections.drain_notice_ms;
            tokio::time::sleep(Duration::from_millis(notice)).await;
        }
        self.stop.cancel();
        parts.join_all().await;
        self.writes.drain(WRITES_DRAIN).await;
        self.audit.drain(RECORDS_DRAIN).await;
        // Calls that had to finish needed it. It ends now, and writes down what it keeps on disk.
        stop_sandbox.cancel();
        while let Some(ended) = sandbox.join_next().await {
            tracing::debug!(?ended, "The sandbox has ended");
        }
        self.storage.close().await;
        tokio::task::spawn_blocking(|| self.telemetry.stop()).await?;
        outcome
    }
}

/// Refuses keys of test mode where the memory is of real money, and the other way
/// round: what was paid in one is not known in the other.
async fn keep_mode(storage: &Storage, stripe: &stripe::Client) -> Result<()> {
    let Some(livemode) = stripe.livemode() else { return Ok(()) };
    let kept = storage.first_mark(LIVEMODE, livemode.into()).await?;
    if kept == i64::from(livemode) {
        return Ok(());
    }
    let what = "is of the other mode than what this memory was made with";
    Err(stripe::SetupError::Setting { key: "stripe.api_key".into(), what }.into())
}

/// An address that this machine can reach itself by: one that means every
/// interface is no address to connect to.
fn from_here(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

fn keeping(payments: Payments, writes: Operations, stripe: stripe::Client) -> Keep {
    Arc::new(move |account, event, body| {
        stripe.hear(&account, &event);
        let (payments, writes) = (payments.clone(), writes.clone());
        async move {
            let kept = payments.receive(&account, event, body.clone()).await;
            writes.hear(&body);
            kept.map(drop).map_err(|error| {
                tracing::error!(%error, "A webhook could not be stored");
                NotKept
            })
        }
        .boxed()
    })
}

fn looking(payments: Payments) -> orders::Look {
    Arc::new(move |links, caller| {
        let payments = payments.clone();
        async move { payments.look(links, caller).await }.boxed()
    })
}
