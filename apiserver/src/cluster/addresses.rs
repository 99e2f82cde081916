//! Gives Services their cluster IPs and node ports.
//!
//! Addresses come from 10.96.0.0/16 in order, node ports from 30000 to 32767; both are the defaults of kubeadm.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Cluster;
use crate::{
    object::{at, list, put, put_or_take, take, text},
    resource::ResourceType,
    status::FieldError,
};

const NODE_PORT_MIN: i64 = 30_000;
const NODE_PORT_MAX: i64 = 32_767;

impl Cluster {
    /// Fills in the addresses of a Service; other kinds are left alone.
    ///
    /// # Errors
    /// An address outside the range, one that is taken, or none left.
    pub(super) fn assign_addresses(
        &mut self,
        kind: &ResourceType,
        new: &mut Value,
        old: Option<&Value>,
    ) -> Result<(), FieldError> {
        if !kind.is("", "services") {
            return Ok(());
        }
        let service_type = text(new, &["spec", "type"])
            .unwrap_or("ClusterIP")
            .to_owned();
        if service_type == "ExternalName" {
            for field in [
                "clusterIP",
                "clusterIPs",
                "ipFamilies",
                "ipFamilyPolicy",
                "internalTrafficPolicy",
            ] {
                take(new, &["spec", field]);
            }
            return Ok(());
        }
        if let Some(old) = old {
            for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                if at(new, &["spec", field]).is_none() {
                    put_or_take(new, &["spec", field], at(old, &["spec", field]));
                }
            }
        }
        let uid = text(new, &["metadata", "uid"])
            .unwrap_or_default()
            .to_owned();
        let taken: BTreeSet<String> = self
            .store
            .collection(&kind.store_key)
            .objects
            .values()
            .filter(|service| text(service, &["metadata", "uid"]) != Some(uid.as_str()))
            .filter_map(|service| text(service, &["spec", "clusterIP"]).map(ToOwned::to_owned))
            .collect();
        let address = choose(
            text(new, &["spec", "clusterIP"]).unwrap_or_default(),
            &taken,
        )?;
        put(new, &["spec", "clusterIPs"], json!([address]));
        put(new, &["spec", "clusterIP"], Value::from(address));
        if matches!(service_type.as_str(), "NodePort" | "LoadBalancer") {
            self.assign_node_ports(kind, new, old);
        }
        Ok(())
    }

    fn assign_node_ports(&mut self, kind: &ResourceType, new: &mut Value, old: Option<&Value>) {
        let mut taken: BTreeSet<i64> = self
            .store
            .collection(&kind.store_key)
            .objects
            .values()
            .flat_map(|service| list(service, &["spec", "ports"]))
            .filter_map(|port| port.get("nodePort").and_then(Value::as_i64))
            .collect();
        let known = old
            .map(|old| list(old, &["spec", "ports"]).to_vec())
            .unwrap_or_default();
        let Some(ports) = new.pointer_mut("/spec/ports").and_then(Value::as_array_mut) else {
            return;
        };
        for port in ports
            .iter_mut()
            .filter(|port| port.get("nodePort").is_none())
        {
            let before = known
                .iter()
                .find(|known| {
                    known.get("port") == port.get("port")
                        && known.get("protocol") == port.get("protocol")
                })
                .and_then(|known| known.get("nodePort").and_then(Value::as_i64));
            let free = before
                .or_else(|| (NODE_PORT_MIN..=NODE_PORT_MAX).find(|port| !taken.contains(port)));
            if let Some(free) = free {
                taken.insert(free);
                put(port, &["nodePort"], Value::from(free));
            }
        }
    }
}

fn choose(wanted: &str, taken: &BTreeSet<String>) -> Result<String, FieldError> {
    let refuse = |why: &str| {
        FieldError::invalid(
            "spec.clusterIPs",
            &json!([wanted]),
            format!("failed to allocate IP {wanted}: {why}"),
        )
    };
    if wanted == "None" {
        return Ok(wanted.to_owned());
    }
    if !wanted.is_empty() {
        if !wanted.starts_with("10.96.") || wanted.parse::<std::net::Ipv4Addr>().is_err() {
            return Err(refuse(
                "the provided IP is not in the valid range. The range of valid IPs is 10.96.0.0/16",
            ));
        }
        if taken.contains(wanted) {
            return Err(refuse("provided IP is already allocated"));
        }
        return Ok(wanted.to_owned());
    }
    (10_u32..65_535)
        .map(|offset| format!("10.96.{}.{}", offset >> 8, offset & 0xff))
        .find(|address| !taken.contains(address))
        .ok_or_else(|| refuse("range is full"))
}
