//! Who was taken for whom: a table, shaded by the share of each row.

use maud::{Markup, html};

use super::count;

/// A row for what is true, a column for what was said, in the order of `labels`.
pub fn confusion(caption: &str, labels: &[&str], counts: &[Vec<u64>]) -> Markup {
    html! {
        table.confusion {
            caption { (caption) }
            thead {
                tr {
                    th scope="col" { "is ↓, taken for →" }
                    @for label in labels { th.number scope="col" { (label) } }
                }
            }
            tbody {
                @for (at, (label, row)) in labels.iter().zip(counts).enumerate() {
                    @let whole = row.iter().sum::<u64>().max(1);
                    tr {
                        th scope="row" { (label) }
                        @for (column, cell) in row.iter().enumerate() {
                            td.number.right[column == at] style=(shade(*cell, whole)) {
                                (count(*cell))
                            }
                        }
                    }
                }
            }
        }
    }
}

/// For the style to mix into the theme's own colour.
fn shade(cell: u64, whole: u64) -> String {
    format!("--share: {:.3}", cell as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cell_is_shaded_by_its_share_of_the_row() {
        let table = confusion("Local", &["a", "b"], &[vec![3, 1], vec![0, 0]]).into_string();
        for wanted in [
            "<caption>Local</caption>",
            "<td class=\"number right\" style=\"--share: 0.750\">3</td>",
            "<td class=\"number\" style=\"--share: 0.250\">1</td>",
            "<td class=\"number right\" style=\"--share: 0.000\">0</td>",
        ] {
            assert!(table.contains(wanted), "{wanted}: {table}");
        }
    }
}
