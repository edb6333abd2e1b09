//! `holdfast user` and `holdfast policy`.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use super::house::House;

fn holdfast(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that has refused already no longer listens.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn user(file: &Path, arguments: &[&str], input: &str) -> Output {
    holdfast(&[&["user", "--file", file.to_str().unwrap()], arguments].concat(), input)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_user_is_added_lets_themselves_in_changes_and_goes() {
    let house = House::with_users();
    let file = house.users();
    let status = |password: &str| {
        std::thread::sleep(Duration::from_millis(1_200));
        house.by_password("dave", password).get("/v2/").status
    };
    assert!(user(&file, &["add", "dave", "--password-stdin"], "first\n").status.success());
    assert_eq!(status("first"), 200);
    assert!(user(&file, &["passwd", "dave", "--argon2", "--password-stdin"], "second\n").status.success());
    assert_eq!(status("first"), 401);
    assert_eq!(status("second"), 200);
    assert_eq!(text(&user(&file, &["list"], "").stdout), "alice\nbob\ncarol\ndave\n");
    assert!(user(&file, &["remove", "dave"], "").status.success());
    assert_eq!(status("second"), 401);
    house.as_user("alice").get("/v2/").expect(200);
}

#[test]
fn what_cannot_be_done_says_why() {
    let house = House::with_users();
    let file = house.users();
    for (arguments, input, said) in [
        (&["add", "alice", "--password-stdin"][..], "x\n", "there is a user alice already"),
        (&["passwd", "mallory", "--password-stdin"], "x\n", "there is no user mallory"),
        (&["remove", "mallory"], "", "there is no user mallory"),
        (&["add", "a:b", "--password-stdin"], "x\n", "it has a colon"),
        (&["add", "dave", "--password-stdin"], "\n", "must not be empty"),
        (&["add", "dave"], "x\n", "there is no terminal"),
    ] {
        let output = user(&file, arguments, input);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(text(&output.stderr).contains(said), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn a_password_is_not_taken_from_the_command_line() {
    let file = tempfile::tempdir().unwrap().path().join("htpasswd");
    for arguments in [&["add", "dave", "secret"][..], &["add", "dave", "--password", "secret"]] {
        assert_eq!(user(&file, arguments, "").status.code(), Some(2));
    }
}

#[test]
fn a_policy_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yml");
    let configuration = "
auth:
  groups: {devs: [alice]}
  issuers: [{name: github, url: 'https://token.actions.githubusercontent.com', audience: r}]
  policies:
    - {who: group:devs, may: [pull, push], where: team/**}
    - {who: {issuer: github, claims: {repository: team/app}}, may: push, where: team/app}
";
    std::fs::write(&file, configuration).unwrap();
    let test = |who: &[&str], action: &str, repository: &str| {
        let config = ["policy", "test", "--config", file.to_str().unwrap()];
        let output = holdfast(&[&config[..], who, &[action, repository]].concat(), "");
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let (code, said) = test(&["--as", "alice"], "push", "team/app");
    assert_eq!(code, Some(0));
    assert!(said.contains("by policy 1: group:devs may pull, push in team/**"), "{said}");
    let (code, said) = test(&["--as", "user:alice"], "delete", "team/app");
    assert_eq!(code, Some(1));
    assert!(said.contains("denied") && said.contains("policy 1 is about them"), "{said}");
    let (code, _) =
        test(&["--as", r#"{"repository": "team/app"}"#, "--issuer", "github"], "push", "team/app");
    assert_eq!(code, Some(0));
    let (code, said) = test(&["--as", "alice"], "read", "team/app");
    assert_eq!(code, Some(2));
    assert!(said.contains("is no action"), "{said}");
}
