//! Manifests and indexes: what is accepted names exactly the content that a plain reading of the JSON finds, and is accepted
//! again as what it was found to be.

use holdfast::oci::{Manifest, ManifestType};
use serde_json::Value;

pub fn manifest(data: &[u8]) {
    let Some((first, document)) = data.split_first() else {
        return;
    };
    let named = ManifestType::ALL.get(usize::from(*first)).map(|media_type| media_type.as_str());
    let Ok(manifest) = Manifest::parse(document, named) else {
        return;
    };
    let Some(json) = plain_reading(document) else {
        return;
    };
    let mut children: Vec<_> = manifest.children.iter().map(|child| child.digest.to_string()).collect();
    let mut expected = digests_in(&json);
    children.sort_unstable();
    expected.sort_unstable();
    assert_eq!(children, expected);
    assert_eq!(
        manifest.subject.map(|digest| digest.to_string()),
        json["subject"]["digest"].as_str().map(str::to_owned)
    );

    let again = Manifest::parse(document, Some(manifest.media_type.as_str())).unwrap();
    assert_eq!(again, manifest);
}

/// None if there is a number in it that is larger than the plain reader can keep: JSON sets no bound to what nobody asks for.
fn plain_reading(document: &[u8]) -> Option<Value> {
    match serde_json::from_slice(document) {
        Ok(json) => Some(json),
        Err(error) if error.to_string().starts_with("number out of range") => None,
        Err(error) => panic!("what was accepted is no JSON: {error}"),
    }
}

fn digests_in(json: &Value) -> Vec<String> {
    let lists = ["layers", "manifests"].into_iter().filter_map(|key| json[key].as_array()).flatten();
    let descriptors = lists.chain(json["config"].is_object().then_some(&json["config"]));
    descriptors.filter_map(|descriptor| descriptor["digest"].as_str()).map(str::to_owned).collect()
}
