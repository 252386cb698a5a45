//! Code that several commands share: arguments, printing, exit statuses.

pub(super) mod evaluation;
pub(super) mod exit;
pub(super) mod format;
pub(super) mod images;
pub(super) mod numbers;
pub(super) mod output;
pub(super) mod picture;
pub(super) mod prepared;
pub(super) mod print;
pub(super) mod progress;
pub(super) mod report;
pub(super) mod schedulers;
pub(super) mod signals;
pub(super) mod spec;

pub(super) mod terminal;
pub(super) mod trial;
