//! Query strings.

use std::str::FromStr;

use percent_encoding::percent_decode_str;

use super::error::Error;

/// The parameters of a request. Unknown ones are ignored everywhere.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string. A `+` stays one: media types have them, and nothing that is asked for here has spaces.
    pub(super) fn parse(text: &str) -> Self {
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(key, value)| (decode(key), decode(value)))
                .collect(),
        )
    }

    /// Reads a form, in which a `+` is a space (`application/x-www-form-urlencoded`).
    pub(super) fn parse_form(text: &str) -> Self {
        Self::parse(&text.replace('+', "%20"))
    }

    /// The first value of a parameter.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter.
    pub(super) fn get_all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// The first value of a parameter, read as what it has to be.
    pub(super) fn parsed<T: FromStr>(&self, key: &str) -> Result<Option<T>, T::Err> {
        self.get(key).map(str::parse).transpose()
    }

    /// `n`, the size of a page. One that is too large to count is as good as the largest.
    pub(super) fn page_size(&self) -> Result<Option<usize>, Error> {
        match self.get("n") {
            None => Ok(None),
            Some(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Some(text.parse().unwrap_or(usize::MAX)))
            }
            Some(text) => Err(Error::PageSize { asked: text.to_owned(), max: None }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_a_plus_stays_one() {
        let query = Query::parse("from=a%2Fb&artifactType=application/x+json&mount&tag=1&tag=2&&ns=");
        assert_eq!(query.get("from"), Some("a/b"));
        assert_eq!(query.get("artifactType"), Some("application/x+json"));
        assert_eq!(query.get("mount"), Some(""));
        assert_eq!(query.get_all("tag").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(query.get("n"), None);
    }

    #[test]
    fn in_a_form_a_plus_is_a_space() {
        let form = Query::parse_form("scope=repository%3Aa%3Apull+repository:b:pull&password=1%2B1");
        assert_eq!(form.get("scope"), Some("repository:a:pull repository:b:pull"));
        assert_eq!(form.get("password"), Some("1+1"));
    }

    #[test]
    fn a_page_size_is_a_number() {
        assert!(matches!(Query::parse("n=-1").page_size(), Err(Error::PageSize { .. })));
        assert!(matches!(Query::parse("n=ten").page_size(), Err(Error::PageSize { .. })));
        assert_eq!(Query::parse("n=99999999999999999999999").page_size().ok(), Some(Some(usize::MAX)));
        assert_eq!(Query::parse("n=0").page_size().ok(), Some(Some(0)));
    }
}
