//! A gate between the service and Stripe: TCP that can be shut, held and cut.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::within;

const BACKLOG: u32 = 64;

/// What becomes of what passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// Everything passes.
    Pass,
    /// Requests pass; answers wait until they may pass or are lost.
    Wait,
    /// Requests pass, and connections are cut when the answer comes.
    Lost,
    /// Connections are cut when a request comes, which does not pass.
    Unasked,
    /// As `Unasked`, once Stripe was sent something this many times in all.
    UnaskedAfter(u64),
}

/// The gate.
#[derive(Debug)]
pub struct Gate {
    address: SocketAddr,
    upstream: SocketAddr,
    answers: watch::Sender<Answers>,
    heard: watch::Sender<u64>,
    stop: CancellationToken,
    accepting: Option<JoinHandle<()>>,
    /// Holds the port while nobody listens, so that connecting is refused and
    /// no other test gets the port.
    closed: Option<TcpSocket>,
}

// === impl Gate ===

impl Gate {
    /// Opens a gate before a server.
    pub async fn open_before(upstream: SocketAddr) -> Self {
        let free = bound((Ipv4Addr::LOCALHOST, 0).into());
        let mut gate = Self {
            address: free.local_addr().unwrap(),
            upstream,
            answers: watch::Sender::new(Answers::Pass),
            heard: watch::Sender::new(0),
            stop: CancellationToken::new(),
            accepting: None,
            closed: Some(free),
        };
        gate.open().await;
        gate
    }

    /// Where the gate is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts every connection, and refuses new ones.
    pub async fn shut(&mut self) {
        self.stop.cancel();
        if let Some(accepting) = self.accepting.take() {
            accepting.await.unwrap();
            self.closed = Some(bound(self.address));
        }
    }

    /// Lets connections through again.
    pub async fn open(&mut self) {
        self.shut().await;
        let listener = self.closed.take().unwrap().listen(BACKLOG).unwrap();
        self.stop = CancellationToken::new();
        let (upstream, stop) = (self.upstream, self.stop.clone());
        let (answers, heard) = (self.answers.clone(), self.heard.clone());
        self.accepting = Some(tokio::spawn(async move {
            let mut pipes = JoinSet::new();
            while let Some(Ok((client, _))) = stop.run_until_cancelled(listener.accept()).await {
                pipes.spawn(pipe(client, upstream, answers.subscribe(), heard.clone()));
            }
            drop(listener);
            pipes.shutdown().await;
        }));
    }

    /// Decides what becomes of answers from now on.
    pub fn let_answers(&self, answers: Answers) {
        self.answers.send_replace(answers);
    }

    /// How often Stripe was sent anything.
    pub fn heard(&self) -> u64 {
        *self.heard.borrow()
    }

    /// Waits until Stripe was sent something more than `before` times.
    pub async fn heard_more_than(&self, before: u64) {
        within(self.heard.subscribe().wait_for(|heard| *heard > before)).await.unwrap();
    }
}

// === impl Answers ===

impl Answers {
    fn cuts_request(self, heard: u64) -> bool {
        match self {
            Answers::Unasked => true,
            Answers::UnaskedAfter(most) => heard > most,
            Answers::Pass | Answers::Wait | Answers::Lost => false,
        }
    }
}

fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

async fn pipe(
    client: TcpStream,
    upstream: SocketAddr,
    mut answers: watch::Receiver<Answers>,
    heard: watch::Sender<u64>,
) -> io::Result<()> {
    let (mut asking, mut asked) = client.into_split();
    let (mut answering, mut answered) = TcpStream::connect(upstream).await?.into_split();
    let fate = answers.clone();
    let requests = async {
        let mut bytes = [0; 8192];
        loop {
            let length = asking.read(&mut bytes).await?;
            heard.send_modify(|heard| *heard += 1);
            if length == 0 || fate.borrow().cuts_request(*heard.borrow()) {
                return io::Result::Ok(());
            }
            answered.write_all(&bytes[..length]).await?;
        }
    };
    let replies = async {
        let mut bytes = [0; 8192];
        loop {
            let length = answering.read(&mut bytes).await?;
            let fate = *answers.wait_for(|fate| *fate != Answers::Wait).await.unwrap();
            if length == 0 || fate == Answers::Lost {
                return io::Result::Ok(());
            }
            asked.write_all(&bytes[..length]).await?;
        }
    };
    tokio::select! {
        ended = requests => ended,
        ended = replies => ended,
    }
}
