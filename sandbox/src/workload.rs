//! Runs the workload of a pod: with real workloads a small HTTP server like
//! podinfo on a loopback address of its own (127.20.0.0/16, which Linux
//! routes to itself); with simulated ones an address and nothing behind it.

pub(crate) mod metrics;
mod server;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::behaviour::Behaviour;

/// podinfo's port, for containers that declare none.
const PORT_DEFAULT: u16 = 9898;
/// Addresses tried before a pod gets none.
const ADDRESS_TRIES_MAX: u32 = 512;
/// Requests in flight may take this long after the pod is told to stop.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// Gives out pod addresses.
#[derive(Debug)]
pub(crate) struct Network {
    next: u16,
    is_real: bool,
}

/// A pod's address, and the server behind it.
#[derive(Debug)]
pub(crate) struct Place {
    ip: IpAddr,
    metrics: Option<SocketAddr>,
    stop: watch::Sender<bool>,
}

impl Network {
    /// Addresses with nothing behind them, always the same ones.
    pub(crate) fn simulated() -> Self {
        Self {
            next: 1,
            is_real: false,
        }
    }

    /// Addresses that are bound; processes start apart so as not to collide often.
    pub(crate) fn real() -> Self {
        let apart = std::process::id().wrapping_mul(251) % 60_000;
        Self {
            next: u16::try_from(apart).unwrap_or(0),
            is_real: true,
        }
    }

    fn next_ip(&mut self) -> Ipv4Addr {
        let [high, low] = self.next.to_be_bytes();
        self.next = self.next.wrapping_add(1);
        Ipv4Addr::new(127, 20, high, low)
    }

    /// An address on which all ports are free, and the workload serving there.
    pub(crate) async fn place(
        &mut self,
        pod: &str,
        ports: &[u16],
        behaviour: &Behaviour,
        serves: bool,
        seed: u64,
    ) -> io::Result<Place> {
        let (stop, stopped) = watch::channel(false);
        if !self.is_real || !serves {
            return Ok(Place {
                ip: self.next_ip().into(),
                metrics: None,
                stop,
            });
        }
        let ports = if ports.is_empty() {
            &[PORT_DEFAULT]
        } else {
            ports
        };
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for _ in 0..ADDRESS_TRIES_MAX {
            let ip = self.next_ip();
            match bind(ip, ports).await {
                Ok(listeners) => {
                    let metrics = listeners.first().and_then(|l| l.local_addr().ok());
                    let workload = server::router(pod, behaviour, seed);
                    for listener in listeners {
                        tokio::spawn(serve(listener, workload.clone(), stopped.clone()));
                    }
                    return Ok(Place {
                        ip: ip.into(),
                        metrics,
                        stop,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }
}

async fn bind(ip: Ipv4Addr, ports: &[u16]) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for port in ports {
        listeners.push(TcpListener::bind((ip, *port)).await?);
    }
    Ok(listeners)
}

async fn serve(listener: TcpListener, router: axum::Router, mut stopped: watch::Receiver<bool>) {
    let mut told = stopped.clone();
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        // An error means that the pod's place was dropped, which ends it as well.
        drop(told.wait_for(|stop| *stop).await);
    });
    let too_late = async move {
        drop(stopped.wait_for(|stop| *stop).await);
        tokio::time::sleep(STOP_GRACE).await;
    };
    tokio::select! {
        answer = server => if let Err(error) = answer {
            tracing::warn!(%error, "Workload stopped serving.");
        },
        () = too_late => {}
    }
}

impl Place {
    pub(crate) fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Where the workload answers `/metrics`, when there is one.
    pub(crate) fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// Takes no new connections; requests in flight are finished.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }
}
