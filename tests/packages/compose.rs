//! The compose file of docs/INSTALLING.md, brought up by docker-compose.

use std::time::{Duration, Instant};

use crate::client::Client;
use crate::container::{at, free_address};
use crate::engine::{IMAGE, with_each};
use crate::support::Request;

const GUIDE: &str = include_str!("../../docs/INSTALLING.md");
const PATIENCE: Duration = Duration::from_secs(60);

/// The one block of YAML in the guide.
fn compose_file() -> &'static str {
    let (_, block) = GUIDE.split_once("```yaml\n").unwrap();
    block.split_once("```").unwrap().0
}

#[test]
fn the_compose_file_of_the_guide_comes_up_and_is_well() {
    with_each(|engine| {
        let Some(socket) = engine.socket() else { return };
        let Some(compose) = Client::find("docker-compose") else { return };
        let compose = compose.environment("DOCKER_HOST", socket.into());
        engine.client.run(["tag", IMAGE, concat!("holdfast:", env!("CARGO_PKG_VERSION"))]);
        let address = free_address();
        let file = compose_file().replace("5000:5000", &format!("{address}:5000"));
        compose.write("docker-compose.yml", file);

        let up = compose.attempt(["up", "-d"]);
        let deadline = Instant::now() + PATIENCE;
        let mut said = compose.attempt(["ps"]);
        while up.is_ok()
            && !said.as_ref().is_ok_and(|said| said.contains("(healthy)"))
            && Instant::now() < deadline
        {
            std::thread::sleep(Duration::from_millis(200));
            said = compose.attempt(["ps"]);
        }
        let answered = at(address).try_send(&Request::get("/v2/"));
        let down = compose.attempt(["down", "--volumes"]);
        assert!(up.is_ok() && down.is_ok(), "{up:?} {down:?}");
        assert!(said.as_ref().is_ok_and(|said| said.contains("(healthy)")), "{said:?}");
        assert_eq!(answered, Some(200));
    });
}
