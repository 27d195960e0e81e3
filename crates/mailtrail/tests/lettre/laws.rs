//! Whatever becomes of each copy, the trail has each recipient once, and says what the server said.

use std::collections::BTreeMap;
use std::sync::Arc;

use lettre::Tokio1Executor;
use lettre::transport::smtp::AsyncSmtpTransport;
use mailtrail::core::Position;
use mailtrail::core::Status;
use mailtrail::core::id::Category;
use mailtrail::core::store::{EventStore, Filter};
use mailtrail::lettre::{OnStoreFailure, TrackedError};
use mailtrail::smtp::sink::{Script, Sink};
use proptest::prelude::*;

use super::world::{Leaving, Sends, evidence, message, tracked};

#[derive(Debug, Clone, Copy)]
enum Says {
    Accept,
    Greylist,
    NoSuchUser,
    Full,
    Broken,
    HangUp,
}

impl Says {
    fn script(self) -> Script {
        match self {
            Self::Accept => Ok(Script::accept()),
            Self::Greylist => Script::refuse("450 4.7.1 greylisted, try again later"),
            Self::NoSuchUser => Script::refuse("550 5.1.1 no such user here"),
            Self::Full => Script::refuse_message("552 5.2.2 mailbox full"),
            Self::Broken => Script::refuse_message("451 4.3.0 try again later"),
            Self::HangUp => Ok(Script::hang_up()),
        }
        .unwrap()
    }

    fn status(self, retries: bool) -> Status {
        match self {
            Self::Accept => Status::Sent,
            Self::Greylist | Self::Broken if retries => Status::SoftBounced,
            Self::Greylist | Self::Broken | Self::Full => Status::Bounced,
            Self::NoSuchUser => Status::Failed,
            Self::HangUp => Status::Unsent,
        }
    }
}

fn says() -> impl Strategy<Value = Says> {
    use Says::{Accept, Broken, Full, Greylist, HangUp, NoSuchUser};
    prop::sample::select(vec![Accept, Greylist, NoSuchUser, Full, Broken, HangUp])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn each_recipient_is_one_delivery_and_says_what_the_server_said(
        all in prop::collection::vec(says(), 1..6),
        retries: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(&all, retries))?;
    }
}

async fn check(all: &[Says], retries: bool) -> Result<(), TestCaseError> {
    let addresses: Vec<_> = (0..all.len()).map(|index| format!("r{index}@a.example")).collect();
    let scripts = addresses.iter().zip(all);
    let sink = scripts
        .fold(Sink::builder(), |sink, (address, says)| sink.on(address, says.script()))
        .start()
        .await
        .unwrap();
    let store = Arc::new(Leaving::default());
    let smtp = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
        .port(sink.addr().port())
        .build();
    let mailer = tracked(&store, smtp, OnStoreFailure::Refuse).retries(retries);

    let to: Vec<_> = addresses.iter().map(String::as_str).collect();
    let result = mailer.send(message(&to)).await;

    let given = mailer.inner().given();
    prop_assert_eq!(given.len(), all.len());
    for copy in &given {
        prop_assert_eq!(copy.envelope.to().len(), 1);
        prop_assert_eq!(&copy.known, &["queued", "attempted"], "durable before the send");
        prop_assert!(!copy.message.contains("Mailtrail-"));
        prop_assert!(copy.message.contains("X-MT-Delivery: "));
    }
    let queued = Filter::all().category(Category::DELIVERY).event_type("queued");
    let rows = store.read_all(&queued, Position::START, 100).await.unwrap().events;
    let distinct: BTreeMap<_, _> = rows.iter().map(|row| (row.stream, row)).collect();
    prop_assert_eq!((rows.len(), distinct.len()), (all.len(), all.len()));

    for (address, says) in addresses.iter().zip(all) {
        let evidence = evidence(&store, address).await;
        prop_assert_eq!(evidence.status(), says.status(retries), "{}", address);
        let in_doubt = evidence.in_doubt().count();
        prop_assert_eq!(in_doubt, usize::from(matches!(says, Says::HangUp)), "{}", address);
    }
    let accepted = all.iter().filter(|says| matches!(says, Says::Accept)).count();
    match result {
        Ok(response) => {
            prop_assert!(response.is_positive());
            prop_assert_eq!(accepted, all.len());
        }
        Err(TrackedError::Transport(_)) => prop_assert_eq!((all.len(), accepted), (1, 0)),
        Err(TrackedError::Several { failed, reached }) => {
            prop_assert_eq!((failed.len(), reached.len()), (all.len() - accepted, accepted));
        }
        Err(other) => return Err(TestCaseError::fail(format!("{other:?}"))),
    }
    sink.stop().await;
    Ok(())
}
