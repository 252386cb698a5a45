//! Data that is not there, is damaged, or is too little.

use super::{data_refused, refused};
use crate::harness::{gzip, idx};

#[test]
fn idx_without_images_is_reported() {
    refused(
        r#"[data]
source = "idx"
"#,
        r#"error: `data.images` is missing: `data.source = "idx"` reads its images from that IDX file; name one
 --> spec.toml:2:10
  |
2 | source = "idx"
  |          ^^^^^
"#,
    );
}

#[test]
fn a_missing_idx_file_is_reported() {
    refused(
        r#"[data]
source = "idx"
images = "images.idx"
"#,
        r#"error: cannot read images.idx: No such file or directory (os error 2)
 --> spec.toml:3:10
  |
3 | images = "images.idx"
  |          ^^^^^^^^^^^^
  |
  = help: paths are relative to the folder of the spec
"#,
    );
}

#[test]
fn a_folder_in_place_of_an_idx_file_is_reported() {
    refused(
        r#"[data]
source = "idx"
images = "."
"#,
        r#"error: cannot read .: Is a directory (os error 21)
 --> spec.toml:3:10
  |
3 | images = "."
  |          ^^^
"#,
    );
}

#[test]
fn an_idx_file_that_ends_early_is_reported() {
    data_refused(
        r#"[data]
source = "idx"
images = "images.idx"
"#,
        &[("images.idx", &idx(&[10, 4, 4], 100))],
        r#"error: `images.idx` ends after 116 of 176 bytes; download it again
 --> spec.toml:3:10
  |
3 | images = "images.idx"
  |          ^^^^^^^^^^^^
"#,
    );
}

#[test]
fn a_file_that_is_not_idx_is_reported() {
    data_refused(
        r#"[data]
source = "idx"
images = "images.idx"
"#,
        &[("images.idx", b"these are no images\n")],
        r#"error: `images.idx` is not an IDX file: it begins with the bytes 74 68 65 73, not with 00 00 08; give an IDX file
 --> spec.toml:3:10
  |
3 | images = "images.idx"
  |          ^^^^^^^^^^^^
"#,
    );
}

#[test]
fn labels_given_as_images_are_reported() {
    data_refused(
        r#"[data]
source = "idx"
images = "images.idx"
"#,
        &[("images.idx", &idx(&[10], 10))],
        r#"error: `images.idx` has 1 dimension; images have 3 (images, height, width); it looks like a file of labels
 --> spec.toml:3:10
  |
3 | images = "images.idx"
  |          ^^^^^^^^^^^^
"#,
    );
}

#[test]
fn images_given_as_labels_are_reported() {
    data_refused(
        r#"[data]
source = "idx"
images = "images.idx"
labels = "labels.idx"
"#,
        &[("images.idx", &idx(&[10, 4, 4], 160)), ("labels.idx", &idx(&[10, 4, 4], 160))],
        r#"error: `labels.idx` has 3 dimensions; labels have 1; it looks like a file of images
 --> spec.toml:4:10
  |
4 | labels = "labels.idx"
  |          ^^^^^^^^^^^^
"#,
    );
}

#[test]
fn a_gzip_bomb_is_reported_and_not_inflated() {
    data_refused(
        r#"[data]
source = "idx"
images = "images.gz"
"#,
        &[("images.gz", &gzip(&idx(&[10, 4, 4], 64 << 20)))],
        r#"error: `images.gz` goes on after the 176 bytes that its header claims; download it again
 --> spec.toml:3:10
  |
3 | images = "images.gz"
  |          ^^^^^^^^^^^
"#,
    );
}

#[test]
fn a_header_that_claims_2_to_the_40_bytes_is_reported() {
    data_refused(
        r#"[data]
source = "idx"
images = "images.idx"
"#,
        &[("images.idx", &idx(&[1 << 20, 1 << 10, 1 << 10], 100))],
        r#"error: `images.idx` claims to hold 1,048,576 x 1,024 x 1,024 bytes, more than the 8,589,934,592 (8 GiB) that vaex reads; if it is that large, split it
 --> spec.toml:3:10
  |
3 | images = "images.idx"
  |          ^^^^^^^^^^^^
"#,
    );
}

#[test]
fn labels_of_other_images_are_reported() {
    data_refused(
        r#"[data]
source = "idx"
images = "images.idx"
labels = "labels.idx"
"#,
        &[("images.idx", &idx(&[10, 4, 4], 160)), ("labels.idx", &idx(&[9], 9))],
        r#"error: `labels.idx` holds 9 labels, but `images.idx` holds 10 images; give the labels of these images
 --> spec.toml:4:10
  |
4 | labels = "labels.idx"
  |          ^^^^^^^^^^^^
"#,
    );
}

#[test]
fn test_images_of_other_sides_are_reported() {
    data_refused(
        r#"[data]
source = "idx"
images = "images.idx"
test_images = "test.idx"
"#,
        &[("images.idx", &idx(&[10, 4, 4], 160)), ("test.idx", &idx(&[5, 4, 5], 100))],
        r#"error: `test.idx` holds images of 4 x 5 pixels, but `images.idx` of 4 x 4; both must have the same sides
 --> spec.toml:4:15
  |
4 | test_images = "test.idx"
  |               ^^^^^^^^^^
"#,
    );
}

#[test]
fn test_labels_without_test_images_are_reported() {
    data_refused(
        r#"[data]
source = "idx"
images = "images.idx"
test_labels = "labels.idx"
"#,
        &[("images.idx", &idx(&[10, 4, 4], 160)), ("labels.idx", &idx(&[9], 9))],
        r#"error: `data.test_labels` is given without `data.test_images`, the images that it is about; give both or neither
 --> spec.toml:4:15
  |
4 | test_labels = "labels.idx"
  |               ^^^^^^^^^^^^
"#,
    );
}

#[test]
fn a_file_named_beside_embedded_data_is_reported() {
    refused(
        r#"[data]
images = "images.idx"
"#,
        r#"error: `data.images` names a file, but `data.source = "fashion-mini"` reads none; remove it, or set `data.source = "idx"`
 --> spec.toml:2:10
  |
2 | images = "images.idx"
  |          ^^^^^^^^^^^^
"#,
    );
}

#[test]
fn a_limit_larger_than_the_file_is_reported() {
    data_refused(
        r#"[data]
source = "idx"
images = "images.idx"
limit = 11
"#,
        &[("images.idx", &idx(&[10, 4, 4], 160))],
        "\
error: `data.limit` is 11, but `images.idx` holds 10 images; lower it or remove it
 --> spec.toml:4:9
  |
4 | limit = 11
  |         ^^
",
    );
}

#[test]
fn a_limit_larger_than_the_embedded_data_is_reported() {
    refused(
        "\
[data]
limit = 2001
",
        "\
error: `data.limit` is 2,001, but `fashion-mini` holds 2,000 images; lower it or remove it
 --> spec.toml:2:9
  |
2 | limit = 2001
  |         ^^^^
",
    );
}

#[test]
fn a_limit_of_0_is_reported() {
    refused(
        "\
[data]
limit = 0
",
        "\
error: `data.limit` is 0; give at least 1, or remove it
 --> spec.toml:2:9
  |
2 | limit = 0
  |         ^
",
    );
}

#[test]
fn a_validation_of_0_is_reported() {
    refused(
        "\
[data]
validation = 0
",
        "\
error: `data.validation` is 0, which holds out 0 of 2,000 images; leave at least 1 for training and 1 for validation
 --> spec.toml:2:14
  |
2 | validation = 0
  |              ^
",
    );
}

#[test]
fn a_validation_of_all_is_reported() {
    refused(
        "\
[data]
validation = 1.0
",
        "\
error: `data.validation` is 1; give a number of images, or a fraction above 0 and below 1
 --> spec.toml:2:14
  |
2 | validation = 1.0
  |              ^^^
",
    );
}

#[test]
fn a_validation_larger_than_the_data_is_reported() {
    refused(
        "\
[data]
validation = 3000
",
        "\
error: `data.validation` is 3,000, which holds out 3,000 of 2,000 images; leave at least 1 for training and 1 for validation
 --> spec.toml:2:14
  |
2 | validation = 3000
  |              ^^^^
",
    );
}

#[test]
fn a_validation_that_rounds_to_nothing_is_reported() {
    refused(
        "\
[data]
limit = 200
validation = 0.001
",
        "\
error: `data.validation` is 0.001, which holds out 0 of 200 images; leave at least 1 for training and 1 for validation
 --> spec.toml:3:14
  |
3 | validation = 0.001
  |              ^^^^^
",
    );
}

#[test]
fn a_default_validation_that_rounds_to_nothing_is_reported_at_the_limit() {
    refused(
        "\
[data]
limit = 2
[train]
batch_size = 1
",
        "\
error: `data.validation` is 0.1, which holds out 0 of 2 images; leave at least 1 for training and 1 for validation
 --> spec.toml:2:9
  |
2 | limit = 2
  |         ^
",
    );
}
