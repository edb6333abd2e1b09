//! What a registry says of its logins when it starts.

use super::house::House;
use crate::support::Holdfast;

#[test]
fn the_log_says_which_rule_is_in_force() {
    for (house, said) in [
        (House::with_users(), "users of auth.htpasswd log in; whoever is let in may do everything"),
        (
            House::with_policies("[{who: user:alice, may: pull, where: a}]"),
            "users of auth.htpasswd log in; the 1 entries of auth.policies say what they may do",
        ),
    ] {
        assert!(house.holdfast.log().contains(said), "{}", house.holdfast.log());
    }
    let open = Holdfast::start();
    assert!(open.log().contains("nobody has to log in, and everybody may do everything"), "{}", open.log());
}
