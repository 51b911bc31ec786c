//! The connections that are open: how many there may be, of whom, and which one gives way.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode};
use tokio_util::sync::CancellationToken;

use super::Problem;
use super::proxies::{caller, counted};
use crate::app::{Network, ServerConfig};

/// The most connections where the configuration names no number, whatever the process may open.
const MOST_BY_DEFAULT: u64 = 4096;

/// The fewest: a descriptor limit that is lower still leaves nothing to serve with.
const FEWEST: usize = 16;

/// How long a connection has to be idle before it gives way to another one.
const SPARE_AFTER: Duration = Duration::from_secs(1);

/// The connections of one listener.
pub struct Connections {
    most: usize,
    most_of_one: usize,
    proxies: Vec<Network>,
    open: Mutex<Open>,
    /// Requests at hand by the address of their caller, where they came through a trusted proxy.
    behind_proxies: Mutex<HashMap<IpAddr, usize>>,
    stop: Stop,
}

/// What those learn who could go on for longer than the gateway can wait for.
#[derive(Clone, Default)]
pub struct Stop {
    /// The gateway was told to stop: nothing new is begun.
    pub told: CancellationToken,
    /// The time for requests at hand is nearly over: what is under way is not waited for.
    pub hurry: CancellationToken,
}

#[derive(Default)]
struct Open {
    next: u64,
    all: HashMap<u64, Arc<Connection>>,
    by_address: HashMap<IpAddr, usize>,
}

/// One of them, as its own task, its requests and whoever looks for room see it.
pub struct Connection {
    id: u64,
    peer: IpAddr,
    is_proxy: bool,
    /// Requests whose answers are not out yet.
    at_hand: AtomicUsize,
    /// Since when there is none, and since when the peer takes nothing: see [`now`]. 0: it does.
    idle_since: AtomicU64,
    stalled_since: AtomicU64,
    /// A request was answered before all of it was read.
    answered_early: AtomicBool,
    cut: CancellationToken,
}

/// Milliseconds since the first connection, from 1.
fn now() -> u64 {
    static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(EPOCH.elapsed().as_millis()).map_or(u64::MAX, |elapsed| elapsed + 1)
}

fn is_older(since: u64, age: Duration) -> bool {
    u128::from(now().saturating_sub(since)) >= age.as_millis()
}

/// Raises the limit of files that this process may open as far as it may itself, and returns it.
pub fn raise_descriptor_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    // Where it cannot be raised, what is there counts.
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(_) => current,
    }
}

impl Connections {
    /// For a process that may open so many files; `None`: any number.
    pub fn new(config: &ServerConfig, descriptors: Option<u64>) -> Arc<Connections> {
        let default = descriptors.map_or(MOST_BY_DEFAULT, |all| (all / 2).min(MOST_BY_DEFAULT));
        let most = match config.max_connections {
            0 => usize::try_from(default).unwrap_or(usize::MAX).max(FEWEST),
            most => most,
        };
        if descriptors.is_some_and(|all| most as u64 >= all) {
            tracing::warn!(
                most,
                descriptors,
                "server.max_connections is not below the number of files that this process may open \
                 (ulimit -n): connections will be refused by the system first"
            );
        }
        let most_of_one = match config.max_connections_per_address {
            0 => most.div_ceil(2),
            most => most,
        };
        Arc::new(Connections {
            most,
            most_of_one,
            proxies: config.trusted_proxies.clone(),
            open: Mutex::default(),
            behind_proxies: Mutex::default(),
            stop: Stop::default(),
        })
    }

    /// Takes in a connection; where there is no room, in the place of one that is idle.
    ///
    /// # Errors
    /// None is idle: what the peer is to be told.
    pub fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Place, Problem> {
        let is_proxy = self.is_proxy(peer);
        let address = counted(peer);
        let mut open = self.open();
        let of_one = open.by_address.get(&address).copied().unwrap_or(0);
        if !is_proxy && of_one >= self.most_of_one && !open.make_room(Some(address)) {
            refused("address");
            return Err(Problem::busy(format!(
                "This address has {of_one} connections with requests at hand; {} are allowed \
                 (server.max_connections_per_address).",
                self.most_of_one
            )));
        }
        if open.all.len() >= self.most && !open.make_room(None) {
            refused("all");
            let detail = format!(
                "All {} connections have requests at hand (server.max_connections). Try again later.",
                self.most
            );
            return Err(Problem::later(StatusCode::SERVICE_UNAVAILABLE, detail));
        }
        open.next += 1;
        let connection = Arc::new(Connection {
            id: open.next,
            peer,
            is_proxy,
            at_hand: AtomicUsize::new(0),
            idle_since: AtomicU64::new(now()),
            stalled_since: AtomicU64::new(0),
            answered_early: AtomicBool::new(false),
            cut: CancellationToken::new(),
        });
        *open.by_address.entry(address).or_default() += 1;
        open.all.insert(connection.id, Arc::clone(&connection));
        open.show();
        Ok(Place { connections: Arc::clone(self), connection })
    }

    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Closes those whose peers have taken nothing for so long.
    pub fn cut_stalled(&self, patience: Duration) {
        for connection in self.open().all.values() {
            let since = connection.stalled_since.load(Ordering::Relaxed);
            if since > 0 && is_older(since, patience) {
                closed("unread");
                connection.cut.cancel();
            }
        }
    }

    /// Closes all. Returns how many requests at hand that leaves without their whole answer, those aside
    /// whose peers took none.
    pub fn cut_all(&self) -> usize {
        let mut lost = 0;
        for connection in self.open().all.values() {
            if connection.stalled_since.load(Ordering::Relaxed) == 0 {
                lost += connection.at_hand.load(Ordering::Relaxed);
            }
            closed("stopped");
            connection.cut.cancel();
        }
        lost
    }

    fn is_proxy(&self, peer: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(peer))
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn behind_proxies(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.behind_proxies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused(reason: &'static str) {
    metrics::counter!("undertone_connections_refused_total", "reason" => reason).increment(1);
}

/// A connection was closed by the gateway's own decision.
pub fn closed(reason: &'static str) {
    metrics::counter!("undertone_connections_closed_total", "reason" => reason).increment(1);
}

impl Open {
    /// Lets go of the one that has been idle for longest, of all or of an address.
    fn make_room(&mut self, of: Option<IpAddr>) -> bool {
        let spare = self.all.values().filter(|connection| {
            connection.is_spare() && of.is_none_or(|address| counted(connection.peer) == address)
        });
        let idlest = spare.min_by_key(|connection| connection.idle_since.load(Ordering::Relaxed));
        let Some(idlest) = idlest.map(Arc::clone) else { return false };
        closed("idle");
        idlest.cut.cancel();
        self.remove(&idlest);
        true
    }

    fn remove(&mut self, connection: &Connection) {
        if self.all.remove(&connection.id).is_none() {
            return;
        }
        let address = counted(connection.peer);
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
        self.show();
    }

    fn show(&self) {
        metrics::gauge!("undertone_connections_open").set(self.all.len() as f64);
    }
}

impl Connection {
    fn is_spare(&self) -> bool {
        self.at_hand.load(Ordering::Relaxed) == 0
            && self.stalled_since.load(Ordering::Relaxed) == 0
            && is_older(self.idle_since.load(Ordering::Relaxed), SPARE_AFTER)
    }

    /// Whether the peer takes what is written to it.
    pub fn takes(&self, takes: bool) {
        self.stalled_since.store(if takes { 0 } else { now() }, Ordering::Relaxed);
    }

    /// A request was answered before all of it was read: its sender has to get to see the answer.
    pub fn answered_early(&self) {
        self.answered_early.store(true, Ordering::Relaxed);
    }

    pub fn was_answered_early(&self) -> bool {
        self.answered_early.load(Ordering::Relaxed)
    }
}

/// A connection's place among all; left when dropped.
pub struct Place {
    connections: Arc<Connections>,
    connection: Arc<Connection>,
}

impl Place {
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    pub fn peer(&self) -> Peer {
        Peer {
            connections: Arc::clone(&self.connections),
            connection: Arc::clone(&self.connection),
        }
    }

    /// Completes when the connection has to close at once.
    pub async fn cut(&self) {
        self.connection.cut.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open().remove(&self.connection);
    }
}

/// Who is at the other end of the connection that a request came by, among its extensions.
#[derive(Clone)]
pub struct Peer {
    connections: Arc<Connections>,
    connection: Arc<Connection>,
}

impl Peer {
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    pub fn stop(&self) -> Stop {
        self.connections.stop.clone()
    }

    /// A request that is at hand until the guard is dropped.
    pub fn begin(&self) -> AtHand {
        self.connection.at_hand.fetch_add(1, Ordering::Relaxed);
        AtHand(Arc::clone(&self.connection))
    }

    /// The address of who asks, through whatever trusted proxy.
    pub fn caller(&self, headers: &HeaderMap) -> IpAddr {
        caller(self.connection.peer, headers, &self.connections.proxies)
    }

    /// Counts a request that a trusted proxy passes on; others are counted by their connections.
    ///
    /// # Errors
    /// That caller has as many at hand as it may.
    pub fn count(&self, caller: IpAddr) -> Result<Option<Counted>, Problem> {
        if !self.connection.is_proxy || self.connections.is_proxy(caller) {
            return Ok(None);
        }
        let (address, most) = (counted(caller), self.connections.most_of_one);
        let mut all = self.connections.behind_proxies();
        let count = all.entry(address).or_default();
        if *count >= most {
            refused("address");
            return Err(Problem::busy(format!(
                "This address has {count} requests at hand; {most} are allowed \
                 (server.max_connections_per_address)."
            )));
        }
        *count += 1;
        Ok(Some(Counted { connections: Arc::clone(&self.connections), address }))
    }
}

/// A request at hand.
pub struct AtHand(Arc<Connection>);

impl Drop for AtHand {
    fn drop(&mut self) {
        self.0.idle_since.store(now(), Ordering::Relaxed);
        self.0.at_hand.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request of a caller behind a proxy.
pub struct Counted {
    connections: Arc<Connections>,
    address: IpAddr,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut all = self.connections.behind_proxies();
        if let Some(count) = all.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.address);
            }
        }
    }
}
