//! `[page]` in the configuration: at which hosts the live page is served, and for whom.

use std::net::SocketAddr;

use mailtrail::page::{Page, Role, User};
use serde::Deserialize;

use crate::failure::Failure;
use crate::secret::SecretText;

/// Who sees the live page, and where.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PageConfig {
    /// Names and addresses of this server, besides those that mean this computer.
    hosts: Vec<String>,
    pub(crate) user: Vec<PageUser>,
}

/// Somebody who may log in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageUser {
    name: String,
    #[serde(default)]
    role: PageRole,
    secret: SecretText,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PageRole {
    #[default]
    ReadOnly,
    Admin,
}

impl PageConfig {
    /// Whether anybody could log in: a user, or who sees what this process prints.
    pub(crate) fn is_served(&self, listen: SocketAddr) -> bool {
        !self.user.is_empty() || listen.ip().is_loopback()
    }

    /// Reads the secrets, and lets their users in.
    pub(crate) fn set_up(&self, mut page: Page) -> Result<Page, Failure> {
        for host in &self.hosts {
            page = page.host(host);
        }
        for user in &self.user {
            page = page.user(user.read()?);
        }
        Ok(page)
    }

    /// Says whether the page can be set up, and how many may log in.
    pub(crate) fn users(&self) -> Result<usize, Failure> {
        let users = self.user.iter().map(PageUser::read);
        Ok(users.collect::<Result<Vec<_>, _>>()?.len())
    }
}

impl PageUser {
    fn read(&self) -> Result<User, Failure> {
        let role = match self.role {
            PageRole::ReadOnly => Role::ReadOnly,
            PageRole::Admin => Role::Admin,
        };
        User::new(&self.name, role, &self.secret.read()?).map_err(Failure::data)
    }
}
