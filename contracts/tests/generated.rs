//! The committed protobuf code is what `proto/envelope.proto` generates.

use std::{fs, path::Path};

/// Set to any value, the generated code is written anew instead of compared.
const BLESS: &str = "SELVEDGE_BLESS";

#[test]
fn generated_code_matches_the_proto_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let descriptors = protox::compile([root.join("proto/envelope.proto")], [root.join("proto")]).unwrap();
    let out = tempfile::tempdir().unwrap();
    // Of an attachment nothing is copied on the way in.
    let mut config = prost_build::Config::new();
    config.bytes([".selvedge.v1.Envelope.attachment"]);
    config.out_dir(out.path()).compile_fds(descriptors).unwrap();
    let fresh = fs::read_to_string(out.path().join("selvedge.v1.rs")).unwrap();
    let committed = root.join("src/generated/selvedge.v1.rs");
    if std::env::var_os(BLESS).is_some() {
        fs::write(&committed, &fresh).unwrap();
    }
    let found = fs::read_to_string(&committed).unwrap_or_default();
    assert_eq!(
        found, fresh,
        "proto/envelope.proto changed; {BLESS}=1 cargo test -p selvedge-contracts writes the code anew"
    );
}
