//! (g) Resident memory before and after many texts of mixed lengths; (h) from start to ready.

use crate::program::Program;
use crate::texts;
use crate::unless_debug;

const TEXTS: usize = unless_debug(200_000, 100);
const A_BATCH: usize = unless_debug(10_000, 100);
const STARTS: usize = unless_debug(5, 1);

pub fn run() -> anyhow::Result<()> {
    let mut starts = (0..STARTS)
        .map(|_| Ok(Program::gateway(&[])?.ready_after.as_secs_f64()))
        .collect::<anyhow::Result<Vec<f64>>>()?;
    starts.sort_by(f64::total_cmp);
    println!("start to ready: {:.3} s, median of {STARTS}", starts[STARTS / 2]);

    let gateway = Program::gateway(&[])?;
    let lines: String =
        texts::mixed(A_BATCH)?.iter().map(|text| texts::request(text) + "\n").collect();
    let mut resident = vec![gateway.resident()?];
    for round in 1..=TEXTS / A_BATCH {
        gateway.client()?.post_lines("/v1/batch?task=sentiment", &lines)?;
        if round == 1 || round % 5 == 0 {
            resident.push(gateway.resident()?);
        }
    }
    let shown: Vec<String> = resident.iter().map(|megabytes| format!("{megabytes:.0}")).collect();
    println!(
        "resident, MB: {}: at start, after {A_BATCH} texts, then after every {}",
        shown.join(", "),
        5 * A_BATCH
    );
    Ok(())
}
