//! A container that runs the registry, removed with the test.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::support::{Registry, Request};

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Container<'engine> {
    engine: &'engine Engine,
    name: String,
    pub(crate) registry: Registry,
}

/// What is said to `run` beside the image and its command.
pub(crate) struct Run<'engine> {
    engine: &'engine Engine,
    options: Vec<String>,
}

/// `run -d` of a container on the machine's own network, where it gets a free port of loopback.
pub(crate) fn run(engine: &Engine) -> Run<'_> {
    Run { engine, options: Vec::new() }
}

impl<'engine> Run<'engine> {
    pub(crate) fn with<'a>(mut self, options: impl IntoIterator<Item = &'a str>) -> Self {
        self.options.extend(options.into_iter().map(str::to_owned));
        self
    }

    /// Starts it, and waits until it answers.
    #[track_caller]
    pub(crate) fn start(self, image: &str, command: &[&str]) -> Container<'engine> {
        let address = free_address();
        let name = format!("holdfast-{}", address.port());
        let address_setting = format!("REGISTRY_HTTP_ADDR={address}");
        let mut arguments = vec!["run", "-d", "--name", &name, "--network", "host", "-e", &address_setting];
        arguments.extend(self.options.iter().map(String::as_str));
        arguments.push(image);
        arguments.extend(command);
        self.engine.client.run(&arguments);
        let container = Container { engine: self.engine, name, registry: at(address) };
        container.wait();
        container
    }
}

impl Container<'_> {
    /// Waits until it answers.
    #[track_caller]
    fn wait(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.registry.try_send(&Request::get("/v2/")) != Some(200) {
            let running = self.said(["inspect", "--format", "{{.State.Running}}"]);
            assert!(
                running == "true" && Instant::now() < deadline,
                "{} does not answer (running: {running}): {:?}",
                self.name,
                self.engine.client.attempt(["logs", &self.name])
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs a command of the engine whose last argument is the container.
    #[track_caller]
    pub(crate) fn said<const N: usize>(&self, arguments: [&str; N]) -> String {
        self.engine.client.run(arguments.into_iter().chain([self.name.as_str()]))
    }

    /// Where it answers.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.registry.address)
    }

    /// Runs a command in the container.
    #[track_caller]
    pub(crate) fn exec(&self, command: &[&str]) -> String {
        self.engine.client.run(["exec", &self.name].iter().chain(command))
    }

    /// Stops it and starts it again.
    #[track_caller]
    pub(crate) fn restart(&self) {
        self.said(["restart"]);
        self.wait();
    }

    /// Ends it without a warning and starts it again.
    #[track_caller]
    pub(crate) fn crash(&self) {
        self.said(["kill"]);
        self.said(["start"]);
        self.wait();
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let _failing_already = self.engine.client.attempt(["rm", "-f", &self.name]);
    }
}

/// What answers there.
pub(crate) fn at(address: SocketAddr) -> Registry {
    Registry { address, configured_headers: Vec::new(), authorization: None, tls: None }
}

/// An address of loopback that nobody listens on.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap()
}
