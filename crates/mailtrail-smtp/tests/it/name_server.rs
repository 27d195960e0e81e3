//! A name server in this process that says what a test wants.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{HeaderCounts, Metadata, ResponseCode};
use hickory_server::proto::rr::rdata::{A, AAAA, MX};
use hickory_server::proto::rr::{Name, RData, Record, RecordType};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use tokio::net::{TcpListener, UdpSocket};

/// What it says about a name.
#[derive(Debug, Clone, Default)]
pub(crate) enum Says {
    /// These records, and that there are no others.
    Records(Vec<RData>),
    /// That it can't tell.
    #[default]
    ServFail,
    /// Nothing.
    Silence,
}

/// Names that exist; all others don't.
#[derive(Debug, Clone, Default)]
pub(crate) struct Zone(BTreeMap<String, Says>);

impl Zone {
    pub(crate) fn mx(self, name: &str, preference: u16, host: &str) -> Self {
        let host = Name::from_str(host).unwrap();
        self.record(name, RData::MX(MX::new(preference, host)))
    }

    pub(crate) fn address(self, name: &str, address: &str) -> Self {
        let record = match address.parse().unwrap() {
            IpAddr::V4(address) => RData::A(A(address)),
            IpAddr::V6(address) => RData::AAAA(AAAA(address)),
        };
        self.record(name, record)
    }

    pub(crate) fn says(mut self, name: &str, says: Says) -> Self {
        self.0.insert(name.to_owned(), says);
        self
    }

    fn record(mut self, name: &str, record: RData) -> Self {
        let says = self.0.entry(name.to_owned()).or_insert_with(|| Says::Records(Vec::new()));
        match says {
            Says::Records(records) => records.push(record),
            Says::ServFail | Says::Silence => panic!("{name} has records and none"),
        }
        self
    }
}

pub(crate) struct NameServer {
    pub(crate) addr: SocketAddr,
    _server: Server<Zone>,
}

impl NameServer {
    pub(crate) async fn start(zone: Zone) -> Self {
        let udp = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = udp.local_addr().unwrap();
        let tcp = TcpListener::bind(addr).await.unwrap();
        let mut server = Server::new(zone);
        server.register_socket(udp);
        server.register_listener(tcp, Duration::from_secs(5), 4_096);
        Self { addr, _server: server }
    }
}

#[async_trait]
impl RequestHandler for Zone {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut answers: R,
    ) -> ResponseInfo {
        let query = request.request_info().unwrap().query;
        let name = Name::from(query.name()).to_ascii().trim_end_matches('.').to_ascii_lowercase();
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.authoritative = true;
        let records = match self.0.get(&name) {
            None => {
                metadata.response_code = ResponseCode::NXDomain;
                Vec::new()
            }
            Some(Says::ServFail) => {
                metadata.response_code = ResponseCode::ServFail;
                Vec::new()
            }
            Some(Says::Silence) => {
                return ResponseInfo::from(hickory_server::proto::op::Header {
                    metadata,
                    counts: HeaderCounts::default(),
                });
            }
            Some(Says::Records(records)) => of_type(&name, records, query.query_type()),
        };
        let response = MessageResponseBuilder::from_message_request(request).build(
            metadata,
            &records,
            [],
            [],
            [],
        );
        answers.send_response(response).await.unwrap()
    }
}

fn of_type(name: &str, records: &[RData], asked: RecordType) -> Vec<Record> {
    let name = Name::from_str(&format!("{name}.")).unwrap();
    let fits = records.iter().filter(|record| record.record_type() == asked);
    fits.map(|record| Record::from_rdata(name.clone(), 60, record.clone())).collect()
}
