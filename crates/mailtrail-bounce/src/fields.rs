//! Header-like fields (RFC 5322 §2.2), folded or not, with any line ends.

/// The fields of one block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The first value of a field, by its name in lower case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The value of a field behind its type, as in `dns; mx.example` (RFC 3464 §2.1.2).
    pub(crate) fn typed(&self, name: &str) -> Option<&str> {
        let value = self.get(name)?;
        let value = value.split_once(';').map_or(value, |(_, rest)| rest).trim();
        (!value.is_empty()).then_some(value)
    }

    /// Fields whose names are in lower case.
    pub(crate) fn from_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// The header of a parsed mail.
    pub(crate) fn of_header(message: &mail_parser::Message<'_>) -> Self {
        let unfolded = |value: &str| lines(value).map(str::trim).collect::<Vec<_>>().join(" ");
        let fields = message.headers_raw().map(|(name, value)| {
            (name.trim().to_ascii_lowercase(), unfolded(value).trim().to_owned())
        });
        Self(fields.collect())
    }

    /// All values of a field.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// All values.
    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(_, value)| value.as_str())
    }

    /// The same fields, with a new block wherever one of these names comes again.
    pub(crate) fn split_at_repeated(self, names: &[&str]) -> Vec<Self> {
        let mut blocks = vec![Self::default()];
        for (name, value) in self.0 {
            let repeats = |block: &Self| block.0.iter().any(|(own, _)| *own == name);
            if names.contains(&name.as_str()) && blocks.last().is_some_and(repeats) {
                blocks.push(Self::default());
            }
            if let Some(block) = blocks.last_mut() {
                block.0.push((name, value));
            }
        }
        blocks
    }

    /// Whether it is the header of a mail.
    pub(crate) fn is_mail_header(&self) -> bool {
        let marks =
            ["received", "return-path", "message-id", "dkim-signature", "from", "to", "date"];
        marks.iter().filter(|name| self.get(name).is_some()).count() >= 2
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The blocks of fields of a text: separated by empty lines.
pub(crate) fn blocks(text: &str) -> Vec<Fields> {
    let mut blocks = Vec::new();
    let mut block = Fields::default();
    for line in lines(text) {
        if line.trim().is_empty() {
            blocks.extend(Some(std::mem::take(&mut block)).filter(|block| !block.is_empty()));
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = block.0.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            block.0.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    blocks.extend(Some(block).filter(|block| !block.is_empty()));
    blocks
}

/// Lines, whether they end in CR LF, LF or CR.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}
