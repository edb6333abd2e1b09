//! nginx in front of the registry, by the recipe that distribution has in its documentation.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use crate::client::Client;
use crate::daemon::Daemon;
use crate::support::Pair;

/// A running nginx that speaks TLS to clients and plain HTTP to the registry.
pub(crate) struct Nginx {
    pub(crate) address: SocketAddr,
    _daemon: Daemon,
    _nginx: Client,
}

impl Nginx {
    pub(crate) fn before(nginx: Client, registry: SocketAddr, pair: &Pair) -> Self {
        let address = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let file = nginx.write("nginx.conf", configuration(address, registry, pair));
        let mut command = Command::new(nginx.program());
        command.args(["-p", &nginx.path(""), "-c", &file]);
        let is_ready = || TcpStream::connect(address).is_ok();
        let daemon = Daemon::start(&mut command, &nginx.folder().join("log"), is_ready);
        Self { address, _daemon: daemon, _nginx: nginx }
    }
}

/// What stands in the recipe, without its `auth_basic`: the registry asks for logins itself.
fn configuration(address: SocketAddr, registry: SocketAddr, pair: &Pair) -> String {
    let (certificate, key) = (pair.certificate.display(), pair.key.display());
    format!(
        r#"
daemon off;
user root;
pid nginx.pid;
error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;

  upstream docker-registry {{
    server {registry};
  }}
  map $upstream_http_docker_distribution_api_version $docker_distribution_api_version {{
    '' 'registry/2.0';
  }}
  server {{
    listen {address} ssl;
    server_name localhost;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    client_max_body_size 0;
    chunked_transfer_encoding on;

    location /v2/ {{
      add_header 'Docker-Distribution-Api-Version' $docker_distribution_api_version always;
      proxy_pass http://docker-registry;
      proxy_set_header Host $http_host;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_read_timeout 900;
    }}
  }}
}}
"#
    )
}
