//! The claims of a token, none of which may stand there twice.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{DeserializeOwned, Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::error::{Excerpt, TokenError};

/// How far the clocks of those who issue tokens and ours may differ.
pub(super) const SKEW: Duration = Duration::from_secs(60);

/// The claims as they stand in the token.
#[derive(Debug)]
pub(super) struct Claims(pub(super) Map<String, Value>);

/// When a token may be used.
#[derive(Debug)]
pub(super) struct Validity {
    pub(super) expires: SystemTime,
    /// Whether it no longer may, the difference of the clocks allowed for.
    pub(super) expired: bool,
    pub(super) issued_at: Option<SystemTime>,
}

impl Claims {
    pub(super) fn parse(json: &[u8]) -> Result<Self, TokenError> {
        serde_json::from_slice(json)
            .map_err(|_| TokenError::Malformed("its claims are no JSON object that has each of them once"))
    }

    /// A text, if it is there.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// A claim of any type; its default if it is not there, or null.
    pub(super) fn get<T: DeserializeOwned + Default>(
        &self,
        name: &str,
        wrong: &'static str,
    ) -> Result<T, TokenError> {
        let value = self.0.get(name).filter(|value| !value.is_null());
        let value = value.map_or_else(|| Ok(T::default()), T::deserialize);
        value.map_err(|_| TokenError::Malformed(wrong))
    }

    /// That the token is for this audience: `aud` is a text or a list of texts.
    pub(super) fn check_audience(&self, audience: &str) -> Result<(), TokenError> {
        let named = match self.0.get("aud") {
            Some(Value::String(one)) => vec![one.as_str()],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if named.contains(&audience) {
            return Ok(());
        }
        Err(TokenError::Audience(Excerpt::of(&named.join(", "))))
    }

    /// When the token may be used: `exp` must be there, `nbf` and `iat` may not lie ahead.
    pub(super) fn validity(&self, now: SystemTime) -> Result<Validity, TokenError> {
        let expires =
            self.time("exp")?.ok_or(TokenError::Malformed("it does not say when it expires (exp)"))?;
        let (not_before, issued_at) = (self.time("nbf")?, self.time("iat")?);
        let lies_ahead = |time: SystemTime| time.duration_since(now).is_ok_and(|ahead| ahead > SKEW);
        if [not_before, issued_at].into_iter().flatten().any(lies_ahead) {
            return Err(TokenError::NotYetValid);
        }
        let expired = now.duration_since(expires).is_ok_and(|past| past > SKEW);
        Ok(Validity { expires, expired, issued_at })
    }

    /// A time in seconds since 1970, perhaps with a fraction, which is cut off.
    fn time(&self, name: &str) -> Result<Option<SystemTime>, TokenError> {
        /// The year 9999 ends here.
        const LATEST: f64 = 253_402_300_799.0;
        let Some(value) = self.0.get(name) else {
            return Ok(None);
        };
        let wrong = TokenError::Malformed("one of its times is no number of seconds");
        match value.as_f64() {
            Some(seconds) if (0.0..=LATEST).contains(&seconds) => {
                Ok(Some(UNIX_EPOCH + Duration::from_secs_f64(seconds.trunc())))
            }
            _ => Err(wrong),
        }
    }
}

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Once).map(Self)
    }
}

/// Reads an object of which each key stands there once.
struct Once;

impl<'de> Visitor<'de> for Once {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut map = Map::new();
        while let Some((key, value)) = access.next_entry()? {
            if map.insert(key, value).is_some() {
                return Err(A::Error::custom("a claim stands there twice"));
            }
        }
        Ok(map)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    const NOON: u64 = 1_800_000_000;

    fn claims(json: &str) -> Claims {
        Claims::parse(json.as_bytes()).unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_claim_that_stands_there_twice_is_refused() {
        for json in
            [r#"{"sub":"a","sub":"b"}"#, r#"{"x":1,"x":1}"#, "[]", "null", "1", "{", "", "{}x", "\u{feff}{}"]
        {
            assert!(Claims::parse(json.as_bytes()).is_err(), "{json}");
        }
        assert!(Claims::parse(b"{\"sub\":\"\xff\"}").is_err());
    }

    #[test]
    fn clocks_may_differ_by_a_minute() {
        for (exp, now, expired) in
            [(NOON, NOON + 60, false), (NOON, NOON + 61, true), (NOON, NOON - 1, false)]
        {
            let validity = claims(&format!(r#"{{"exp":{exp}}}"#)).validity(at(now)).unwrap();
            assert_eq!((validity.expired, validity.expires), (expired, at(exp)));
        }
        for name in ["nbf", "iat"] {
            let claims = claims(&format!(r#"{{"exp":{},"{name}":{NOON}}}"#, NOON + 900));
            assert!(claims.validity(at(NOON - 60)).is_ok());
            assert!(matches!(claims.validity(at(NOON - 61)), Err(TokenError::NotYetValid)));
        }
    }

    #[test]
    fn times_are_numbers_and_may_have_fractions() {
        let validity = claims(r#"{"exp":1800000000.75,"iat":1.8e9}"#).validity(at(NOON)).unwrap();
        assert_eq!((validity.expires, validity.issued_at), (at(NOON), Some(at(NOON))));
        for exp in ["\"1800000000\"", "-1", "1e300", "null", "true", "99999999999999"] {
            assert!(claims(&format!(r#"{{"exp":{exp}}}"#)).validity(at(NOON)).is_err(), "{exp}");
        }
        assert!(claims("{}").validity(at(NOON)).is_err(), "a token without an end");
    }

    #[test]
    fn an_audience_is_a_text_or_one_of_a_list() {
        for aud in [r#""here""#, r#"["here"]"#, r#"["there","here",1]"#] {
            assert!(claims(&format!(r#"{{"aud":{aud}}}"#)).check_audience("here").is_ok(), "{aud}");
        }
        for aud in [r#""there""#, r#""here ""#, r#"["there"]"#, "[]", "null", "{}", r#"[["here"]]"#] {
            assert!(claims(&format!(r#"{{"aud":{aud}}}"#)).check_audience("here").is_err(), "{aud}");
        }
        assert!(claims("{}").check_audience("").is_err());
    }
}
