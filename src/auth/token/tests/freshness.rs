//! Keys that change.

use std::time::Duration;

use serde_json::json;

use super::certificates::Certificate;
use super::keys::Key;
use super::provider::Provider;
use super::*;

fn at_url(provider: &Provider) -> Verifier {
    verifier(Source::jwks(&provider.url("/keys"), &Outgoing::default()).unwrap())
}

async fn is_good(verifier: &Verifier, token: &str) -> bool {
    verifier.verify_with_new_keys(token, noon()).await.is_ok()
}

/// Sets the clock on, past the time in which nobody asks again.
async fn wait() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn keys_at_a_url_are_fetched_when_a_token_needs_them_and_kept() {
    let key = Key::p256();
    let provider = Provider::start();
    provider.publish(&[("k", &key)]);
    let verifier = at_url(&provider);
    assert!(verify(&verifier, &key.token("k", &claims())).is_err(), "nobody has asked yet");
    for _ in 0..3 {
        assert!(is_good(&verifier, &key.token("k", &claims())).await);
    }
    assert_eq!(provider.asked("/keys"), 1);
}

#[tokio::test]
async fn made_up_key_ids_cause_one_question() {
    let (key, own) = (Key::p256(), Key::p256());
    let provider = Provider::start();
    provider.publish(&[("k", &key)]);
    let verifier = at_url(&provider);
    let tokens: Vec<String> = (0..50).map(|id| own.token(&id.to_string(), &claims())).collect();
    let asking = tokens.iter().map(|token| is_good(&verifier, token));
    assert!(!futures_util::future::join_all(asking).await.contains(&true));
    assert_eq!(provider.asked("/keys"), 1);
    assert!(is_good(&verifier, &key.token("k", &claims())).await);
}

#[tokio::test]
async fn who_goes_away_while_keys_are_fetched_causes_no_further_question() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/keys", silent.local_addr().unwrap());
    let verifier = verifier(Source::jwks(&url, &Outgoing::default()).unwrap());
    let token = Key::p256().token("k", &claims());
    for _ in 0..5 {
        let _ = tokio::time::timeout(Duration::from_millis(100), is_good(&verifier, &token)).await;
    }
    silent.set_nonblocking(true).unwrap();
    let questions = std::iter::from_fn(|| silent.accept().ok()).count();
    assert_eq!(questions, 1);
}

#[tokio::test]
async fn a_new_key_is_fetched_once_a_token_names_it_and_a_failure_keeps_the_old() {
    let (old, new) = (Key::p256(), Key::p256());
    let provider = Provider::start();
    provider.publish(&[("old", &old)]);
    let verifier = at_url(&provider);
    assert!(is_good(&verifier, &old.token("old", &claims())).await);
    provider.forget("/keys");
    wait().await;
    assert!(!is_good(&verifier, &new.token("new", &claims())).await);
    assert!(is_good(&verifier, &old.token("old", &claims())).await);
    provider.answer("/keys", &json!({"keys": []}));
    wait().await;
    assert!(!is_good(&verifier, &new.token("new", &claims())).await);
    assert!(is_good(&verifier, &old.token("old", &claims())).await, "an answer without keys is a failure");
    provider.publish(&[("new", &new)]);
    wait().await;
    assert!(is_good(&verifier, &new.token("new", &claims())).await);
    assert!(
        !is_good(&verifier, &old.token("old", &claims())).await,
        "what is no longer published is not trusted"
    );
}

#[tokio::test]
async fn a_source_that_runs_has_its_keys_before_a_token_comes() {
    let key = Key::p256();
    let provider = Provider::start();
    provider.publish(&[("k", &key)]);
    let verifier = at_url(&provider);
    let token = key.token("k", &claims());
    let mut running = Box::pin(verifier.run());
    for _ in 0..500 {
        let _ = tokio::time::timeout(Duration::from_millis(10), &mut running).await;
        if verify(&verifier, &token).is_ok() {
            return;
        }
    }
    panic!("the keys were not fetched");
}

#[tokio::test]
async fn a_file_is_read_again_when_it_changes() {
    let (old, new) = (Certificate::root("old", Key::p256()), Certificate::root("new", Key::p256()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle.pem");
    std::fs::write(&path, old.pem()).unwrap();
    let verifier = verifier(Source::bundle(&path).unwrap());
    let (by_old, by_new) =
        (old.key.token(&old.libtrust_id(), &claims()), new.key.token(&new.libtrust_id(), &claims()));
    assert!(is_good(&verifier, &by_old).await);
    std::fs::write(&path, "no certificate").unwrap();
    assert!(!is_good(&verifier, &by_new).await);
    assert!(is_good(&verifier, &by_old).await, "a file that cannot be read keeps the old keys");
    std::fs::write(folder.path().join("next"), format!("{}{}", old.pem(), new.pem())).unwrap();
    std::fs::rename(folder.path().join("next"), &path).unwrap();
    wait().await;
    assert!(is_good(&verifier, &by_new).await);
    assert!(is_good(&verifier, &by_old).await);
}

#[test]
fn a_file_that_cannot_be_read_at_the_start_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let outgoing = Outgoing::default();
    let jwks =
        |path: &std::path::Path| Source::jwks(path.to_str().unwrap(), &outgoing).unwrap_err().to_string();
    assert!(Source::bundle(&path).unwrap_err().to_string().contains("keys: No such file"));
    for (text, bundle, set) in [
        ("", "there is no certificate in it", "no set of JSON web keys"),
        ("{\"keys\":[]}", "there is no certificate in it", "no key in it that verifies"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "certificate 1 is no X.509",
            "no set",
        ),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n", "certificate 1 is not PEM", "no set"),
    ] {
        std::fs::write(&path, text).unwrap();
        let message = Source::bundle(&path).unwrap_err().to_string();
        assert!(message.contains(bundle), "{message}");
        assert!(jwks(&path).contains(set), "{}", jwks(&path));
    }
    std::fs::write(&path, "x".repeat((1 << 20) + 1)).unwrap();
    assert!(jwks(&path).contains("larger than 1 MiB"));
}
