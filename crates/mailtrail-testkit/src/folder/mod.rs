//! What a store in a folder promises beside [`conformance!`](crate::conformance!): one owner, erasure, restoring, bad days.
//!
//! ```no_run
//! mod tests {
//!     use std::path::Path;
//!     use std::sync::Arc;
//!     use mailtrail_core::Namespace;
//!     use mailtrail_core::clock::Clock;
//!     use mailtrail_core::store::OpenError;
//!     use mailtrail_core::store::writer::{Restore, RestoreError};
//!     // A store of yours: this one keeps nothing in its folder.
//!     use mailtrail_memory::MemoryStore as MyStore;
//!     use mailtrail_testkit::folder::Folder;
//!
//!     struct MyFolder;
//!
//!     impl Folder for MyFolder {
//!         type Store = MyStore;
//!
//!         fn open(_: &Path) -> Result<MyStore, OpenError> {
//!             Ok(MyStore::new())
//!         }
//!
//!         fn open_by(_: Arc<dyn Clock>, _: &Path) -> Result<MyStore, OpenError> {
//!             Ok(MyStore::new())
//!         }
//!
//!         fn restore(_: &Path, _: Namespace) -> Result<Restore, RestoreError> {
//!             Err(RestoreError::AnotherNamespace)
//!         }
//!     }
//!
//!     mailtrail_testkit::conformance!(my_store, MyStore::new, open = MyFolder::open);
//!     mailtrail_testkit::folder!(in_a_folder, MyFolder, parent = my_store::parent());
//! }
//! # fn main() {}
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::print_stdout,
    reason = "tests, of which each fails by its name"
)]

mod bad_days;
mod full_disk;
mod redact;
mod reopen;
mod restore;

use std::path::Path;
use std::sync::Arc;

use mailtrail_core::clock::Clock;
use mailtrail_core::store::OpenError;
use mailtrail_core::store::writer::{Restore, RestoreError};
use mailtrail_core::{EventStore, Namespace};

pub use bad_days::{
    a_clock_set_back_an_hour_moves_no_record_back,
    a_folder_made_read_only_is_unavailable_and_loses_nothing, an_event_of_16_mebibytes_is_an_event,
    many_streams,
};
pub use full_disk::{a_full_disk_loses_nothing_that_was_acknowledged, what_a_full_disk_holds};
pub use redact::{
    an_erased_text_is_in_no_file_and_the_chain_still_holds, an_id_that_is_not_stored_erases_nothing,
};
pub use reopen::{
    a_folder_of_something_else_is_left_alone, a_store_that_is_open_is_not_opened_twice,
    what_was_stored_is_there_after_reopening_and_ids_are_still_known,
};
pub use restore::{
    a_restore_that_was_cut_off_goes_on_and_gives_the_same_store,
    what_does_not_follow_is_not_restored,
};

/// How a store is opened that lives in a folder. Its tests implement it for a type of their own.
pub trait Folder {
    /// The store.
    type Store: EventStore;

    /// Opens the store in a folder, which is made if it isn't there.
    ///
    /// # Errors
    /// As the store says.
    fn open(path: &Path) -> Result<Self::Store, OpenError>;

    /// The same, with a clock of the caller's.
    ///
    /// # Errors
    /// As the store says.
    fn open_by(clock: Arc<dyn Clock>, path: &Path) -> Result<Self::Store, OpenError>;

    /// Begins a store of this namespace that takes the records of another, or goes on with one.
    ///
    /// # Errors
    /// As the store says.
    fn restore(path: &Path, namespace: Namespace) -> Result<Restore, RestoreError>;
}

/// Each promise of a store in a folder as a test of its own: see [`folder`](mod@crate::folder).
#[macro_export]
macro_rules! folder {
    ($name:ident, $folder:ty, parent = $parent:expr $(,)?) => {
        mod $name {
            #[expect(unused_imports, reason = "the folder may use what stands around it")]
            use super::*;

            $crate::folder!(@plain $folder:
                what_was_stored_is_there_after_reopening_and_ids_are_still_known
                a_store_that_is_open_is_not_opened_twice
                a_folder_of_something_else_is_left_alone
                an_erased_text_is_in_no_file_and_the_chain_still_holds
                an_id_that_is_not_stored_erases_nothing
                a_restore_that_was_cut_off_goes_on_and_gives_the_same_store
                what_does_not_follow_is_not_restored
                a_clock_set_back_an_hour_moves_no_record_back
                an_event_of_16_mebibytes_is_an_event
            );

            #[test]
            fn many_streams_soak() {
                $crate::folder::many_streams::<$folder>();
            }

            #[test]
            fn a_folder_made_read_only_is_unavailable_and_loses_nothing() {
                let test = concat!(
                    module_path!(), "::a_folder_made_read_only_is_unavailable_and_loses_nothing"
                );
                $crate::folder::a_folder_made_read_only_is_unavailable_and_loses_nothing::<$folder>(
                    test,
                );
            }

            #[test]
            fn a_full_disk_loses_nothing_that_was_acknowledged() {
                let test =
                    concat!(module_path!(), "::a_full_disk_loses_nothing_that_was_acknowledged");
                $crate::folder::a_full_disk_loses_nothing_that_was_acknowledged::<$folder>(
                    &$parent, test,
                );
            }
        }
    };
    (@plain $folder:ty: $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                $crate::folder::$case::<$folder>();
            }
        )*
    };
}
