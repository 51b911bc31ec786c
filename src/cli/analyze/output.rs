//! Rows out, in the form that they came in.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use csv::ByteRecord;

use super::columns::{Answer, cell};
use crate::cli::rows::{Original, Shape};

const BUFFER_BYTES: usize = 1 << 16;

/// Where rows are written, each whole and in its turn.
pub struct Output {
    sink: Sink,
    columns: Vec<&'static str>,
}

enum Sink {
    Csv(Box<csv::Writer<Box<dyn Write + Send>>>),
    JsonLines(BufWriter<Box<dyn Write + Send>>),
}

impl Output {
    pub fn stdout(
        shape: Shape,
        columns: Vec<&'static str>,
        header: Option<&ByteRecord>,
    ) -> anyhow::Result<Output> {
        let mut output = Output::to(Box::new(io::stdout()), shape, columns);
        output.header(header)?;
        Ok(output)
    }

    /// Goes on after the first `whole` bytes of the file; what stands behind them is dropped.
    pub fn file(
        path: &Path,
        whole: u64,
        shape: Shape,
        columns: Vec<&'static str>,
        header: Option<ByteRecord>,
    ) -> anyhow::Result<Output> {
        let cannot = || format!("{} cannot be written", path.display());
        let file = OpenOptions::new().create(true).append(true).open(path).with_context(cannot)?;
        // A pipe or a device has no length, and nothing to drop.
        if file.metadata().with_context(cannot)?.is_file() {
            file.set_len(whole).with_context(cannot)?;
        }
        let mut output = Output::to(Box::new(file), shape, columns);
        if whole == 0 {
            output.header(header.as_ref()).with_context(cannot)?;
        }
        Ok(output)
    }

    fn to(writer: Box<dyn Write + Send>, shape: Shape, columns: Vec<&'static str>) -> Output {
        let sink = match shape {
            Shape::Csv => {
                let mut builder = csv::WriterBuilder::new();
                let writer = builder.buffer_capacity(BUFFER_BYTES).from_writer(writer);
                Sink::Csv(Box::new(writer))
            }
            Shape::JsonLines => Sink::JsonLines(BufWriter::with_capacity(BUFFER_BYTES, writer)),
        };
        Output { sink, columns }
    }

    fn header(&mut self, header: Option<&ByteRecord>) -> io::Result<()> {
        if let (Sink::Csv(writer), Some(header)) = (&mut self.sink, header) {
            writer.write_byte_record(header)?;
        }
        self.flush()
    }

    pub fn write(&mut self, original: &Original, answer: &Answer) -> io::Result<()> {
        match (&mut self.sink, original) {
            (Sink::Csv(writer), Original::Csv(record)) => {
                for field in record {
                    writer.write_field(field)?;
                }
                for column in &self.columns {
                    writer.write_field(cell(column, answer.get(*column)))?;
                }
                writer.write_record(None::<&[u8]>)?;
                Ok(())
            }
            (Sink::JsonLines(writer), Original::JsonLines(open)) => {
                writer.write_all(open)?;
                let mut is_first = open.as_slice() == b"{";
                for column in &self.columns {
                    let Some(value) = answer.get(*column) else { continue };
                    let comma = if is_first { "" } else { "," };
                    write!(writer, "{comma}\"{column}\":{value}")?;
                    is_first = false;
                }
                writer.write_all(b"}\n")
            }
            _ => Err(io::Error::other("a row of another form than the output's")),
        }
    }

    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Csv(writer) => writer.flush(),
            Sink::JsonLines(writer) => writer.flush(),
        }
    }
}
