//! A text without what frames it, and the way back from its bytes to those of the whole text.

use std::ops::Range;

/// What is left of a text.
#[derive(Clone, Debug)]
pub struct Rest {
    text: String,
    /// Where something was cut out of what is left, and how many bytes went up to there.
    joints: Vec<(usize, usize)>,
}

impl Rest {
    /// `cuts` in order, apart from each other, within the text.
    pub fn new(whole: &str, cuts: &[Range<usize>]) -> Rest {
        let mut rest = Rest {
            text: String::with_capacity(whole.len()),
            joints: Vec::with_capacity(cuts.len()),
        };
        let mut at = 0;
        for cut in cuts {
            rest.text += &whole[at..cut.start];
            at = cut.end;
            rest.joints.push((rest.text.len(), at - rest.text.len()));
        }
        rest.text += &whole[at..];
        rest
    }
}

/// A text as it is read, with what it is part of.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// What is read.
    pub text: &'a str,
    /// The text as it was sent.
    pub whole: &'a str,
    joints: &'a [(usize, usize)],
}

impl<'a> Part<'a> {
    pub fn new(whole: &'a str, rest: Option<&'a Rest>) -> Part<'a> {
        match rest {
            Some(rest) => Part { text: &rest.text, whole, joints: &rest.joints },
            None => Part { text: whole, whole, joints: &[] },
        }
    }

    /// The first of these bytes of what is read, up to where something was cut out between them.
    pub fn unbroken(&self, (start, end): (usize, usize)) -> (usize, usize) {
        let next = self.joints.partition_point(|(joint, _)| *joint <= start);
        (start, self.joints.get(next).map_or(end, |(joint, _)| end.min(*joint)))
    }

    /// Where bytes of what is read, between which nothing was cut out, stand in the whole text.
    pub fn place(&self, (start, end): (usize, usize)) -> (usize, usize) {
        let before = self.joints.partition_point(|(joint, _)| *joint <= start);
        let shift = before.checked_sub(1).map_or(0, |last| self.joints[last].1);
        (start + shift, end + shift)
    }
}

/// Sentences of a text, in order, cut where its frame begins and ends; whether each is part of that.
pub fn parted(
    text: &str,
    sentences: Vec<(usize, usize)>,
    frame: &[Range<usize>],
) -> Vec<((usize, usize), bool)> {
    let mut parts = Vec::with_capacity(sentences.len() + frame.len());
    let mut frame = frame.iter().peekable();
    for (mut start, end) in sentences {
        while start < end {
            while frame.next_if(|range| range.end <= start).is_some() {}
            let (until, is_framing) = match frame.peek() {
                Some(range) if range.start <= start => (range.end.min(end), true),
                Some(range) => (range.start.min(end), false),
                None => (end, false),
            };
            let part = &text[start..until];
            let first = start + part.len() - part.trim_start().len();
            let last = start + part.trim_end().len();
            if first < last {
                parts.push(((first, last), is_framing));
            }
            start = until;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "Hi! It broke.\n> Why?\nNo idea. Bye";

    fn cuts() -> Vec<Range<usize>> {
        vec![0..4, 14..21, 29..33]
    }

    #[test]
    fn bytes_are_where_they_were() {
        let rest = Rest::new(WHOLE, &cuts());
        let part = Part::new(WHOLE, Some(&rest));
        assert_eq!(part.text, "It broke.\nNo idea.");
        for (bytes, place) in
            [((0, 2), (4, 6)), ((0, 9), (4, 13)), ((10, 12), (21, 23)), ((10, 18), (21, 29))]
        {
            assert_eq!(part.unbroken(bytes), bytes);
            assert_eq!(part.place(bytes), place);
        }
        // Across the quoted line.
        assert_eq!(part.unbroken((3, 12)), (3, 10));
        assert_eq!(Part::new(WHOLE, None).place((1, 5)), (1, 5));
    }

    #[test]
    fn sentences_end_where_a_frame_does() {
        let parts = parted(WHOLE, vec![(0, 13), (14, 29), (29, 33)], &cuts());
        let parts: Vec<_> =
            parts.into_iter().map(|((start, end), is)| (&WHOLE[start..end], is)).collect();
        let expected = [
            ("Hi!", true),
            ("It broke.", false),
            ("> Why?", true),
            ("No idea.", false),
            ("Bye", true),
        ];
        assert_eq!(parts, expected);
        assert_eq!(parted("a b", vec![(0, 3)], &[]), [((0, 3), false)]);
    }
}
