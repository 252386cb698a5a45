//! Files with several named arrays, npz and HDF5: which one has the images, which ones the labels and the other parts.

use super::{FormatError, Place, PlaceParts};

/// Arrays of images, and their labels, in the order in which they are looked for.
const IMAGES: [&str; 11] =
    ["images", "imgs", "x_train", "train_images", "data", "train", "X_train", "x", "X", "arr_0", "image"];

/// For arrays of training images: those of validation images and of test images.
const PARTS: [(&str, &str, &str); 4] = [
    ("x_train", "x_val", "x_test"),
    ("X_train", "X_val", "X_test"),
    ("train_images", "val_images", "test_images"),
    ("train", "valid", "test"),
];

/// For arrays of images: those of their labels or factors.
const LABELS: [(&str, &[&str]); 10] = [
    ("imgs", &["latents_classes", "latents/classes", "latents_values", "latents/values", "labels"]),
    ("images", &["labels", "label", "targets", "factors"]),
    ("x_train", &["y_train"]),
    ("x_val", &["y_val"]),
    ("x_test", &["y_test"]),
    ("X_train", &["y_train", "Y_train"]),
    ("train_images", &["train_labels"]),
    ("val_images", &["val_labels"]),
    ("test_images", &["test_labels"]),
    ("data", &["labels", "label", "targets", "y"]),
];

/// The array of images: the one that is named, the only one, or the first known one.
pub(super) fn chosen(place: &Place, names: &[String]) -> Result<String, FormatError> {
    let list = || names.join(", ");
    match (&place.key, names) {
        (Some(key), _) if names.contains(key) => Ok(key.clone()),
        (Some(key), _) => {
            Err(FormatError::new(&place.path, format!("has no array `{key}`; its arrays are {}", list())))
        }
        (None, [only]) => Ok(only.clone()),
        (None, _) => match IMAGES.iter().find(|name| names.iter().any(|one| one == *name)) {
            Some(name) => Ok((*name).to_owned()),
            None => {
                let first = names.first().map_or("KEY", String::as_str);
                let what = format!("has the arrays {}; name the one with images, as in `{place}:{first}`", list());
                Err(FormatError::new(&place.path, what))
            }
        },
    }
}

/// The places of the parts of a data set, by the names of its arrays.
///
/// # Errors
/// As [`chosen`].
pub(super) fn parts_of(place: &Place, names: &[String]) -> Result<PlaceParts, FormatError> {
    let training = chosen(place, names)?;
    let found = PARTS.iter().find(|(train, _, _)| *train == training);
    let part = |name: &str| names.iter().any(|one| one == name).then(|| place.with_key(name));
    Ok(PlaceParts {
        training: place.with_key(&training),
        validation: found.and_then(|(_, validation, _)| part(validation)),
        test: found.and_then(|(_, _, test)| part(test)),
    })
}

/// The array with the labels or factors of an array of images.
pub(super) fn labels_of<'n>(images: &str, names: &'n [String]) -> Option<&'n str> {
    // The labels of `group/images` are in the same group.
    let (group, own) = images.rsplit_once('/').map_or(("", images), |(group, own)| (&images[..=group.len()], own));
    let (_, labels) = LABELS.iter().find(|(known, _)| *known == own)?;
    let is_one = |name: &&String, labels: &&str| name.strip_prefix(group) == Some(labels);
    labels.iter().find_map(|labels| names.iter().find(|name| is_one(name, labels))).map(String::as_str)
}
