//! References between schemas: RFC 3986 resolution, as far as identifiers of schemas need it.

/// The five parts of a reference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    scheme: Option<String>,
    authority: Option<String>,
    path: String,
    query: Option<String>,
    pub fragment: Option<String>,
}

impl Parts {
    pub fn parse(text: &str) -> Self {
        let (rest, fragment) = cut(text, '#');
        let (rest, query) = cut(rest, '?');
        let (scheme, rest) = match rest.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme.to_ascii_lowercase()), rest),
            _ => (None, rest),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            None => (None, rest),
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                (Some(authority.to_ascii_lowercase()), path)
            }
        };
        Self {
            scheme,
            authority,
            path: path.to_owned(),
            query: query.map(str::to_owned),
            fragment: fragment.map(str::to_owned),
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        if let Some(scheme) = &self.scheme {
            text.push_str(scheme);
            text.push(':');
        }
        if let Some(authority) = &self.authority {
            text.push_str("//");
            text.push_str(authority);
        }
        text.push_str(&self.path);
        if let Some(query) = &self.query {
            text.push('?');
            text.push_str(query);
        }
        if let Some(fragment) = &self.fragment {
            text.push('#');
            text.push_str(fragment);
        }
        text
    }

    /// The document that is meant, without the place in it; ends in `#`.
    pub fn document(&self) -> String {
        let mut parts = self.clone();
        parts.fragment = None;
        parts.path = without_dots(&parts.path);
        if matches!(parts.scheme.as_deref(), Some("http" | "https")) && parts.path.is_empty() {
            parts.path.push('/');
        }
        let mut text = parts.text();
        text.push('#');
        text
    }
}

/// An id without an empty fragment.
pub(super) fn normal(id: &str) -> &str {
    id.strip_suffix("#/")
        .or_else(|| id.strip_suffix('#'))
        .unwrap_or(id)
}

/// The document part of an id; ends in `#`.
pub(super) fn document(id: &str) -> String {
    Parts::parse(normal(id)).document()
}

/// What `reference` means where `base` is the identifier (RFC 3986 §5.2).
pub(super) fn resolve(base: &str, reference: &str) -> String {
    let base = Parts::parse(base);
    let mut parts = Parts::parse(normal(reference));
    if parts.scheme.is_some() {
        parts.path = without_dots(&parts.path);
        return parts.text();
    }
    parts.scheme = base.scheme;
    if parts.authority.is_some() {
        parts.path = without_dots(&parts.path);
        return parts.text();
    }
    if parts.path.is_empty() {
        parts.path = base.path;
        parts.query = parts.query.or(base.query);
    } else if parts.path.starts_with('/') {
        parts.path = without_dots(&parts.path);
    } else {
        let folder = base.path.rsplit_once('/').map(|(folder, _)| folder);
        parts.path = match folder {
            Some(folder) => without_dots(&format!("{folder}/{}", parts.path)),
            None if base.authority.is_some() => without_dots(&format!("/{}", parts.path)),
            None => without_dots(&parts.path),
        };
    }
    parts.authority = base.authority;
    parts.text()
}

/// The steps of a JSON pointer in a fragment; none if it is no pointer.
pub(super) fn pointer(fragment: &str) -> Option<Vec<String>> {
    let steps = fragment.strip_prefix('/')?.split('/');
    steps
        .map(|step| Some(percent_decode(step)?.replace("~1", "/").replace("~0", "~")))
        .collect()
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (hex, tail) = rest.split_at_checked(2)?;
        bytes.push(
            data_encoding::HEXLOWER_PERMISSIVE
                .decode(hex)
                .ok()?
                .first()
                .copied()?,
        );
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

fn cut(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((head, tail)) => (head, Some(tail)),
        None => (text, None),
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// The path without `.` and `..` (RFC 3986 §5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let absolute = path.starts_with('/');
    let steps: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
    let last = steps.len().saturating_sub(1);
    for (index, step) in steps.into_iter().enumerate() {
        match step {
            "." | ".." => {
                if step == ".." {
                    kept.pop();
                }
                if index == last {
                    kept.push("");
                }
            }
            step => kept.push(step),
        }
    }
    let path = kept.join("/");
    if absolute { format!("/{path}") } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_resolve_as_rfc_3986_section_5_4_lists_them() {
        for (reference, expected) in [
            ("g:h", "g:h"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q#s"),
            ("g#s", "http://a/b/c/g#s"),
            (";x", "http://a/b/c/;x"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("g..", "http://a/b/c/g.."),
            ("./g/.", "http://a/b/c/g/"),
            ("g/../h", "http://a/b/c/h"),
        ] {
            assert_eq!(
                resolve("http://a/b/c/d;p?q", reference),
                expected,
                "{reference}"
            );
        }
    }

    #[test]
    fn a_pointer_is_unescaped() {
        assert_eq!(pointer("/a~1b/c~0d/e%25f").unwrap(), ["a/b", "c~d", "e%f"]);
        assert_eq!(pointer("name"), None);
        assert_eq!(pointer("/%zz"), None);
    }
}
