//! The price book.

use std::time::SystemTime;

use super::{Usage, Usd};

/// One effective-dated price.
#[derive(Clone, Debug)]
pub struct Price;

/// Prices and retirement dates by model.
#[derive(Clone, Debug)]
pub struct PriceBook;

#[derive(Clone, Debug)]
pub struct Catalogue;

#[derive(Debug, thiserror::Error)]
#[error("")]
pub struct Error;
