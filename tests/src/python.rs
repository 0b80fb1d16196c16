//! What tests take from Python: the interpreter of the venv that `make python` makes, and an S3 server.

use std::{
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use crate::{guard::Guard, server::free_addresses, wait};

/// The interpreter.
pub fn interpreter() -> String {
    std::env::var("SELVEDGE_PYTHON")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../target/python/bin/python").to_owned())
}

/// Moto, a server that speaks S3, with one empty bucket; it ends with this value.
#[derive(Debug)]
pub struct S3 {
    child: Child,
    _guard: Guard,
    endpoint: String,
}

/// The bucket.
pub const BUCKET: &str = "artifacts";

impl S3 {
    /// Starts it on a free port and makes the bucket.
    pub async fn start() -> Self {
        let address = free_addresses(1).remove(0);
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let child = Command::new(interpreter())
            .args(["-m", "moto.server", "-H", &host, "-p", &port])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("python starts: run `make python`");
        let guard = Guard::of(child.id());
        let s3 = Self { child, _guard: guard, endpoint: format!("http://{address}") };
        wait::until("moto to listen", async || {
            TcpStream::connect(address).map_err(|error| error.to_string())
        })
        .await;
        let make = "import boto3, sys; boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1', \
                    aws_access_key_id='k', aws_secret_access_key='s').create_bucket(Bucket=sys.argv[2])";
        let made = Command::new(interpreter()).args(["-c", make, &s3.endpoint, BUCKET]).output();
        let made = made.expect("python starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        s3
    }

    /// Keys of the bucket that begin so.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let list = "import boto3, sys; s3 = boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1', \
                    aws_access_key_id='k', aws_secret_access_key='s'); \
                    print('\\n'.join(o['Key'] for o in s3.list_objects_v2(Bucket=sys.argv[2], \
                    Prefix=sys.argv[3]).get('Contents', [])))";
        let listed = Command::new(interpreter()).args(["-c", list, &self.endpoint, BUCKET, prefix]).output();
        let listed = listed.expect("python starts");
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
        String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned).collect()
    }

    /// What an object store needs to reach it.
    pub fn options(&self) -> Vec<(String, String)> {
        let option = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![
            option("AWS_ENDPOINT", &self.endpoint),
            option("AWS_ALLOW_HTTP", "true"),
            option("AWS_REGION", "us-east-1"),
            option("AWS_ACCESS_KEY_ID", "k"),
            option("AWS_SECRET_ACCESS_KEY", "s"),
        ]
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}
