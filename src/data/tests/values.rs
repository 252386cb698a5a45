//! Tests of the values of images: their interval, and what they are checked for.

use super::*;

/// A folder with files of 4 images of 2 x 2 pixels.
fn scales() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, pixels: [u8; 16]| {
        std::fs::write(folder.path().join(name), gzip(&idx_file(&[4, 2, 2], &pixels))).unwrap();
    };
    write("bits", [0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 1, 1, 1, 1]);
    write("zeros", [0; 16]);
    write("late", [0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 2, 0, 0]);
    write("black-and-white", [0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255, 0]);
    write("grey", [0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 254, 0]);
    folder
}

#[test]
fn zeros_and_ones_are_not_read_as_greys() {
    let folder = scales();
    let load = |data: Data| {
        let validation = data.validation_images.is_none().then_some(Held::Images(1));
        let data = Data { validation, ..data };
        load(&data, folder.path())
            .map_err(|error| (error.to_string().replace(&format!("{}/", folder.path().display()), ""), error.key()))
    };
    let advice = "so vaex would read white as 1/255; write `stored = [0, 1]` in `[data]` if 1 is white, or \
                  `stored = [0, 255]` if the images really are that dark";
    let message = format!("`bits` has only the values 0 and 1, {advice}");
    assert_eq!(load(idx("bits")).unwrap_err(), (message, "data.images"));
    for limit in [2, 3] {
        let message = format!("the first {limit} images of `late` have only the values 0 and 1, {advice}");
        assert_eq!(load(Data { limit: Some(limit), ..idx("late") }).unwrap_err(), (message, "data.images"));
    }
    assert!(load(idx("late")).is_ok() && load(idx("zeros")).is_ok() && load(idx("black-and-white")).is_ok());
    for stored in [[0.0, 1.0], [0.0, 255.0]] {
        assert!(load(Data { stored: Some(stored), ..idx("bits") }).is_ok());
    }
    let validated = |train: &str, stored| Data { validation_images: Some("bits".into()), stored, ..idx(train) };
    let message = "`bits` has only the values 0 and 1, unlike the training images; scale both to the same values, or write \
                   `stored = [0, 255]` in `[data]` if these images really are that dark";
    assert_eq!(load(validated("grey", None)).unwrap_err(), (message.into(), "data.validation_images"));
    assert!(load(validated("bits", Some([0.0, 1.0]))).is_ok() && load(validated("grey", Some([0.0, 255.0]))).is_ok());
    let tested = Data { test_images: Some("bits".into()), ..idx("grey") };
    assert_eq!(load(tested).unwrap_err(), (message.into(), "data.test_images"));
}

#[test]
fn values_outside_of_what_is_stored_are_refused() {
    let folder = scales();
    let load = |images: &str, validation: Option<&str>, stored| {
        let data = Data {
            validation_images: validation.map(PathBuf::from),
            stored: Some(stored),
            validation: validation.is_none().then_some(Held::Images(1)),
            ..idx(images)
        };
        load(&data, folder.path()).map_err(|error| {
            assert_eq!(error.key(), "data.stored");
            error.to_string().replace(&format!("{}/", folder.path().display()), "")
        })
    };
    let message = "`late` has the value 2 in image 3 (counted from 0), outside `data.stored` = [0, 1]; correct \
                   `data.stored` or the file";
    assert_eq!(load("late", None, [0.0, 1.0]).unwrap_err(), message);
    assert_eq!(load("bits", Some("late"), [0.0, 1.0]).unwrap_err(), message);
    let message = "`grey` has the value 0 in image 0 (counted from 0), outside `data.stored` = [16, 235]; correct \
                   `data.stored` or the file";
    assert_eq!(load("grey", None, [16.0, 235.0]).unwrap_err(), message);
    assert!(load("late", None, [0.0, 2.0]).is_ok() && load("grey", None, [0.0, 255.0]).is_ok());
    // An invalid `stored` is an error of the spec.
    assert!(load("grey", None, [1.0, 0.0]).is_ok() && load("grey", None, [f64::NAN, 1.0]).is_ok());
}

#[test]
fn an_image_is_named_by_its_place_in_the_file() {
    let folder = scales();
    let data = |split_seed| Data {
        split: Some(SplitMethod::Random),
        split_seed,
        stored: Some([0.0, 1.0]),
        validation: Some(Held::Images(1)),
        ..idx("late")
    };
    for split_seed in 0..5 {
        let error = load(&data(split_seed), folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("`data.stored` = [0, 1]") && error.contains(" has the value 2 in image 3 (counted"),
            "{error}"
        );
        // Three images of `late` have only zeros and ones.
        let limited = Data { stored: None, limit: Some(1), ..data(split_seed) };
        let limited = Data { validation: Some(Held::Images(0)), ..limited };
        if let Err(error) = load(&limited, folder.path()) {
            let start =
                format!("1 random image of `{}` has only the values 0 and 1, so", folder.path().join("late").display());
            assert!(error.to_string().starts_with(&start), "{error}");
        }
    }
}

#[test]
fn images_for_a_model_must_be_of_its_scale() {
    let folder = scales();
    let read = |file: &str, stored: Option<[f64; 2]>| {
        let trained = (stored.unwrap_or(BYTES), ImageShape::grey(2, 2));
        files(folder.path())
            .images_alike(trained, &Data::default().settings(), &folder.path().join(file), None)
            .map(|images| images.len())
            .map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
    };
    let bits = "`bits` has only the values 0 and 1, but the model was trained on values from 0 to 255; multiply them \
                by 255";
    assert_eq!(read("bits", None), Err(bits.into()));
    let outside = "`late` has the value 2 in image 3 (counted from 0), but the model was trained on values from 0 to 1; \
                   scale the images to these values";
    assert_eq!(read("late", Some([0.0, 1.0])), Err(outside.into()));
    assert_eq!(read("bits", Some([0.0, 1.0])), Ok(4));
    // The last image shows that these are dark grey values.
    assert_eq!((read("late", None), read("grey", None)), (Ok(4), Ok(4)));
}

#[test]
fn grey_is_what_is_neither_black_nor_white() {
    let folder = scales();
    let is_grey = |file: &str, stored| {
        let data = Data { stored, validation: Some(Held::Images(1)), ..idx(file) };
        load(&data, folder.path()).unwrap().is_grey
    };
    // The last pixels are in the validation images.
    assert!(is_grey("grey", None) && is_grey("late", Some([0.0, 3.0])) && is_grey("bits", Some([0.0, 255.0])));
    assert!(!is_grey("black-and-white", None) && !is_grey("bits", Some([0.0, 1.0])) && !is_grey("zeros", None));
    assert!(load(&Data::default(), folder.path()).unwrap().is_grey);
}

#[test]
fn a_pixel_is_found_wherever_it_is() {
    for index in [0, 1, 4095, 4096, 9999] {
        let mut pixels = vec![0u8; 10_000];
        pixels[index] = 3;
        let images = Images::new(pixels, ImageShape::grey(10, 10));
        assert_eq!(images.outside([0.0, 2.0]), Some((index / 100, 3.0)));
        assert_eq!((images.outside([0.0, 3.0]), images.are_grey([0.0, 3.0])), (None, false));
        assert!(images.are_grey([0.0, 2.0]) && !images.are_at_most_one());
    }
}
