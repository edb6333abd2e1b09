//! What Prometheus makes of the metrics: every panel of the dashboard shows something, and no alert goes off.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::client::{Client, PING};
use crate::metrics::{document, push_hello};
use crate::process::{serve, wait_until};
use crate::skip::skip;

/// Everything that has a section of its own in the dashboard.
const CONFIGURATION: &str = "
http: {addr: '127.0.0.1:0', debug: {addr: '127.0.0.1:0'}}
notifications: {endpoints: [{name: nobody, url: 'http://127.0.0.1:9/', backoff: 1s}]}
retention: {rules: [{where: 'none/**', last: 1}]}
";

/// A Prometheus of its own, which asks the registry every second.
struct Prometheus {
    address: SocketAddr,
    child: Child,
}

impl Prometheus {
    /// `None` if it is not installed, which is said.
    fn start(folder: &Path, probes: SocketAddr) -> Option<Self> {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let configuration = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
             rule_files: ['{}']\n\
             scrape_configs: [{{job_name: holdfast, static_configs: [{{targets: ['{probes}']}}]}}]\n",
            document("alerts.yml").display()
        );
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, configuration).unwrap();
        let mut command = Command::new("prometheus");
        command.arg("--config.file").arg(file).arg("--storage.tsdb.path").arg(folder.join("prometheus"));
        command.arg("--web.listen-address").arg(address.to_string());
        let Ok(child) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
            skip("prometheus", "it is not installed");
            return None;
        };
        Some(Self { address, child })
    }

    /// The series that an expression comes to; `None` before it listens.
    fn query(&self, expression: &str) -> Option<Vec<Value>> {
        std::net::TcpStream::connect(self.address).ok()?;
        let query: String = expression.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let request = format!("GET /api/v1/query?query={query} HTTP/1.1\r\nHost: p\r\n\r\n");
        let response = Client::connect(self.address).ask(request);
        let body: Value = serde_json::from_str(&response.body).unwrap();
        assert_eq!(body["status"], "success", "{expression}: {body}");
        Some(body["data"]["result"].as_array().unwrap().clone())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// The titles of the panels, each with one of its expressions.
fn panels() -> Vec<(String, String)> {
    let dashboard: Value =
        serde_json::from_str(&std::fs::read_to_string(document("grafana-dashboard.json")).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| {
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(|target| (panel["title"].to_string(), target["expr"].as_str().unwrap().to_owned()))
    });
    targets.collect()
}

#[test]
fn every_panel_of_the_dashboard_shows_something_and_no_alert_goes_off() {
    let registry = serve().configured(CONFIGURATION).start();
    let probes = registry.address_after("answering probes on http://");
    let folder = tempfile::tempdir().unwrap();
    // The largest repositories are looked for once a minute.
    push_hello(registry.address());
    let Some(prometheus) = Prometheus::start(folder.path(), probes) else { return };
    let work = || {
        push_hello(registry.address());
        assert_eq!(Client::connect(registry.address()).ask(PING).status(), 200);
        std::thread::sleep(Duration::from_millis(300));
    };
    let panels = panels();
    assert!(panels.len() > 50, "{panels:?}");
    for (title, expression) in panels {
        let expression = expression
            .replace("$job", "holdfast")
            .replace("$instance", ".+")
            .replace("$__rate_interval", "30s");
        let shows = || {
            work();
            prometheus.query(&expression).is_some_and(|series| !series.is_empty())
        };
        wait_until(shows, || format!("{title} shows nothing: {expression}"));
    }
    let firing = prometheus.query("ALERTS{alertstate=\"firing\"}").unwrap();
    assert!(firing.is_empty(), "{firing:?}");
}
