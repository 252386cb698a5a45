//! Tests of the source `sprites`.

use super::*;
use sha2::{Digest, Sha256};

const ALL: usize = 737_280;

fn image(index: usize) -> Vec<u8> {
    // Values of an image before must not stay.
    let mut image = vec![9; SIDE * SIDE];
    render(index, &mut image);
    image
}

/// The index of the image with these values of the factors after the color.
fn index([shape, scale, orientation, x, y]: [usize; 5]) -> usize {
    (((shape * SCALES + scale) * ORIENTATIONS + orientation) * POSITIONS + x) * POSITIONS + y
}

fn area(mask: &Mask) -> usize {
    mask.iter().map(|row| row.count_ones() as usize).sum()
}

/// The area of a shape at scale 1.
fn exact_area(shape: Shape) -> f64 {
    match shape {
        Shape::Square => SQUARE * SQUARE,
        Shape::Ellipse => PI * ELLIPSE[0] * ELLIPSE[1],
        Shape::Heart => HEART * HEART * (1.0 + PI / 4.0),
    }
}

/// The mean x and y of the pixels of an image.
fn centroid(image: &[u8]) -> [f64; 2] {
    let places = (0..image.len()).filter(|place| image[*place] == 1);
    let (mut count, mut x, mut y) = (0.0, 0.0, 0.0);
    for place in places {
        count += 1.0;
        x += (place % SIDE) as f64 + 0.5;
        y += (place / SIDE) as f64 + 0.5;
    }
    [x / count, y / count]
}

#[test]
fn the_factors_are_those_of_dsprites() {
    let factors: Vec<_> = SPRITES.factors.iter().map(|factor| (factor.name, factor.size)).collect();
    let expected =
        [("color", 1), ("shape", 3), ("scale", 6), ("orientation", 40), ("position_x", 32), ("position_y", 32)];
    assert_eq!(factors, expected);
    assert_eq!(SPRITES.len(), ALL);
}

#[test]
fn areas_are_those_of_the_shapes() {
    for (place, masks) in masks().chunks(ORIENTATIONS).enumerate() {
        let (shape, scale) = (SHAPES[place / SCALES], (5 + place % SCALES) as f64 / 10.0);
        let exact = exact_area(shape) * scale * scale;
        let areas: Vec<f64> = masks.iter().map(|mask| area(mask) as f64).collect();
        let mean = areas.iter().sum::<f64>() / areas.len() as f64;
        assert!((mean / exact - 1.0).abs() < 0.025, "{shape:?} {scale}: {mean} instead of {exact}");
        let farthest = areas.iter().map(|area| (area - exact).abs()).fold(0.0, f64::max);
        assert!(farthest < 13.0, "{shape:?} {scale}: {areas:?} instead of {exact}");
    }
}

#[test]
fn centroids_are_at_the_positions() {
    for shape in 0..3 {
        for (scale, orientation, x, y) in [(0, 0, 0, 0), (2, 11, 31, 0), (5, 22, 7, 31), (3, 38, 31, 31)] {
            let [right, down] = centroid(&image(index([shape, scale, orientation, x, y])));
            let error = (right - (16.5 + x as f64)).hypot(down - (16.5 + y as f64));
            assert!(error < 0.25, "shape {shape}, scale {scale}, orientation {orientation}: {error} pixels");
        }
    }
}

#[test]
fn the_last_orientation_is_the_first() {
    for masks in masks().chunks(ORIENTATIONS) {
        assert_eq!(masks[0], masks[39]);
        let different: std::collections::BTreeSet<_> = masks.iter().collect();
        assert!(different.len() > 1);
    }
}

#[test]
fn shapes_turn_counterclockwise() {
    // A quarter is not an orientation: 10 of 39 is 2.3 degrees more, by which the square barely differs.
    let [first, quarter] = [0, 10].map(|orientation| image(index([0, 5, orientation, 16, 16])));
    let differ = first.iter().zip(&quarter).filter(|(a, b)| a != b).count();
    assert!(differ < 20, "{differ} pixels");
    // An eighth: the long axis of the ellipse goes from the lower left to the upper right.
    let ellipse = image(index([1, 5, 5, 15, 15]));
    let at = |right: i32, up: i32| ellipse[(31 - up) as usize * SIDE + (31 + right) as usize];
    assert_eq!([at(7, 7), at(-7, -7), at(7, -7), at(-7, 7)], [1, 1, 0, 0]);
    // The tip of the heart is below, and after a quarter to the right.
    let reach = |orientation: usize| {
        let heart = image(index([2, 5, orientation, 15, 15]));
        let is_set = |row: i32, column: i32| heart[row as usize * SIDE + column as usize] == 1;
        let longest = |set: &dyn Fn(i32) -> bool| (0..20).take_while(|far| set(*far)).count();
        [
            longest(&|far| is_set(31 + far, 31)),
            longest(&|far| is_set(31, 31 + far)),
            longest(&|far| is_set(31 - far, 31)),
        ]
    };
    let ([below, _, above], [_, right, _]) = (reach(0), reach(10));
    assert_eq!([below, above, right], [11, 6, 11]);
}

#[test]
fn every_shape_is_inside_its_image() {
    for (place, mask) in masks().iter().enumerate() {
        for (x, y) in [(0, 0), (0, 31), (31, 0), (31, 31)] {
            let image = image((place * POSITIONS + x) * POSITIONS + y);
            assert!(image.iter().all(|bit| *bit <= 1));
            assert_eq!(image.iter().filter(|bit| **bit == 1).count(), area(mask));
        }
    }
    // The masks have all pixels of their shapes: beyond them there is none.
    for (place, shape) in SHAPES.into_iter().enumerate() {
        let edge = (0..ORIENTATIONS).map(|turn| (place * SCALES + SCALES - 1) * ORIENTATIONS + turn);
        for index in edge {
            let turn = TAU * (index % ORIENTATIONS) as f64 / 39.0;
            let far = 14.0;
            for other in -14..=14 {
                for (right, up) in [(far, f64::from(other)), (f64::from(other), far)] {
                    for (right, up) in [(right, up), (-right, -up)] {
                        let (sine, cosine) = turn.sin_cos();
                        assert!(!shape.contains(cosine * right + sine * up, cosine * up - sine * right));
                    }
                }
            }
        }
    }
}

#[test]
fn an_image_is_that_of_the_factors_of_its_index() {
    for index in (0..ALL).step_by(7919) {
        let (image, place) = (image(index), [index / 32 % 32, index % 32]);
        let orientation = index / 1024 % 40;
        let turn = if orientation == 39 { 0.0 } else { TAU * orientation as f64 / 39.0 };
        let (scale, shape) = ((5 + index / 40_960 % 6) as f64 / 10.0, SHAPES[index / 245_760]);
        let (sine, cosine) = turn.sin_cos();
        for (pixel, bit) in image.iter().enumerate() {
            let right = ((pixel % SIDE) as f64 - 16.0 - place[0] as f64) / scale;
            let up = (16.0 + place[1] as f64 - (pixel / SIDE) as f64) / scale;
            let is_inside = shape.contains(cosine * right + sine * up, cosine * up - sine * right);
            assert_eq!(*bit == 1, is_inside, "image {index}, pixel {pixel}");
        }
    }
}

#[test]
fn the_definition_has_not_changed() {
    let mut hash = Sha256::new();
    (0..ALL).step_by(997).for_each(|index| hash.update(image(index)));
    let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    // If this fails, images differ from those of earlier versions: then the version of the definition must be raised.
    assert_eq!(hash, "6bd54513c30d8f440352210f9e318cf1767f538a24cd76982d4f4a5ad8e35d76");
}
