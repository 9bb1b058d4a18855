//! A small balancer before several services: it hands connections on to those that
//! say they are ready, as balancers do that know nothing of what passes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use super::service::Service;

/// How often each service is asked.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// The balancer.
pub struct Balancer {
    /// Where it takes connections for gRPC.
    pub grpc: SocketAddr,
    /// Where it takes connections for webhooks.
    pub webhook: SocketAddr,
    known: Known,
}

/// The services, and whether each was ready when it was last asked.
type Known = Arc<Mutex<Vec<Member>>>;

#[derive(Debug, Clone, Copy)]
struct Member {
    grpc: SocketAddr,
    webhook: SocketAddr,
    operations: SocketAddr,
    is_ready: bool,
}

// === impl Balancer ===

impl Balancer {
    /// Starts without services.
    pub async fn start() -> Self {
        let known = Known::default();
        let grpc = listen(known.clone(), |member| member.grpc).await;
        let webhook = listen(known.clone(), |member| member.webhook).await;
        tokio::spawn(ask(known.clone()));
        Self { grpc, webhook, known }
    }

    /// Adds a service, which gets connections once it is ready, and waits until it does.
    pub async fn add(&self, service: &Service) {
        let Service { grpc, webhook, operations, .. } = *service;
        self.known.lock().unwrap().push(Member { grpc, webhook, operations, is_ready: false });
        while !self.known.lock().unwrap().iter().any(|one| one.grpc == grpc && one.is_ready) {
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}

/// Asks every service whether it is ready, again and again. One that does not answer
/// is not, and does not come back.
async fn ask(known: Known) {
    loop {
        let members = known.lock().unwrap().clone();
        for member in members {
            let url = format!("http://{}/ready", member.operations);
            let is_ready = reqwest::get(url).await.is_ok_and(|answer| answer.status() == 200);
            for one in known.lock().unwrap().iter_mut().filter(|one| one.grpc == member.grpc) {
                one.is_ready = is_ready;
            }
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

async fn listen(known: Known, part: fn(&Member) -> SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let turn = AtomicUsize::new(0);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let ready: Vec<_> = {
                let known = known.lock().unwrap();
                known.iter().filter(|member| member.is_ready).map(part).collect()
            };
            let turn = turn.fetch_add(1, Ordering::Relaxed);
            let Some(chosen) = ready.get(turn % ready.len().max(1)).copied() else { continue };
            tokio::spawn(async move {
                let mut server = TcpStream::connect(chosen).await?;
                client.set_nodelay(true)?;
                server.set_nodelay(true)?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    address
}
