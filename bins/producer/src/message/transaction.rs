//! One transaction, as drawn for a message's index; `streams` writes it the way each topic has it.

use super::Plan;
use super::people::{self, BLACKLISTED, Place, Product, User};
use super::random::{Random, unique};

pub(crate) struct Transaction {
    pub(crate) id: u64,
    /// Event time, microseconds since 1970.
    pub(crate) at: i64,
    pub(crate) user: User,
    pub(crate) product: Product,
    pub(crate) place: &'static Place,
    pub(crate) kind: &'static str,
    pub(crate) status: &'static str,
    pub(crate) payment_method: &'static str,
    /// Money between accounts has none.
    pub(crate) quantity: Option<u8>,
    pub(crate) amount: i64,
    pub(crate) tax: i64,
    pub(crate) rating: Option<u8>,
    pub(crate) discount_code: Option<&'static str>,
}

pub(crate) const KINDS: [(u64, &str); 4] =
    [(78, "purchase"), (8, "refund"), (9, "transfer"), (5, "withdrawal")];

const STATUSES: [(u64, &str); 3] = [(93, "approved"), (5, "declined"), (2, "pending")];

/// Code and percent off.
const DISCOUNTS: [(u64, Option<(&str, i64)>); 5] = [
    (82, None),
    (8, Some(("WELCOME10", 10))),
    (5, Some(("SUMMER15", 15))),
    (3, Some(("LOYAL5", 5))),
    (2, Some(("BLACKFRIDAY30", 30))),
];

const QUANTITIES: [(u64, u8); 5] = [(62, 1), (20, 2), (10, 3), (5, 4), (3, 5)];

const RATINGS: [(u64, Option<u8>); 6] =
    [(45, None), (4, Some(1)), (5, Some(2)), (9, Some(3)), (17, Some(4)), (20, Some(5))];

impl Transaction {
    pub(crate) fn new(plan: &Plan, index: u64) -> Self {
        let mut random = Random::new(plan.seed, index);
        let user = User::new(plan.users.pick(&mut random));
        let product = Product::new(plan.products.pick(&mut random));
        let kind = random.weighted(&KINDS);
        let away = random.chance(0.15);
        let place = if away { people::some_place(&mut random) } else { user.home };
        let usual = random.chance(0.7);
        let payment_method =
            if usual { user.payment_method } else { people::some_payment_method(&mut random) };
        let mut transaction = Self {
            id: unique(plan.seed, index),
            at: plan.event_time(index),
            user,
            product,
            place,
            kind,
            status: random.weighted(&STATUSES),
            payment_method,
            quantity: None,
            amount: 0,
            tax: 0,
            rating: None,
            discount_code: None,
        };
        match kind {
            "purchase" | "refund" => transaction.trade(&mut random),
            // Between 1.00 and 2,000.00, small sums more often.
            _ => transaction.amount = 100 + (random.below(447) * random.below(447)) as i64,
        }
        transaction
    }

    /// The same, made in one of the blacklisted cities.
    pub(crate) fn blacklisted(plan: &Plan, index: u64) -> Self {
        let mut transaction = Self::new(plan, index);
        transaction.place = Random::new(plan.seed, index).weighted(&BLACKLISTED);
        transaction.tax = transaction.tax.signum() * transaction.taxed();
        transaction
    }

    fn trade(&mut self, random: &mut Random) {
        let quantity = random.weighted(&QUANTITIES);
        let discount = random.weighted(&DISCOUNTS);
        let off = discount.map_or(0, |(_, percent)| percent);
        self.quantity = Some(quantity);
        self.discount_code = discount.map(|(code, _)| code);
        self.amount = (self.product.price * i64::from(quantity) * (100 - off) + 50) / 100;
        self.tax = self.taxed();
        self.rating = random.weighted(&RATINGS);
    }

    fn taxed(&self) -> i64 {
        (self.amount * self.place.tax_percent + 50) / 100
    }
}
