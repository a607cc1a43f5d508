//! "Did you mean": the known names nearest to one that is not known.

/// At most three candidates that resemble `name`, nearest first.
pub fn near<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut scored: Vec<(f64, &str)> = candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(score, _)| *score > 0.75)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, candidate)| candidate).collect()
}

/// `; did you mean a, b?`, or nothing.
pub fn hint<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let near = near(name, candidates);
    if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_come_first_and_strangers_not_at_all() {
        let known = ["transaction_stream", "transaction_flattened", "payment_method_totals"];
        assert_eq!(near("transaction_steam", known)[0], "transaction_stream");
        assert!(near("zzz", known).is_empty());
        assert_eq!(hint("zzz", known), "");
    }
}
