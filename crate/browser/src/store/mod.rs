//! The node's store on IndexedDB: one row and a few packs per document, and before them a journal, where what is written to a
//! known document, and many new ones, are one record. It is settled a second later, or when it is long.
//!
//! What can be wrong: another page of the origin, an extension or a failing disk may have changed what is stored. Rows and
//! packs are read with bounds (`row.rs`, `pack.rs`, `journal.rs`), every block is hashed when it leaves its pack, and what does not
//! agree is a `store-corrupt` that names it. A database that was deleted is `store-gone` at the next call, never a
//! new empty one behind the node's back.

#[cfg(target_arch = "wasm32")]
mod database;
pub mod finder;
#[cfg(target_arch = "wasm32")]
mod fresh;
#[cfg(target_arch = "wasm32")]
mod indexed_db;
pub mod journal;
pub mod pack;
#[cfg(target_arch = "wasm32")]
mod pending;
#[cfg(target_arch = "wasm32")]
mod place;
#[cfg(target_arch = "wasm32")]
mod probe;
pub mod row;
#[cfg(target_arch = "wasm32")]
mod settle;

#[cfg(target_arch = "wasm32")]
pub use indexed_db::IndexedDb;
