//! An Exim of our own, in a cage. `MAILTRAIL_EXIM` names the folder of its unpacked package.

use std::net::SocketAddr;

use super::cage::{Cage, free_addr};
use super::postfix::NotStarted;
use super::relay::RelayConfig;

pub(crate) struct Exim {
    cage: Cage,
    smtp_addr: SocketAddr,
}

impl Exim {
    pub(crate) fn start(config: &RelayConfig) -> Result<Self, NotStarted> {
        let mut cage = Cage::of("MAILTRAIL_EXIM")?;
        let smtp_addr = free_addr()?;
        for folder in ["var/spool/exim4", "var/log/exim4"] {
            cage.folder(folder, 0o750, USER)?;
        }
        let routes = config.routes.iter().map(|(domain, to)| {
            let (ip, port) = (to.ip(), to.port());
            format!("{domain}: {ip}::{port}\n")
        });
        cage.write("etc/exim4/routes", &routes.collect::<String>())?;
        cage.write("etc/exim4/exim4.conf", &conf(config, smtp_addr))?;
        // A queue run each second.
        cage.start(&["/usr/sbin/exim4", "-bdf", "-q1s"], smtp_addr)?;
        Ok(Self { cage, smtp_addr })
    }

    pub(crate) fn smtp_addr(&self) -> SocketAddr {
        self.smtp_addr
    }

    pub(crate) fn log(&self) -> String {
        self.cage.log(Some("var/log/exim4/mainlog"))
    }
}

/// One recipient a connection; no DNS, no TLS. It drops root before it delivers: so its program needs
/// no setuid bit.
fn conf(config: &RelayConfig, smtp_addr: SocketAddr) -> String {
    let (lifetime, warns) = (config.lifetime.as_secs(), config.warns_after.as_secs());
    let (bounces, lmtp) = (&config.return_path_domain, config.lmtp);
    let (lmtp_ip, lmtp_port) = (lmtp.ip(), lmtp.port());
    let (ip, port) = (smtp_addr.ip(), smtp_addr.port());
    format!(
        "primary_hostname = mail.relay.example
qualify_domain = relay.example
exim_user = {USER}
exim_group = {USER}
exim_path = /usr/sbin/exim4
deliver_drop_privilege = true
never_users =
keep_environment =
log_file_path = /var/log/exim4/%slog
message_logs = false
local_interfaces = {ip}
daemon_smtp_ports = {port}
acl_smtp_rcpt = accept
acl_smtp_data = accept
dsn_advertise_hosts = *
tls_advertise_hosts =
host_lookup =
smtp_accept_max = 100
smtp_accept_queue_per_connection = 0
queue_run_max = 10
delay_warning = {warns}s:1h
begin routers
bounces:
  driver = manualroute
  domains = {bounces}
  route_list = * {lmtp_ip}
  self = send
  transport = lmtp
others:
  driver = manualroute
  route_data = ${{lookup{{$domain}}lsearch{{/etc/exim4/routes}}}}
  self = send
  transport = smtp
begin transports
lmtp:
  driver = smtp
  protocol = lmtp
  port = {lmtp_port}
  allow_localhost
  hosts_try_fastopen =
smtp:
  driver = smtp
  port = 25
  allow_localhost
  hosts_avoid_tls = *
  hosts_try_fastopen =
  max_rcpt = 1
  connection_max_messages = 1
  connect_timeout = 5s
begin retry
* * F,{lifetime}s,1s
"
    )
}

const USER: &str = "Debian-exim";
