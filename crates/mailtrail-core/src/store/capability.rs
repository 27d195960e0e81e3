//! What a store promises.

/// What an acknowledgement is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// Gone with the process.
    Volatile,
    /// Survives kill −9 and power loss.
    PowerLoss,
}

/// The bounds of one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Limits {
    /// Events in a batch.
    pub batch_events: usize,
    /// Bytes of payload in a batch.
    pub batch_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { batch_events: 10_000, batch_bytes: 64 << 20 }
    }
}

/// What a store can do. What it can't it refuses with `Unsupported`, never with something weaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Capabilities {
    /// What an acknowledgement is worth.
    pub durability: Durability,
    /// Whether `redact` works.
    pub redacts: bool,
    /// Whether `import` works.
    pub imports: bool,
    /// The bounds of one batch.
    pub limits: Limits,
}

impl Capabilities {
    /// The least that a store can do.
    pub fn new(durability: Durability) -> Self {
        Self { durability, redacts: false, imports: false, limits: Limits::default() }
    }

    /// With `redact`.
    pub fn redacts(mut self) -> Self {
        self.redacts = true;
        self
    }

    /// With `import`.
    pub fn imports(mut self) -> Self {
        self.imports = true;
        self
    }
}
