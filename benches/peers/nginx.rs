//! nginx, which serves the same bytes as files: what a pull costs where there is no registry in between.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use crate::support::{Way, certificate_in, key_in};

pub(crate) const COMMAND: &str = "nginx -p {folder} -c {folder}/nginx.conf";

/// As its documentation recommends: sessions are remembered, and all else is as it comes.
fn tls(folder: &Path, way: Way) -> String {
    let (certificate, key) = (certificate_in(folder), key_in(folder));
    format!(
        " ssl{}; ssl_certificate {}; ssl_certificate_key {}; ssl_session_cache shared:SSL:10m; \
         ssl_protocols TLSv1.2 TLSv1.3",
        if way == Way::Http2 { " http2" } else { "" },
        certificate.display(),
        key.display()
    )
}

/// A worker a processor, `sendfile`, files kept open, connections never closed; and something to answer `/v2/` with.
pub(crate) fn prepare(folder: &Path, address: SocketAddr, way: Way) -> io::Result<()> {
    let (root, folder_text) = (folder.join("data"), folder.display());
    fs::create_dir_all(root.join("v2"))?;
    fs::write(root.join("v2/index.html"), "")?;
    let text = format!(
        "daemon off; worker_processes auto; user root; pid {folder_text}/nginx.pid; error_log stderr error;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; \
         open_file_cache max=1000; default_type application/octet-stream;\n  \
         client_body_temp_path {folder_text}/temporary; proxy_temp_path {folder_text}/temporary;\n  \
         server {{ listen {address}{}; root {}; }}\n}}\n",
        if way.is_encrypted() { tls(folder, way) } else { String::new() },
        root.display()
    );
    fs::write(folder.join("nginx.conf"), text)
}
