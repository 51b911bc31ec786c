//! The price book in force, which a newer one may replace while calls are made.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::PriceBook;

#[derive(Debug)]
pub struct Prices(ArcSwap<PriceBook>);

impl Prices {
    pub fn new(book: PriceBook) -> Prices {
        Prices(ArcSwap::from_pointee(book))
    }

    /// The book that holds now; to be asked again for each call.
    pub fn current(&self) -> Guard<Arc<PriceBook>> {
        self.0.load()
    }

    pub fn replace(&self, book: PriceBook) {
        self.0.store(Arc::new(book));
    }
}
