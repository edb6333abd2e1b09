//! Whatever the pieces in which content comes, and wherever hashing is interrupted and resumed, it has the one digest; content
//! with a flipped bit has another, and is refused.

use arbitrary::{Result, Unstructured};
use holdfast::oci::{Algorithm, Digest};
use holdfast::store::Hasher;

use super::world::World;

pub fn digest_path(data: &[u8]) {
    // Too few bytes are no input.
    let _ = check(&mut Unstructured::new(data));
}

fn check(input: &mut Unstructured<'_>) -> Result<()> {
    let algorithm = *input.choose(&Algorithm::ALL)?;
    let is_uploaded = input.ratio(1, 4)?;
    let pieces: Vec<u16> =
        (0..input.int_in_range(0..=20)?).map(|_| input.arbitrary()).collect::<Result<_>>()?;
    let resumes: u32 = input.arbitrary()?;
    let flipped: usize = input.arbitrary()?;
    let content = input.bytes(input.len())?;

    let digest = Hasher::digest(algorithm, content);
    assert_eq!(hash_in_pieces(algorithm, content, &pieces, resumes), digest);
    if let Some(damaged) = flip(content, flipped) {
        assert_ne!(hash_in_pieces(algorithm, &damaged, &pieces, resumes), digest);
        if is_uploaded {
            upload(content, &damaged, &digest);
        }
    }
    Ok(())
}

/// Each bit of `resumes` says whether the hash is taken up anew from its exported state after that piece.
fn hash_in_pieces(algorithm: Algorithm, content: &[u8], pieces: &[u16], resumes: u32) -> Digest {
    let mut hasher = Hasher::new(algorithm);
    let mut rest = content;
    for (number, length) in pieces.iter().enumerate() {
        let (piece, behind) = rest.split_at(usize::from(*length).min(rest.len()));
        rest = behind;
        hasher.update(piece);
        if resumes >> (number % 32) & 1 == 1
            && let Some(state) = hasher.state()
        {
            hasher = Hasher::from_state(algorithm, &state).unwrap();
        }
    }
    hasher.update(rest);
    hasher.finish()
}

fn flip(content: &[u8], bit: usize) -> Option<Vec<u8>> {
    let mut damaged = content.to_vec();
    let index = (bit / 8).checked_rem(content.len())?;
    damaged[index] ^= 1 << (bit % 8);
    Some(damaged)
}

/// The repository is new each time: what another one holds under the digest does not count.
fn upload(content: &[u8], damaged: &[u8], digest: &Digest) {
    World::with(|world| {
        let repository = format!("digests/{}", digest.hex());
        let (push, blob) = (
            format!("/v2/{repository}/blobs/uploads/?digest={digest}"),
            format!("/v2/{repository}/blobs/{digest}"),
        );
        let is_known = world.send("HEAD", &blob, &[], b"").status == 200;
        world.send("POST", &push, &[], damaged).expect(400);
        if !is_known {
            world.send("GET", &blob, &[], b"").expect(404);
        }
        world.send("POST", &push, &[], content).expect(201);
        assert_eq!(world.send("GET", &blob, &[], b"").expect(200).body, content);
    });
}
