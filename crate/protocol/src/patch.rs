//! The lenient JSON Patch dialect in which data events are written.
