//! A text table that fits a width. If needed, parts of cells are put below one another, and the least important columns are
//! left out. A number is never wrapped.

use std::fmt;
use unicode_width::UnicodeWidthStr;

/// The separator of columns.
const GAP: &str = "  ";

/// Smallest width of text that is wrapped: shorter text may be a number.
const LEAST_TEXT: usize = 16;

/// How a column may change to save width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// It does not change.
    Kept,
    /// It may be put below the other columns of this role.
    Stacked,
    /// It may be left out.
    Optional,
}

/// A column of a [`Table`].
#[derive(Clone, Debug)]
pub struct Column {
    head: String,
    short: String,
    /// The parts of each cell, which can be put below one another.
    cells: Vec<Vec<String>>,
    /// The separator of the parts of a cell on one line.
    joint: &'static str,
    is_number: bool,
    role: Role,
}

impl Column {
    /// Left-aligned text. A cell is one line; control characters become spaces.
    pub fn text(head: &str, cells: Vec<String>) -> Column {
        let one_line = |cell: String| vec![cell.replace(char::is_control, " ")];
        Column::parts(head, "", cells.into_iter().map(one_line).collect())
    }

    /// Right-aligned numbers.
    pub fn numbers(head: &str, cells: Vec<String>) -> Column {
        Column { is_number: true, ..Column::text(head, cells) }
    }

    /// Cells with several parts, separated by `joint` on one line.
    pub fn parts(head: &str, joint: &'static str, cells: Vec<Vec<String>>) -> Column {
        let head = head.to_owned();
        Column { short: head.clone(), head, cells, joint, is_number: false, role: Role::Kept }
    }

    /// Right-aligns the column.
    pub fn right(self) -> Column {
        Column { is_number: true, ..self }
    }

    /// Allows the column to be put below the other columns of this role, and to have the heading `short`, to save width.
    pub fn stacked(self, short: &str) -> Column {
        Column { role: Role::Stacked, short: short.to_owned(), ..self }
    }

    /// Allows the column to be left out to save width; the last such column is left out first.
    pub fn optional(self) -> Column {
        Column { role: Role::Optional, ..self }
    }
}

/// Columns of equal length.
#[derive(Clone, Debug)]
pub struct Table(Vec<Column>);

/// A table as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitted {
    /// The lines of the table.
    text: String,
    /// The headings of the columns that are left out, in their order.
    left_out: Vec<String>,
    width: usize,
}

impl Fitted {
    /// Whether the table shows a column.
    pub fn shows(&self, head: &str) -> bool {
        !self.left_out.iter().any(|one| one == head)
    }
}

/// The lines, and a note on the columns that are left out.
impl fmt::Display for Fitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match self.left_out.is_empty() {
            true => Ok(()),
            false => {
                let heads = self.left_out.join(", ");
                let note = format!("left out to fit {} columns: {heads}", self.width);
                write!(f, "\n{}", wrapped(&note, Some(self.width)))
            }
        }
    }
}

/// How a table saves width.
#[derive(Clone, Debug, Default)]
struct Layout {
    short_heads: bool,
    parts_beneath: bool,
    stacked: bool,
    left_out: Vec<usize>,
}

/// A column in a layout: the lines of its heading, and of each of its cells.
struct Block {
    is_number: bool,
    head: Vec<String>,
    cells: Vec<Vec<String>>,
}

impl Table {
    /// A table of columns with one cell per row.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Table {
        Table(columns.into_iter().collect())
    }

    /// The table in the first layout that fits `width`; without a width, each row is one line. If no layout fits, text is
    /// wrapped; if that is still too wide, nothing is cut off.
    pub fn fit(&self, width: Option<usize>) -> Fitted {
        let mut layout = Layout::default();
        let mut blocks = self.blocks(&layout);
        let Some(width) = width else { return self.fitted(&blocks, &layout, 0) };
        for narrower in [
            |layout: &mut Layout| layout.short_heads = true,
            |layout: &mut Layout| layout.parts_beneath = true,
            |layout: &mut Layout| layout.stacked = true,
        ] {
            if total(&blocks) <= width {
                return self.fitted(&blocks, &layout, width);
            }
            narrower(&mut layout);
            blocks = self.blocks(&layout);
        }
        for (index, _) in self.0.iter().enumerate().rev().filter(|(_, column)| column.role == Role::Optional) {
            if total(&blocks) <= width {
                break;
            }
            layout.left_out.push(index);
            blocks = self.blocks(&layout);
        }
        while let Some(excess) = total(&blocks).checked_sub(width).filter(|excess| *excess > 0)
            && let Some(widest) = blocks.iter_mut().filter(|block| !block.is_number).max_by_key(|block| block.width())
            && widest.width() > LEAST_TEXT
        {
            widest.wrap(widest.width().saturating_sub(excess).max(LEAST_TEXT));
        }
        self.fitted(&blocks, &layout, width)
    }

    fn blocks(&self, layout: &Layout) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut stack = None;
        for (_, column) in self.0.iter().enumerate().filter(|(index, _)| !layout.left_out.contains(index)) {
            let head = if layout.short_heads { &column.short } else { &column.head };
            let cell = |parts: &Vec<String>| match layout.parts_beneath {
                true => parts.clone(),
                false => vec![parts.join(column.joint)],
            };
            let cells = column.cells.iter().map(cell);
            if layout.stacked && column.role == Role::Stacked {
                if let Some(stack) = stack {
                    let block: &mut Block = &mut blocks[stack];
                    block.head.push(head.clone());
                    block.cells.iter_mut().zip(cells).for_each(|(above, cell)| above.extend(cell));
                    continue;
                }
                stack = Some(blocks.len());
            }
            let is_number = column.is_number && !(layout.stacked && column.role == Role::Stacked);
            blocks.push(Block { is_number, head: vec![head.clone()], cells: cells.collect() });
        }
        blocks
    }

    fn fitted(&self, blocks: &[Block], layout: &Layout, width: usize) -> Fitted {
        let widths: Vec<usize> = blocks.iter().map(Block::width).collect();
        let mut text = String::new();
        let row = |text: &mut String, cells: Vec<&Vec<String>>| {
            for line in 0..cells.iter().map(|cell| cell.len()).max().unwrap_or_default() {
                for (index, (cell, block)) in cells.iter().zip(blocks).enumerate() {
                    let part = cell.get(line).map_or("", String::as_str);
                    let room = " ".repeat(widths[index] - part.width());
                    let [before, after] = if block.is_number { [&*room, ""] } else { ["", &*room] };
                    text.extend([if index > 0 { GAP } else { "" }, before, part, after]);
                }
                text.truncate(text.trim_end_matches(' ').len());
                text.push('\n');
            }
        };
        row(&mut text, blocks.iter().map(|block| &block.head).collect());
        text.push_str(&"─".repeat(total(blocks)));
        text.push('\n');
        let count = blocks.first().map_or(0, |block| block.cells.len());
        (0..count).for_each(|index| row(&mut text, blocks.iter().map(|block| &block.cells[index]).collect()));
        text.pop();
        let mut left_out: Vec<usize> = layout.left_out.clone();
        left_out.sort_unstable();
        let left_out = left_out.into_iter().map(|index| self.0[index].head.clone()).collect();
        Fitted { text, left_out, width }
    }
}

/// The width of all columns with their separators.
fn total(blocks: &[Block]) -> usize {
    blocks.iter().map(Block::width).sum::<usize>() + GAP.len() * blocks.len().saturating_sub(1)
}

impl Block {
    fn width(&self) -> usize {
        self.head.iter().chain(self.cells.iter().flatten()).map(|line| line.width()).max().unwrap_or_default()
    }

    fn wrap(&mut self, width: usize) {
        std::iter::once(&mut self.head).chain(&mut self.cells).for_each(|lines| {
            *lines = lines.iter().flat_map(|line| pieces(line, width)).collect();
        });
    }
}

/// Cuts a line into pieces of a width.
fn pieces(line: &str, width: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for character in line.chars() {
        if let Some(last) = pieces.last_mut() {
            last.push(character);
            if last.width() > width {
                last.pop();
                pieces.push(character.to_string());
            }
        }
    }
    pieces
}

/// Wraps a text at spaces to lines of at most `width`; unchanged without a width.
pub fn wrapped(text: &str, width: Option<usize>) -> String {
    let Some(width) = width else { return text.to_owned() };
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn table() -> Table {
        let losses = [&["0.18030", "± 0.00028"][..], &["-"]].map(words);
        Table::new([
            Column::text("trial", words(&["a", "b"])),
            Column::text("objective.kl_weight", words(&["0.5", "1"])).stacked("kl_weight"),
            Column::text("data.images", words(&["/data/one.idx", "/data/of/some/length/two.idx"])).stacked("images"),
            Column::parts("loss", " ", losses.to_vec()).right(),
            Column::numbers("images/s", words(&["1234", "-"])).optional(),
            Column::numbers("seconds", words(&["12.2", "7"])).optional(),
        ])
    }

    #[track_caller]
    fn fits(width: usize, expected: &str) {
        let found = table().fit(Some(width)).to_string();
        assert_eq!(found, expected.trim_matches('\n'), "\n{found}");
        assert!(found.lines().all(|line| line.width() <= width), "\n{found}");
    }

    #[test]
    fn a_table_saves_width_step_by_step() {
        let whole = "
trial  objective.kl_weight  data.images                                loss  images/s  seconds
──────────────────────────────────────────────────────────────────────────────────────────────
a      0.5                  /data/one.idx                 0.18030 ± 0.00028      1234     12.2
b      1                    /data/of/some/length/two.idx                  -         -        7
";
        assert_eq!(table().fit(None).to_string(), whole.trim_matches('\n'));
        fits(94, whole);
        fits(
            88,
            "
trial  kl_weight  images                                     loss  images/s  seconds
────────────────────────────────────────────────────────────────────────────────────
a      0.5        /data/one.idx                 0.18030 ± 0.00028      1234     12.2
b      1          /data/of/some/length/two.idx                  -         -        7
",
        );
        fits(
            80,
            "
trial  kl_weight  images                             loss  images/s  seconds
────────────────────────────────────────────────────────────────────────────
a      0.5        /data/one.idx                   0.18030      1234     12.2
                                                ± 0.00028
b      1          /data/of/some/length/two.idx          -         -        7
",
        );
        fits(
            70,
            "
trial  kl_weight                          loss  images/s  seconds
       images
─────────────────────────────────────────────────────────────────
a      0.5                             0.18030      1234     12.2
       /data/one.idx                 ± 0.00028
b      1                                     -         -        7
       /data/of/some/length/two.idx
",
        );
        fits(
            60,
            "
trial  kl_weight                          loss  images/s
       images
────────────────────────────────────────────────────────
a      0.5                             0.18030      1234
       /data/one.idx                 ± 0.00028
b      1                                     -         -
       /data/of/some/length/two.idx
left out to fit 60 columns: seconds
",
        );
        fits(
            40,
            "
trial  kl_weight                    loss
       images
────────────────────────────────────────
a      0.5                       0.18030
       /data/one.idx           ± 0.00028
b      1                               -
       /data/of/some/length/t
       wo.idx
left out to fit 40 columns: images/s,
seconds
",
        );
    }

    #[test]
    fn words_are_not_broken() {
        assert_eq!(wrapped("one two three", None), "one two three");
        assert_eq!(wrapped("one two three", Some(7)), "one two\nthree");
        assert_eq!(wrapped("one", Some(1)), "one");
    }
}
