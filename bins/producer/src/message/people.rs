//! Users, products and places. What user 17 is called never changes, whatever the seed of a run.

use super::random::Random;

/// A city, with the currency paid in and the tax rate in percent.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) city: &'static str,
    pub(crate) country: &'static str,
    pub(crate) currency: Currency,
    pub(crate) tax_percent: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Currency {
    Eur,
    Usd,
    Gbp,
}

impl Currency {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Eur => "EUR",
            Self::Usd => "USD",
            Self::Gbp => "GBP",
        }
    }

    /// Hundredths of a euro for one unit.
    pub(crate) fn rate(self) -> i64 {
        match self {
            Self::Eur => 100,
            Self::Usd => 92,
            Self::Gbp => 117,
        }
    }

    /// Cents in EUR, rounded half up as the ksqlDB program does.
    pub(crate) fn to_eur(self, cents: i64) -> i64 {
        (cents * self.rate() + 50) / 100
    }
}

const fn place(city: &'static str, country: &'static str, currency: Currency, tax_percent: i64) -> Place {
    Place { city, country, currency, tax_percent }
}

/// The most frequent first.
const PLACES: [(u64, &Place); 18] = [
    (13, &place("Paris", "France", Currency::Eur, 20)),
    (7, &place("Lyon", "France", Currency::Eur, 20)),
    (5, &place("Marseille", "France", Currency::Eur, 20)),
    (10, &place("London", "UK", Currency::Gbp, 20)),
    (5, &place("Manchester", "UK", Currency::Gbp, 20)),
    (9, &place("New York", "USA", Currency::Usd, 8)),
    (6, &place("Chicago", "USA", Currency::Usd, 10)),
    (4, &place("Austin", "USA", Currency::Usd, 8)),
    (6, &place("Munich", "Germany", Currency::Eur, 19)),
    (4, &place("Hamburg", "Germany", Currency::Eur, 19)),
    (6, &place("Madrid", "Spain", Currency::Eur, 21)),
    (4, &place("Barcelona", "Spain", Currency::Eur, 21)),
    (4, &place("Rome", "Italy", Currency::Eur, 22)),
    (3, &place("Milan", "Italy", Currency::Eur, 22)),
    (4, &place("Shanghai", "China", Currency::Usd, 13)),
    (4, BLACKLISTED[0].1),
    (3, BLACKLISTED[1].1),
    (3, BLACKLISTED[2].1),
];

/// The cities whose transactions the pipeline sets apart.
pub(crate) const BLACKLISTED: [(u64, &Place); 3] = [
    (40, &place("Glasgow", "UK", Currency::Gbp, 20)),
    (30, &place("Berlin", "Germany", Currency::Eur, 19)),
    (30, &place("Shenzhen", "China", Currency::Usd, 13)),
];

const FIRST: [&str; 24] = [
    "Alice", "Amélie", "Björn", "Carlos", "Chloé", "David", "Elena", "Emma", "Félix", "Giulia", "Hannah",
    "Inès", "James", "Jürgen", "Laura", "Léa", "Lucía", "Marco", "Noah", "Olivia", "Paul", "Sofia", "Wei",
    "Zoë",
];

const LAST: [&str; 24] = [
    "Bernard", "Brown", "Chen", "Dubois", "Durand", "Fischer", "García", "Jones", "Lefèvre", "Martin",
    "Moreau", "Müller", "Núñez", "Petit", "Richard", "Robert", "Rossi", "Russo", "Schmidt", "Smith",
    "Taylor", "Wagner", "Wang", "Weber",
];

const PAYMENT_METHODS: [(u64, &str); 6] = [
    (36, "credit_card"),
    (24, "debit_card"),
    (16, "paypal"),
    (8, "bank_transfer"),
    (9, "apple_pay"),
    (7, "google_pay"),
];

pub(crate) struct User {
    pub(crate) number: u64,
    pub(crate) first_name: &'static str,
    pub(crate) last_name: &'static str,
    pub(crate) home: &'static Place,
    pub(crate) payment_method: &'static str,
}

impl User {
    pub(crate) fn new(number: u64) -> Self {
        let mut random = Random::new(0x75_73_65_72, number);
        Self {
            number,
            first_name: random.pick(&FIRST),
            last_name: random.pick(&LAST),
            home: random.weighted(&PLACES),
            payment_method: random.weighted(&PAYMENT_METHODS),
        }
    }
}

pub(crate) fn some_place(random: &mut Random) -> &'static Place {
    random.weighted(&PLACES)
}

pub(crate) fn some_payment_method(random: &mut Random) -> &'static str {
    random.weighted(&PAYMENT_METHODS)
}

/// A payment method by number, as the keys of a table count them.
pub(crate) fn payment_method(number: u64) -> &'static str {
    PAYMENT_METHODS[(number % PAYMENT_METHODS.len() as u64) as usize].1
}

struct Category {
    name: &'static str,
    things: [&'static str; 4],
    /// The usual price in cents.
    price: u64,
}

const CATEGORIES: [Category; 7] = [
    Category { name: "electronics", things: ["Headphones", "Keyboard", "Monitor", "Speaker"], price: 12_000 },
    Category { name: "clothing", things: ["Jacket", "Jeans", "Scarf", "Sweater"], price: 4_500 },
    Category { name: "home", things: ["Armchair", "Desk Lamp", "Kettle", "Rug"], price: 7_000 },
    Category { name: "books", things: ["Atlas", "Cookbook", "Novel", "Travel Guide"], price: 1_800 },
    Category { name: "sports", things: ["Bicycle Helmet", "Football", "Tent", "Yoga Mat"], price: 5_000 },
    Category { name: "toys", things: ["Board Game", "Kite", "Puzzle", "Train Set"], price: 2_500 },
    Category { name: "beauty", things: ["Face Cream", "Perfume", "Razor", "Shampoo"], price: 2_200 },
];

const STYLES: [&str; 8] = ["Classic", "Compact", "Deluxe", "Eco", "Nordic", "Premium", "Retro", "Smart"];

pub(crate) struct Product {
    pub(crate) number: u64,
    pub(crate) style: &'static str,
    pub(crate) thing: &'static str,
    pub(crate) category: &'static str,
    /// The price of one, in cents.
    pub(crate) price: i64,
}

impl Product {
    pub(crate) fn new(number: u64) -> Self {
        let mut random = Random::new(0x7072_6f64, number);
        let category = &CATEGORIES[random.below(CATEGORIES.len() as u64) as usize];
        // Half to twice the usual price, and .99 as shops have it.
        let price = category.price / 2 + random.below(category.price * 3 / 2);
        Self {
            number,
            style: random.pick(&STYLES),
            thing: random.pick(&category.things),
            category: category.name,
            price: (price / 100 * 100 + 99) as i64,
        }
    }
}
