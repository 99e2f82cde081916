//! Reviews `service.ports`: each a port of its own, by number and name.
//!
//! What a mesh can route is the adapters' to say; here is what a Service can have.

use api::canary::{CanaryService, service::ServicePort};

use crate::spec::finding::Review;

const FIELD: &str = "spec.service.ports";
/// Ports at most: each may be an object that is written at every step.
const PORTS_MAX: usize = 16;
/// Longest name of a port of a Service.
const NAME_CHARS_MAX: usize = 63;
/// Name of the first port, unless it has one.
const FIRST_NAME: &str = "http";

pub(super) fn review(service: &CanaryService, review: &mut Review) {
    let ports = &service.ports;
    if ports.len() > PORTS_MAX {
        let why = format!("give {PORTS_MAX} at most");
        review.add(FIELD, format!("{} long", ports.len()), why);
    }
    let first = service.port_name.as_deref().filter(|it| !it.is_empty());
    let mut names = vec![first.unwrap_or(FIRST_NAME)];
    let mut numbers = vec![service.port];
    for (place, port) in ports.iter().take(PORTS_MAX).enumerate() {
        let field = format!("{FIELD}[{place}]");
        entry(&field, port, review);
        if names.contains(&port.name.as_str()) {
            let why =
                "another port has this name; the first one's is service.portName, or \"http\"";
            review.add(format!("{field}.name"), format!("{:?}", port.name), why);
        }
        if numbers.contains(&port.port) {
            let why = "another port has this number; the first one's is service.port";
            review.add(format!("{field}.port"), port.port, why);
        }
        names.push(&port.name);
        numbers.push(port.port);
    }
}

fn entry(field: &str, port: &ServicePort, review: &mut Review) {
    if !is_label(&port.name) {
        let why = format!(
            "it names a port and a route: letters a-z, digits and dashes between them, {NAME_CHARS_MAX} at most"
        );
        review.add(format!("{field}.name"), format!("{:?}", port.name), why);
    }
    if !(1..=65_535).contains(&port.port) {
        let why = "a port is between 1 and 65535";
        review.add(format!("{field}.port"), port.port, why);
    }
}

fn is_label(name: &str) -> bool {
    let is_known =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    (1..=NAME_CHARS_MAX).contains(&name.len())
        && name.chars().all(is_known)
        && !name.starts_with('-')
        && !name.ends_with('-')
}
