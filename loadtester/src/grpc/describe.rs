//! Definitions of services from files, and the health service's, which needs none.
//!
//! Reads with limits, and follows imports only into the folders that it is told.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use prost_reflect::DescriptorPool;
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use super::CallError;

/// Bytes of one file.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// Files that one definition may import.
const FILES_MAX: usize = 500;

/// The service that servers tell their health by (grpc.io, "Health Checking"). The status is an
/// enum there; on the wire that is a number.
const HEALTH: &str = r#"
syntax = "proto3";
package grpc.health.v1;
message HealthCheckRequest { string service = 1; }
message HealthCheckResponse { int32 status = 1; }
service Health {
  rpc Check(HealthCheckRequest) returns (HealthCheckResponse);
  rpc Watch(HealthCheckRequest) returns (stream HealthCheckResponse);
}
"#;

pub(super) fn health() -> DescriptorPool {
    let mut pool = DescriptorPool::new();
    let file =
        File::from_source("health.proto", HEALTH).map(|file| file.file_descriptor_proto().clone());
    let added = file.map(|file| pool.add_file_descriptor_proto(file));
    match added {
        Ok(Ok(())) => pool,
        Ok(Err(_)) | Err(_) => unreachable!("the definition is a constant"),
    }
}

/// Compiles a `.proto` file. Imports are looked for in `imports`, in the file's own folder and in
/// the working directory, as ghz does.
pub(super) fn proto(path: &Path, imports: &[PathBuf]) -> Result<DescriptorPool, CallError> {
    let refuse = |why: String| CallError::File {
        flag: "--proto",
        path: path.to_owned(),
        why,
    };
    if path.extension().is_none_or(|end| end != "proto") {
        return Err(refuse("its name must end in .proto".to_owned()));
    }
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| refuse("its name is not text".to_owned()))?;
    let mut folders = imports.to_vec();
    folders.push(path.parent().unwrap_or(Path::new("")).to_owned());
    folders.push(PathBuf::new());
    let mut resolver = ChainFileResolver::new();
    resolver.add(Folders {
        root: (name.to_owned(), path.to_owned()),
        folders,
        opened: AtomicUsize::new(0),
    });
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    match compiler.open_file(name) {
        Ok(compiler) => Ok(compiler.descriptor_pool()),
        Err(error) => Err(refuse(told(&error))),
    }
}

/// What is wrong, and in which file.
fn told(error: &protox::Error) -> String {
    let text = match error.to_string() {
        // The library says so of both.
        text if text == "invalid group name" => {
            "a group's name, or the path of an import, is not valid".to_owned()
        }
        text => text,
    };
    match error.file() {
        Some(file) => format!("{file}: {text}"),
        None => text,
    }
}

/// Reads a compiled set of definitions (a `FileDescriptorSet`).
pub(super) fn protoset(path: &Path) -> Result<DescriptorPool, CallError> {
    let bytes = read("--protoset", path)?;
    DescriptorPool::decode(bytes.as_slice()).map_err(|_| CallError::File {
        flag: "--protoset",
        path: path.to_owned(),
        why: "it is not a complete FileDescriptorSet; make one with --include_imports".to_owned(),
    })
}

/// Reads a file that a flag names, up to a limit.
pub(super) fn read(flag: &'static str, path: &Path) -> Result<Vec<u8>, CallError> {
    bounded(path).map_err(|why| CallError::File {
        flag,
        path: path.to_owned(),
        why: why.to_string(),
    })
}

fn bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = std::fs::File::open(path)?;
    // A pipe or a device could hold this thread for ever.
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(std::io::Error::other(format!(
            "it is longer than {FILE_BYTES_MAX} bytes"
        )));
    }
    Ok(bytes)
}

/// Finds imports in folders.
struct Folders {
    /// Name and place of the file that is asked for.
    root: (String, PathBuf),
    folders: Vec<PathBuf>,
    opened: AtomicUsize,
}

impl FileResolver for Folders {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        if self.opened.fetch_add(1, Ordering::Relaxed) >= FILES_MAX {
            return Err(protox::Error::new(std::io::Error::other(format!(
                "it imports more than {FILES_MAX} files"
            ))));
        }
        let is_inside = name.ends_with(".proto")
            && !name.starts_with('/')
            && name.split('/').all(|part| part != "..");
        if !is_inside {
            return Err(protox::Error::file_not_found(name));
        }
        let places = self.folders.iter().map(|folder| folder.join(name));
        let root = (name == self.root.0).then(|| self.root.1.clone());
        let found = root.into_iter().chain(places).find(|place| place.is_file());
        let place = found.ok_or_else(|| protox::Error::file_not_found(name))?;
        let text = bounded(&place)
            .and_then(|bytes| String::from_utf8(bytes).map_err(std::io::Error::other));
        File::from_source(name, &text.map_err(protox::Error::new)?)
    }
}
