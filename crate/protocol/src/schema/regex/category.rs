//! The general category of characters, by Unicode 17.0. (A JavaScript engine has the version that was new when it was built.)

use std::sync::OnceLock;

/// How long each run of characters with one category is, from the first character on: 32 × length + category, with seven bits
/// in each byte, the lowest first, and the eighth where more follow. The categories are numbered as in [`NAMES`].
const RUNS: &[u8] = include_bytes!("category.bin");

const NAMES: [(&str, &str); 30] = [
    ("Lu", "Uppercase_Letter"),
    ("Ll", "Lowercase_Letter"),
    ("Lt", "Titlecase_Letter"),
    ("Lm", "Modifier_Letter"),
    ("Lo", "Other_Letter"),
    ("Mn", "Nonspacing_Mark"),
    ("Mc", "Spacing_Mark"),
    ("Me", "Enclosing_Mark"),
    ("Nd", "Decimal_Number"),
    ("Nl", "Letter_Number"),
    ("No", "Other_Number"),
    ("Pc", "Connector_Punctuation"),
    ("Pd", "Dash_Punctuation"),
    ("Ps", "Open_Punctuation"),
    ("Pe", "Close_Punctuation"),
    ("Pi", "Initial_Punctuation"),
    ("Pf", "Final_Punctuation"),
    ("Po", "Other_Punctuation"),
    ("Sm", "Math_Symbol"),
    ("Sc", "Currency_Symbol"),
    ("Sk", "Modifier_Symbol"),
    ("So", "Other_Symbol"),
    ("Zs", "Space_Separator"),
    ("Zl", "Line_Separator"),
    ("Zp", "Paragraph_Separator"),
    ("Cc", "Control"),
    ("Cf", "Format"),
    ("Cs", "Surrogate"),
    ("Co", "Private_Use"),
    ("Cn", "Unassigned"),
];

/// No character.
pub(super) const UNASSIGNED: u32 = 1 << 29;

/// The categories with this name, a bit for each.
pub(super) fn named(name: &str) -> Option<u32> {
    let group = match name {
        "L" | "Letter" => "L",
        "M" | "Mark" | "Combining_Mark" => "M",
        "N" | "Number" => "N",
        "P" | "Punctuation" | "punct" => "P",
        "S" | "Symbol" => "S",
        "Z" | "Separator" => "Z",
        "C" | "Other" => "C",
        "LC" | "Cased_Letter" => return Some(0b111),
        "digit" => return named("Nd"),
        "cntrl" => return named("Cc"),
        name => {
            let index = NAMES
                .iter()
                .position(|(short, long)| *short == name || *long == name)?;
            return Some(1 << index);
        }
    };
    let members = NAMES
        .iter()
        .enumerate()
        .filter(|(_, (short, _))| short.starts_with(group));
    Some(members.fold(0, |set, (index, _)| set | (1 << index)))
}

/// The category of a character, as its bit.
pub(super) fn of(code: u32) -> u32 {
    static STARTS: OnceLock<Vec<(u32, u8)>> = OnceLock::new();
    let starts = STARTS.get_or_init(starts);
    let index = starts.partition_point(|(start, _)| *start <= code);
    let run = index.checked_sub(1).and_then(|index| starts.get(index));
    run.map_or(UNASSIGNED, |(_, category)| 1 << category)
}

/// Where each run starts.
fn starts() -> Vec<(u32, u8)> {
    let mut starts = Vec::new();
    let (mut start, mut value, mut shift) = (0u32, 0u32, 0u32);
    for byte in RUNS {
        value |= u32::from(byte & 127) << shift;
        shift = shift.saturating_add(7);
        if byte & 128 == 0 {
            starts.push((start, (value & 31) as u8));
            start = start.saturating_add(value >> 5);
            (value, shift) = (0, 0);
        }
    }
    starts
}
