//! The rules of each document type: which transitions are valid.
