//! `undertone analyze` on CSV that is not as it should be: which line a row is told by, and what a
//! quote that nobody closed does to the rows behind it.

use crate::analyze::{check_code, column, read, rows, write};
use crate::gateway::Setup;

#[tokio::test]
async fn bad_rows_are_told_by_their_own_line_past_blank_ones() {
    let setup = Setup::local();
    for end in ["\n", "\r\n"] {
        let csv = ["id,text", "", "1,I love it.", "", "", "2, ", "3,\"I\nhate it.\"", "4, ", ""];
        write(&setup, "in.csv", csv.join(end));
        let finished = setup.run(&["analyze", "in.csv"]).await;
        check_code(&finished, 1);
        let errors = column(&rows(finished.stdout.as_bytes()), "undertone_error");
        assert_eq!(errors, ["", "line 6: the text is blank", "", "line 9: the text is blank"]);
    }
}

#[tokio::test]
async fn a_quote_that_is_not_closed_costs_one_row_and_says_where_it_opens() {
    let setup = Setup::local();
    let command = ["analyze", "in.csv", "--output", "out.csv"];
    write(&setup, "in.csv", "id,text\n1,\"I love it.\n2,I hate it.\n3,\"It is a lamp.\"\n4,\"Bye.");
    let finished = setup.run(&command).await;
    check_code(&finished, 1);
    let whole = read(&setup, "out.csv");
    let written = rows(&whole);
    assert_eq!(column(&written, "id"), ["1", "2", "3", "4"]);
    let fault = "is not closed, or one after it is not doubled";
    assert_eq!(
        column(&written, "undertone_error"),
        [
            format!("line 2: the quote that opens on line 2 {fault}"),
            String::new(),
            String::new(),
            format!("line 5: the quote that opens on line 5 {fault}"),
        ]
    );
    assert_eq!(column(&written, "undertone_label")[1], "negative");
    assert!(!finished.stderr.contains("love"), "{}", finished.stderr);
    for cut in [whole.len() / 3, whole.len() / 2, whole.len() - 3] {
        write(&setup, "out.csv", &whole[..cut]);
        check_code(&setup.run(&command).await, 1);
        assert_eq!(read(&setup, "out.csv"), whole, "it goes on the same way, cut at {cut}");
    }
    write(&setup, "in.csv", "id,\"text\n1,I love it.\n");
    let finished = setup.run(&["analyze", "in.csv"]).await;
    check_code(&finished, 2);
    assert!(finished.stderr.contains("the quote that opens on line 1"), "{}", finished.stderr);
}
