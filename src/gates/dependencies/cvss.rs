//! How bad a vulnerability is, from the vectors that a record has. The base score of CVSS 3 is computed; of versions 2 and 4, whose
//! scores need tables of their own, only whether confidentiality, integrity or availability is wholly lost: that is at times
//! worse than the score.

/// Whether a vector stands for what is called high or critical (a base score of 7.0 or more); `None` where it is no vector.
pub(in crate::gates) fn is_high(vector: &str) -> Option<bool> {
    let metrics: Vec<(&str, &str)> = vector.split('/').filter_map(|part| part.split_once(':')).collect();
    let of = |name: &str| metrics.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    if vector.starts_with("CVSS:3") {
        return Some(base_score(of)? >= 7.0);
    }
    let impacts = if vector.starts_with("CVSS:4") { (["VC", "VI", "VA"], "H") } else { (["C", "I", "A"], "C") };
    let (names, worst) = impacts;
    let values: Option<Vec<&str>> = names.into_iter().map(of).collect();
    Some(values?.contains(&worst))
}

/// The base score of CVSS 3.0 and 3.1.
fn base_score<'v>(of: impl Fn(&str) -> Option<&'v str>) -> Option<f64> {
    let pick = |name: &str, weights: &[(&str, f64)]| {
        let value = of(name)?;
        weights.iter().find(|(word, _)| *word == value).map(|(_, weight)| *weight)
    };
    let changed = of("S")? == "C";
    let vector = pick("AV", &[("N", 0.85), ("A", 0.62), ("L", 0.55), ("P", 0.2)])?;
    let complexity = pick("AC", &[("L", 0.77), ("H", 0.44)])?;
    let (low, high) = if changed { (0.68, 0.5) } else { (0.62, 0.27) };
    let privileges = pick("PR", &[("N", 0.85), ("L", low), ("H", high)])?;
    let interaction = pick("UI", &[("N", 0.85), ("R", 0.62)])?;
    let lost = |name| pick(name, &[("H", 0.56), ("L", 0.22), ("N", 0.0)]);
    let kept = (1.0 - lost("C")?) * (1.0 - lost("I")?) * (1.0 - lost("A")?);
    let share = 1.0 - kept;
    let impact = if changed { 7.52 * (share - 0.029) - 3.25 * (share - 0.02).powi(15) } else { 6.42 * share };
    if impact <= 0.0 {
        return Some(0.0);
    }
    let exploitability = 8.22 * vector * complexity * privileges * interaction;
    let factor = if changed { 1.08 } else { 1.0 };
    let score = (factor * (impact + exploitability)).min(10.0);
    // Up to the next tenth, as the standard rounds: what floating point adds does not count.
    let scaled = (score * 100_000.0).round();
    Some((scaled / 10_000.0).ceil() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_of_the_standard() {
        let table = [
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
            ("CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", 7.5),
            ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 7.8),
            ("CVSS:3.1/AV:N/AC:H/PR:H/UI:N/S:U/C:H/I:H/A:H", 6.6),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
        ];
        for (vector, expected) in table {
            let of = |name: &str| {
                vector
                    .split('/')
                    .filter_map(|part| part.split_once(':'))
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| value)
            };
            assert_eq!(base_score(of), Some(expected), "{vector}");
            assert_eq!(is_high(vector), Some(expected >= 7.0), "{vector}");
        }
    }

    #[test]
    fn other_versions_and_no_vectors() {
        assert_eq!(is_high("AV:N/AC:L/Au:N/C:C/I:C/A:C"), Some(true));
        assert_eq!(is_high("AV:N/AC:L/Au:N/C:P/I:P/A:P"), Some(false));
        assert_eq!(is_high("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N"), Some(true));
        assert_eq!(is_high("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N"), Some(false));
        for odd in ["", "CVSS:3.1", "CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "high"] {
            assert_eq!(is_high(odd), None, "{odd}");
        }
    }
}
