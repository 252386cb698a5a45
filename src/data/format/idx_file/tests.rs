//! Tests of the IDX reader, and files for other tests.

use super::*;
use crate::random::{Purpose, Stream};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// An IDX file of unsigned bytes.
pub(in crate::data) fn idx_file(sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, sizes.len() as u8];
    file.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    file.extend(bytes);
    file
}

pub(in crate::data) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn images(file: &[u8]) -> Result<Array, IdxError> {
    read(Path::new("x.gz"), file, file.len() as u64, Content::Images, usize::MAX)
}

fn message(file: &[u8], content: Content) -> String {
    read(Path::new("x.gz"), file, file.len() as u64, content, usize::MAX).unwrap_err().to_string()
}

/// Two images of 1 x 2 pixels as 32-bit floats, as the format has them: the most significant byte first.
fn floats() -> Vec<u8> {
    let mut file = vec![0, 0, 0x0D, 3];
    file.extend([2, 1, 2].iter().flat_map(|size: &u32| size.to_be_bytes()));
    file.extend([0.0, 0.25, 1.0, -2.0].iter().flat_map(|value: &f32| value.to_be_bytes()));
    file
}

#[test]
fn floats_have_four_bytes() {
    let Array { sizes, element, bytes } = images(&floats()).unwrap();
    assert_eq!((sizes, element, bytes.len()), (vec![2, 1, 2], Element::F32, 16));
    assert_eq!(message(&floats()[..30], Content::Images), "`x.gz` ends after 30 of 32 bytes; download it again");
    let huge = [&[0, 0, 0x0D, 4][..], &[0xff; 16]].concat();
    assert!(message(&huge, Content::Images).contains("more than the maximum of 8,589,934,592 (8 GiB)"));
}

fn valid() -> Vec<u8> {
    idx_file(&[5, 20, 10], &(0..1000).map(|i| (i % 251) as u8).collect::<Vec<_>>())
}

#[test]
fn plain_and_gzipped_files_hold_the_same() {
    let plain = images(&valid()).unwrap();
    assert_eq!(plain.sizes, [5, 20, 10]);
    assert_eq!(plain.bytes, valid()[16..]);
    assert_eq!(images(&gzip(&valid())).unwrap(), plain);
    let file = valid();
    let (a, b) = file.split_at(10);
    assert_eq!(images(&[gzip(a), gzip(b), gzip(b"")].concat()).unwrap(), plain);
    let labels = read(Path::new("x"), &idx_file(&[3], &[7, 8, 9])[..], 19, Content::Labels, usize::MAX).unwrap();
    assert_eq!(labels, Array { sizes: vec![3], element: Element::U8, bytes: vec![7, 8, 9] });
    assert_eq!(images(&gzip(&floats())).unwrap(), images(&floats()).unwrap());
    assert_eq!(
        images(&idx_file(&[1, 1, 1], &[42])).unwrap(),
        Array { sizes: vec![1, 1, 1], element: Element::U8, bytes: vec![42] }
    );
}

#[test]
fn files_come_from_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    // Gzipped, although the name does not end in .gz.
    let path = folder.path().join("images");
    std::fs::write(&path, gzip(&valid())).unwrap();
    assert_eq!(read_file(&path, Content::Images, usize::MAX).unwrap(), images(&valid()).unwrap());
    let absent = folder.path().join("absent");
    let message = format!("cannot read {}: No such file or directory (os error 2)", absent.display());
    assert_eq!(read_file(&absent, Content::Images, usize::MAX).unwrap_err().to_string(), message);
    let message = format!("cannot read {}: Is a directory (os error 21)", folder.path().display());
    assert_eq!(read_file(folder.path(), Content::Images, usize::MAX).unwrap_err().to_string(), message);
}

#[test]
fn what_is_not_idx_is_refused() {
    for (start, bytes) in [
        (&b"\x89PNG\r\n"[..], "89 50 4E 47"),
        (b"\x00\x01\x08\x03", "00 01 08 03"),
        (b"\x00\x00\x0a\x03", "00 00 0A 03"),
    ] {
        let expected =
            format!("`x.gz` is not an IDX file: it begins with the bytes {bytes}, not with 00 00 08; use an IDX file");
        assert_eq!(message(start, Content::Images), expected);
        assert_eq!(message(&gzip(start), Content::Labels), expected);
    }
}

/// An IDX file with an axis of four elements, of the type with this code.
fn of_type(code: u8, bytes: &[u8]) -> Vec<u8> {
    [&[0, 0, code, 1, 0, 0, 0, 4], bytes].concat()
}

#[test]
fn elements_of_every_type_are_read_exactly() {
    let big = |words: [i32; 4]| words.map(i32::to_be_bytes).concat();
    for (code, bytes, numbers) in [
        (0x08, vec![0, 1, 128, 255], [0.0, 1.0, 128.0, 255.0]),
        (0x09, vec![0, 1, 128, 255], [0.0, 1.0, -128.0, -1.0]),
        (0x0B, [0i16, 258, i16::MIN, -1].map(i16::to_be_bytes).concat(), [0.0, 258.0, -32_768.0, -1.0]),
        (0x0C, big([0, 16_909_060, i32::MIN, i32::MAX]), [0.0, 16_909_060.0, -2_147_483_648.0, 2_147_483_647.0]),
    ] {
        let file = of_type(code, &bytes);
        let array = read(Path::new("x"), &file[..], file.len() as u64, Content::Labels, usize::MAX).unwrap();
        assert_eq!(array.numbers().collect::<Vec<_>>(), numbers, "{code:#x}");
    }
    let doubles = [0.0, -1.5, f64::MAX, 1.0 / 3.0];
    let floats = [0.0, -1.5, f32::MAX, 1.0 / 3.0];
    for (code, bytes, numbers) in [
        (0x0D, floats.map(f32::to_be_bytes).concat(), floats.map(f64::from)),
        (0x0E, doubles.map(f64::to_be_bytes).concat(), doubles),
    ] {
        let file = [&[0, 0, code, 3], &[0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 1][..], &bytes].concat();
        assert_eq!(images(&file).unwrap().numbers().collect::<Vec<_>>(), numbers, "{code:#x}");
    }
}

#[test]
fn labels_are_whole_numbers() {
    for code in [0x0D, 0x0E] {
        let expected = "`x.gz` holds floats, but labels are whole numbers; choose another file";
        assert_eq!(message(&of_type(code, &[0; 32]), Content::Labels), expected);
    }
}

#[test]
fn other_dimensions_are_refused() {
    let of = |sizes: &[u32], content| message(&idx_file(sizes, &[0; 6]), content);
    let images = ", but images have 3 (images, height, width), or 4 with channels; ";
    let labels = ", but labels have 1 (images), or 2 with several columns; ";
    assert_eq!(of(&[6], Content::Images), format!("`x.gz` has 1 dimension{images}it looks like a file of labels"));
    assert_eq!(of(&[1, 1, 1, 2, 3], Content::Images), format!("`x.gz` has 5 dimensions{images}choose another file"));
    assert_eq!(of(&[2, 3], Content::Images), format!("`x.gz` has 2 dimensions{images}choose another file"));
    assert_eq!(of(&[], Content::Images), format!("`x.gz` has 0 dimensions{images}choose another file"));
    assert_eq!(
        of(&[1, 2, 3], Content::Labels),
        format!("`x.gz` has 3 dimensions{labels}it looks like a file of images")
    );
    assert_eq!(of(&[1, 1, 1, 2, 3], Content::Labels), format!("`x.gz` has 5 dimensions{labels}choose another file"));
    assert_eq!(of(&[], Content::Labels), format!("`x.gz` has 0 dimensions{labels}choose another file"));
    // Several columns.
    let array = read(Path::new("x"), &idx_file(&[2, 3], &[0; 6])[..], 18, Content::Labels, usize::MAX).unwrap();
    assert_eq!(array.sizes, [2, 3]);
}

#[test]
fn empty_axes_are_refused() {
    for (sizes, text) in [([0, 28, 28], "0 x 28 x 28"), ([5, 0, 28], "5 x 0 x 28"), ([1000, 1, 0], "1,000 x 1 x 0")] {
        assert_eq!(
            message(&idx_file(&sizes, &[]), Content::Images),
            format!("`x.gz` holds no images: its header gives the size {text}; choose another file")
        );
    }
    assert_eq!(
        message(&idx_file(&[0], &[]), Content::Labels),
        "`x.gz` holds no labels: its header gives the size 0; choose another file"
    );
}

#[test]
fn files_that_end_early_are_refused() {
    let cut = |length: usize| [valid()[..length].to_vec(), gzip(&valid()[..length])];
    for (length, expected) in [
        (0, "`x.gz` ends after 0 bytes, inside its 16-byte header; download it again"),
        (1, "`x.gz` ends after 1 byte, inside its 16-byte header; download it again"),
        (15, "`x.gz` ends after 15 bytes, inside its 16-byte header; download it again"),
        (16, "`x.gz` ends after 16 of 1,016 bytes; download it again"),
        (1015, "`x.gz` ends after 1,015 of 1,016 bytes; download it again"),
    ] {
        for file in cut(length) {
            assert_eq!(message(&file, Content::Images), expected);
        }
    }
    assert_eq!(
        message(&idx_file(&[3], &[])[..7], Content::Labels),
        "`x.gz` ends after 7 bytes, inside its 8-byte header; download it again"
    );
    // A compressed file that ends early, at any byte.
    let file = gzip(&valid());
    for length in 2..file.len() {
        let message = message(&file[..length], Content::Images);
        let whole = ["incomplete deflate stream", "unexpected end of file"]
            .map(|reason| format!("`x.gz` is a damaged gzip file ({reason}); download it again"));
        // If only the checksum is missing, all data may be there.
        let early = length < file.len() - 12;
        let ends = message.starts_with("`x.gz` ends after ");
        assert!(ends || !early && whole.contains(&message), "{length} of {}: {message}", file.len());
    }
}

#[test]
fn bytes_beyond_the_claim_are_refused() {
    let file = [valid(), vec![0]].concat();
    let expected = "`x.gz` is longer than the 1,016 bytes that its header gives; download it again";
    assert_eq!(message(&file, Content::Images), expected);
    assert_eq!(message(&gzip(&file), Content::Images), expected);
    assert_eq!(message(&[gzip(&valid()), gzip(b"more")].concat(), Content::Images), expected);
}

#[test]
fn damaged_gzip_is_refused() {
    let file = gzip(&valid());
    let with = |index: usize, value: u8| {
        let mut file = file.clone();
        file[index] = value;
        message(&file, Content::Images)
    };
    let of = |reason| format!("`x.gz` is a damaged gzip file ({reason}); download it again");
    let checksum = file.len() - 8;
    assert_eq!(with(checksum, !file[checksum]), of("corrupt gzip stream does not have a matching checksum"));
    assert_eq!(with(2, 7), of("invalid gzip header"));
    assert_eq!(with(10, 0xff), of("corrupt deflate stream"));
    assert_eq!(message(&[file, b"junk that follows".to_vec()].concat(), Content::Images), of("invalid gzip header"));
}

#[test]
fn zeros_after_gzip_are_padding() {
    let (file, zeros) = (valid(), |count: usize| vec![0; count]);
    let whole = images(&file).unwrap();
    // Also more zeros than the buffer of the reader holds.
    for count in [1, 511, 200_000] {
        assert_eq!(images(&[gzip(&file), zeros(count)].concat()).unwrap(), whole);
        let (a, b) = file.split_at(500);
        assert_eq!(images(&[gzip(a), gzip(b), zeros(count)].concat()).unwrap(), whole);
        assert_eq!(images(&[gzip(a), zeros(count), gzip(b), zeros(count)].concat()).unwrap(), whole);
    }
    let labels = [gzip(&idx_file(&[3], &[7, 8, 9])), zeros(100)].concat();
    let labels = read(Path::new("x"), &labels[..], labels.len() as u64, Content::Labels, usize::MAX).unwrap();
    assert_eq!(labels.bytes, [7, 8, 9]);
    // Other bytes are not padding.
    let damaged = "`x.gz` is a damaged gzip file (invalid gzip header); download it again";
    for junk in [&b"junk that follows"[..], &[1; 100]] {
        assert_eq!(message(&[&gzip(&file)[..], &zeros(512), junk].concat(), Content::Images), damaged);
    }
    let more = [gzip(&file), zeros(512), gzip(b"more")].concat();
    let goes_on = "`x.gz` is longer than the 1,016 bytes that its header gives; download it again";
    assert_eq!(message(&more, Content::Images), goes_on);
    // In a file that is not gzipped, zeros are additional pixels.
    assert_eq!(message(&[file, zeros(512)].concat(), Content::Images), goes_on);
}

#[test]
fn no_more_is_read_than_was_asked_for() {
    let pixels: Vec<u8> = (0..1_000_000).map(|pixel| (pixel * 7 % 251) as u8).collect();
    let plain = idx_file(&[10_000, 10, 10], &pixels);
    let zipped = gzip(&plain);
    for (file, count) in [(&plain, 3), (&zipped, 3), (&plain, 0), (&zipped, 0)] {
        let (mut input, mut bytes) = (&file[..], Vec::new());
        let stored = file.len() as u64;
        let (_, sizes) = read_into(&mut bytes, Path::new("x"), &mut input, stored, Content::Images, count).unwrap();
        assert_eq!((sizes, &bytes[..]), (vec![10_000, 10, 10], &pixels[..100 * count]));
        // The decoder reads ahead by a window of 32 KiB.
        let taken = file.len() - input.len();
        assert!(taken < 40_000 && bytes.capacity() <= 1 << 12, "took {taken} bytes into {}", bytes.capacity());
    }
    // If all images are requested, the whole file is checked.
    for count in [10_000, 20_000] {
        let of = |file: &[u8]| read(Path::new("x.gz"), file, file.len() as u64, Content::Images, count);
        assert_eq!(of(&plain).unwrap(), images(&plain).unwrap());
        assert_eq!(of(&zipped).unwrap(), images(&plain).unwrap());
        assert!(matches!(of(&[&plain[..], &[0]].concat()).unwrap_err(), IdxError::Trailing { .. }));
        assert!(matches!(of(&gzip(&[&plain[..], &[0]].concat())).unwrap_err(), IdxError::Trailing { .. }));
    }
}

#[test]
fn of_a_plain_file_that_is_read_in_part_the_length_is_checked() {
    let file = valid();
    let of = |file: &[u8], count| read(Path::new("x"), file, file.len() as u64, Content::Images, count);
    let message = |file: &[u8], count| of(file, count).unwrap_err().to_string();
    assert_eq!(message(&file[..900], 2), "`x` ends after 900 of 1,016 bytes; download it again");
    let more = [&file[..], &[0]].concat();
    assert_eq!(message(&more, 2), "`x` is longer than the 1,016 bytes that its header gives; download it again");
    assert_eq!(message(&file[..100], 2), "`x` ends after 100 of 1,016 bytes; download it again");
    // The length of a pipe is not known.
    let piped = read(Path::new("x"), &file[..], 0, Content::Images, 2).unwrap();
    assert_eq!((piped.sizes, piped.bytes.len()), (vec![5, 20, 10], 400));
    assert_eq!(read(Path::new("x"), &file[..], 0, Content::Images, 5).unwrap().bytes.len(), 1000);
    // Of a gzipped file, the start must be complete and undamaged.
    assert!(matches!(of(&gzip(&file)[..200], 5).unwrap_err(), IdxError::Truncated { .. }));
    assert_eq!(of(&gzip(&file[..800]), 2).unwrap().bytes, file[16..416]);
}

#[test]
fn what_is_not_read_may_be_larger_than_what_vaex_reads() {
    // The header gives 40 GB; 8 KB are read.
    let file = idx_file(&[40_000_000, 10, 100], &[7; 10_000]);
    let images = read(Path::new("x"), &file[..], 16 + 40_000_000_000, Content::Images, 8).unwrap();
    assert_eq!(images.bytes, [7; 8000]);
    let images = read(Path::new("x"), &gzip(&file)[..], 1000, Content::Images, 8).unwrap();
    assert_eq!(images.bytes, [7; 8000]);
}

#[test]
fn claims_beyond_the_limit_are_refused() {
    let of = |sizes: [u32; 3]| message(&idx_file(&sizes, &[0; 100]), Content::Images);
    let text = "more than the maximum of 8,589,934,592 (8 GiB); if that is right, split the file";
    let most = "4,294,967,295";
    assert_eq!(of([u32::MAX; 3]), format!("the header of `x.gz` gives {most} x {most} x {most} bytes, {text}"));
    // 2^64 bytes: the product in 64 bits would be 0.
    let half = "2,147,483,648";
    assert_eq!(of([1 << 31, 1 << 31, 4]), format!("the header of `x.gz` gives {half} x {half} x 4 bytes, {text}"));
    assert_eq!(of([1 << 31, 4, 2]), format!("the header of `x.gz` gives {half} x 4 x 2 bytes, {text}"));
    assert_eq!(of([1 << 31, 2, 2]), "`x.gz` ends after 116 of 8,589,934,608 bytes; download it again");
}

#[test]
fn a_claim_allocates_little() {
    let plain = idx_file(&[1 << 31, 2, 2], &[7; 100]);
    let zipped = gzip(&plain);
    let cases = [(&plain, plain.len() as u64, 1 << 12), (&zipped, 1 << 40, BOMB_FLOOR as usize)];
    for (file, stored, most) in cases {
        let mut bytes = Vec::new();
        read_into(&mut bytes, Path::new("x"), &file[..], stored, Content::Images, usize::MAX).unwrap_err();
        assert_eq!(bytes, [7; 100]);
        assert!(bytes.capacity() <= most, "{}", bytes.capacity());
    }
}

#[test]
fn a_bomb_that_claims_what_it_holds_is_refused() {
    let bomb = gzip(&idx_file(&[100, 1000, 1000], &vec![0; 100_000_000]));
    let size = grouped(bomb.len());
    let start = "the header of `x.gz` gives 100,000,000 bytes, but the gzip file has only";
    let end = "bytes, too few for images; if that is right, decompress the file";
    assert_eq!(message(&bomb, Content::Images), format!("{start} {size} {end}"));
}

#[test]
fn no_more_is_inflated_than_was_claimed() {
    let bomb = gzip(&idx_file(&[1, 10, 10], &vec![0; 64 << 20]));
    let (mut input, mut bytes) = (&bomb[..], Vec::new());
    let error = read_into(&mut bytes, Path::new("x"), &mut input, 100, Content::Images, usize::MAX).unwrap_err();
    assert_eq!(error.to_string(), "`x` is longer than the 116 bytes that its header gives; download it again");
    assert_eq!(bytes.len(), 100);
    // The decoder reads ahead by a window of 32 KiB, which is some hundreds of compressed bytes.
    assert!(bomb.len() - input.len() < 4096, "took {} of {} bytes", bomb.len() - input.len(), bomb.len());
}

#[test]
fn any_bytes_end_in_an_array_or_an_error() {
    let plain = valid();
    let starts = [plain.clone(), gzip(&plain), [gzip(&plain[..30]), gzip(&plain[30..])].concat(), Vec::new()];
    let (mut arrays, mut errors) = (0, std::collections::BTreeSet::new());
    for case in 0..40_000 {
        let mut stream = Stream::new(1, Purpose::Samples, 0, case);
        let mut file = starts[stream.below(4) as usize].clone();
        if file.is_empty() {
            file.resize(stream.below(300) as usize, 0);
            stream.fill_bytes(&mut file);
            // Most random bytes would be refused at their first byte.
            let magic: &[u8] = [&b""[..], &[0, 0], &[0, 0, 8, 3], &[0x1f, 0x8b, 8, 0]][stream.below(4) as usize];
            file.splice(..magic.len().min(file.len()), magic.iter().copied());
        } else {
            for _ in 0..stream.below(4) {
                let range = if stream.below(2) == 0 { file.len() } else { 32.min(file.len()) };
                file[stream.below(range as u64) as usize] = stream.next_u32() as u8;
            }
            match stream.below(8) {
                0 => file.truncate(stream.below(file.len() as u64) as usize),
                1 => file.push(stream.next_u32() as u8),
                _ => {}
            }
        }
        let content = if stream.below(8) == 0 { Content::Labels } else { Content::Images };
        let most = if stream.below(4) == 0 { stream.below(8) as usize } else { usize::MAX };
        let mut bytes = Vec::new();
        match read_into(&mut bytes, Path::new("x"), &file[..], file.len() as u64, content, most) {
            Ok((element, sizes)) => {
                let elements = sizes[0].min(most) * sizes[1..].iter().product::<usize>();
                assert_eq!(bytes.len(), elements * element.size() as usize);
                arrays += 1;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                errors.insert(format!("{error:?}").split([' ', '(']).next().unwrap().to_string());
            }
        }
        assert!(bytes.capacity() <= (1 << 20) + file.len(), "case {case}: {} bytes", bytes.capacity());
    }
    assert!(arrays > 1000, "{arrays}");
    let kinds = [
        "Bomb",
        "Dimensions",
        "Empty",
        "FloatLabels",
        "Gzip",
        "NoHeader",
        "NotIdx",
        "TooLarge",
        "Trailing",
        "Truncated",
    ];
    assert!(errors.iter().eq(kinds), "{errors:?}");
}
