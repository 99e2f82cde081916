//! A routing table joined with what lives on between tables: pools, counters, metrics.
//!
//! Immutable and shared like the table. A new table takes over the pools of endpoints it
//! still knows; the pools of others live until their last request is over.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::choose;
use crate::metrics::{Metrics, Series};
use crate::pool::Pool;
use crate::table::{Rule, Sticky, Table, Target};

/// A table in use.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) table: Arc<Table>,
    /// In the order of the table's rules.
    pub(crate) rules: Vec<LiveRule>,
    pools: HashMap<(SocketAddr, bool), Arc<Pool>>,
    /// Requests without a route.
    pub(crate) lost: Arc<Series>,
}

/// What a rule needs at run time.
#[derive(Debug)]
pub(crate) struct LiveRule {
    /// Requests taken, kept across tables so that weights stay smooth.
    pub(crate) turn: Arc<AtomicU64>,
    pub(crate) backends: Vec<LiveBackend>,
    /// Mirrors of the rule, then those of its backends, in order.
    pub(crate) mirrors: Vec<Upstream>,
    /// Requests that no backend answers: redirects, preflights, rules without backends.
    pub(crate) own: Arc<Series>,
}

/// What a backend needs at run time.
#[derive(Debug)]
pub(crate) struct LiveBackend {
    pub(crate) upstream: Upstream,
    pub(crate) series: Arc<Series>,
    pub(crate) mirrors: Vec<Upstream>,
    /// Session tokens in the order of the pools; empty without session persistence.
    pub(crate) tokens: Vec<String>,
}

/// Endpoints to choose among.
#[derive(Debug, Default)]
pub(crate) struct Upstream {
    pub(crate) pools: Vec<Arc<Pool>>,
    turn: AtomicUsize,
}

impl Upstream {
    /// The next endpoint, leaving out those already tried and, if it can, those that
    /// refused connections a moment ago.
    pub(crate) fn pick(&self, tried: &[SocketAddr]) -> Option<&Arc<Pool>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let load = |index: usize, strict: bool| {
            let pool = self.pools.get(index)?;
            let is_unfit = tried.contains(&pool.address) || strict && pool.is_avoided();
            (!is_unfit).then(|| pool.busy())
        };
        let count = self.pools.len();
        choose::endpoint(count, turn, |index| load(index, true))
            .or_else(|| choose::endpoint(count, turn, |index| load(index, false)))
            .and_then(|index| self.pools.get(index))
    }
}

impl Live {
    /// Puts a table to use; `before` is the one in use until now.
    pub(crate) fn new(table: Arc<Table>, before: Option<&Self>, metrics: &Metrics) -> Self {
        let mut next = Next {
            before,
            pools: HashMap::new(),
            turns: HashMap::new(),
            metrics,
        };
        if let Some(before) = before {
            let turns = before.table.rules.iter().zip(&before.rules);
            next.turns = turns
                .map(|(rule, live)| (name_of(rule), Arc::clone(&live.turn)))
                .collect();
        }
        let rules = table.rules.iter().map(|rule| next.rule(rule)).collect();
        let pools = next.pools;
        Self {
            table,
            rules,
            pools,
            lost: metrics.series("", "", ""),
        }
    }

    /// Closes connections that were idle for too long.
    pub(crate) fn sweep(&self) {
        self.pools.values().for_each(|pool| pool.sweep());
    }

    /// The same backend in this (newer) table, for a request that started in an older one.
    pub(crate) fn backend(&self, of: &Rule, service: &str) -> Option<&LiveBackend> {
        let (rule, live) = self
            .table
            .rules
            .iter()
            .zip(&self.rules)
            .find(|(rule, _)| name_of(rule) == name_of(of))?;
        let index = rule
            .backends
            .iter()
            .position(|backend| backend.service == service)?;
        live.backends.get(index)
    }
}

type RuleName<'a> = (&'a str, &'a str, usize);

fn name_of(rule: &Rule) -> RuleName<'_> {
    (&rule.namespace, &rule.route, rule.index)
}

/// A table on its way into use.
struct Next<'a> {
    before: Option<&'a Live>,
    pools: HashMap<(SocketAddr, bool), Arc<Pool>>,
    turns: HashMap<RuleName<'a>, Arc<AtomicU64>>,
    metrics: &'a Metrics,
}

impl Next<'_> {
    fn rule(&mut self, rule: &Rule) -> LiveRule {
        let backends = rule.backends.iter().map(|backend| {
            let tokens = rule.sticky.as_ref().map_or(Vec::new(), |_| {
                let addresses = backend.target.addresses().iter();
                addresses
                    .map(|address| Sticky::token(&rule.namespace, &backend.service, address))
                    .collect()
            });
            LiveBackend {
                upstream: self.upstream(&backend.target),
                series: self
                    .metrics
                    .series(&rule.namespace, &rule.route, &backend.service),
                mirrors: backend
                    .filters
                    .mirrors
                    .iter()
                    .map(|mirror| self.upstream(&mirror.target))
                    .collect(),
                tokens,
            }
        });
        let backends = backends.collect();
        LiveRule {
            turn: self.turn(rule),
            backends,
            mirrors: rule
                .filters
                .mirrors
                .iter()
                .map(|mirror| self.upstream(&mirror.target))
                .collect(),
            own: self.metrics.series(&rule.namespace, &rule.route, ""),
        }
    }

    /// The rule's counter; a new one starts anywhere, so that replicas differ.
    fn turn(&self, rule: &Rule) -> Arc<AtomicU64> {
        let kept = self.turns.get(&name_of(rule)).map(Arc::clone);
        kept.unwrap_or_else(|| Arc::new(AtomicU64::new(rand::random())))
    }

    fn upstream(&mut self, target: &Target) -> Upstream {
        let h2c = match target {
            Target::Invalid => return Upstream::default(),
            Target::Endpoints { h2c, .. } => *h2c,
        };
        let pools = target
            .addresses()
            .iter()
            .map(|address| self.pool(*address, h2c))
            .collect();
        Upstream {
            pools,
            turn: AtomicUsize::new(0),
        }
    }

    fn pool(&mut self, address: SocketAddr, h2c: bool) -> Arc<Pool> {
        let kept = self
            .before
            .and_then(|before| before.pools.get(&(address, h2c)));
        let pool = self
            .pools
            .entry((address, h2c))
            .or_insert_with(|| match kept {
                Some(pool) => Arc::clone(pool),
                None => Arc::new(Pool::new(address, h2c)),
            });
        Arc::clone(pool)
    }
}
