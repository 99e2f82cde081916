//! Asks a server for the definitions of a service (gRPC server reflection, v1 and v1alpha).
//!
//! The call takes a stream of questions; one question and the end of the stream are such a
//! stream, so that each question is a call of its own.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use prost::Message;
use prost_reflect::DescriptorPool;
use prost_reflect::prost_types::FileDescriptorProto;

use super::CallError;
use super::channel::Channel;
use crate::load::{Code, Fault};

/// Newer servers have the first, all have the second.
const METHODS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];
/// Files of one service's definition.
const FILES_MAX: usize = 500;

/// ServerReflectionRequest.
#[derive(Clone, PartialEq, Message)]
struct Question {
    #[prost(string, tag = "1")]
    host: String,
    #[prost(oneof = "Wanted", tags = "3, 4")]
    wanted: Option<Wanted>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Wanted {
    #[prost(string, tag = "3")]
    FileByFilename(String),
    #[prost(string, tag = "4")]
    FileContainingSymbol(String),
}

/// ServerReflectionResponse, as far as it is read.
#[derive(Clone, PartialEq, Message)]
struct Told {
    #[prost(message, optional, tag = "4")]
    files: Option<Files>,
    #[prost(message, optional, tag = "7")]
    refused: Option<Refused>,
}

#[derive(Clone, PartialEq, Message)]
struct Files {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    files: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct Refused {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// All files that define a service and what it needs.
pub(super) async fn pool(channel: &Channel, service: &str) -> Result<DescriptorPool, CallError> {
    let refuse = |why: String| CallError::Reflection {
        host: channel.host(),
        why,
    };
    // Its global pool holds the well-known types, which not all servers serve.
    let mut pool = DescriptorPool::global();
    let mut found: BTreeMap<String, FileDescriptorProto> = BTreeMap::new();
    let mut asked = BTreeSet::new();
    let mut method = 0;
    let mut question = Some(Wanted::FileContainingSymbol(service.to_owned()));
    while let Some(wanted) = question.take() {
        for file in ask(channel, &mut method, wanted).await? {
            let file = FileDescriptorProto::decode(file)
                .map_err(|_| refuse("it told a file that cannot be read".to_owned()))?;
            found.insert(file.name().to_owned(), file);
        }
        let needed = found.values().flat_map(|file| &file.dependency);
        let missing = needed
            .filter(|name| !found.contains_key(*name) && !asked.contains(*name))
            .find(|name| pool.get_file_by_name(name).is_none())
            .cloned();
        if let Some(name) = missing {
            asked.insert(name.clone());
            question = Some(Wanted::FileByFilename(name));
        }
        if found.len() > FILES_MAX || asked.len() > FILES_MAX {
            return Err(refuse(format!("it told more than {FILES_MAX} files")));
        }
    }
    let new = found
        .into_values()
        .filter(|file| pool.get_file_by_name(file.name()).is_none())
        .collect::<Vec<_>>();
    pool.add_file_descriptor_protos(new)
        .map_err(|error| refuse(error.to_string()))?;
    Ok(pool)
}

/// One question. `method` is the place in the list of the one that the server has.
async fn ask(
    channel: &Channel,
    method: &mut usize,
    wanted: Wanted,
) -> Result<Vec<Bytes>, CallError> {
    let question = Question {
        host: String::new(),
        wanted: Some(wanted),
    };
    let message = question.encode_to_vec();
    let answers = loop {
        let path = METHODS.get(*method).copied().unwrap_or_default();
        match channel.call(path, &message).await {
            Ok(answers) => break answers,
            Err(Fault::Rpc(Code::UNIMPLEMENTED)) if *method + 1 < METHODS.len() => *method += 1,
            Err(fault) => {
                return Err(CallError::Unasked {
                    host: channel.host(),
                    fault,
                });
            }
        }
    };
    let refuse = |why: String| CallError::Reflection {
        host: channel.host(),
        why,
    };
    let first = answers.into_iter().next();
    let first = first.ok_or_else(|| refuse("it answered nothing".to_owned()))?;
    let told = Told::decode(first)
        .map_err(|_| refuse("it gave an answer that cannot be read".to_owned()))?;
    if let Some(refused) = told.refused {
        return Err(refuse(format!(
            "it answered {} {:?}",
            refused.code, refused.message
        )));
    }
    Ok(told.files.unwrap_or_default().files)
}
