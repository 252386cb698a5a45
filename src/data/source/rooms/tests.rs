//! Tests of the source `rooms`.

use super::scene::PIXELS;
use super::*;
use sha2::{Digest, Sha256};

const ALL: usize = 480_000;

fn image(index: usize) -> Vec<u8> {
    // Values of an image before must not stay.
    let mut image = vec![9; 3 * PIXELS];
    render(index, &mut image);
    image
}

/// The index of a geometry.
fn geometry(scale: usize, shape: usize, orientation: usize) -> usize {
    (scale * scene::SHAPES + shape) * scene::ORIENTATIONS + orientation
}

/// Whether each pixel has a part of the object.
fn has_object(geometry: usize) -> Vec<bool> {
    weights(geometry).iter().map(|[_, _, object, white]| *object > 0 || *white > 0).collect()
}

/// The number of pixels that differ.
fn differ<T: PartialEq>(a: &[T], b: &[T]) -> usize {
    a.iter().zip(b).filter(|(a, b)| a != b).count()
}

#[test]
fn the_factors_are_those_of_3dshapes() {
    let factors: Vec<_> = ROOMS.factors.iter().map(|factor| (factor.name, factor.size)).collect();
    let expected =
        [("floor_hue", 10), ("wall_hue", 10), ("object_hue", 10), ("scale", 8), ("shape", 4), ("orientation", 15)];
    assert_eq!(factors, expected);
    assert_eq!(ROOMS.len(), ALL);
}

#[test]
fn weights_leave_room_for_all_colors() {
    for geometry in 0..GEOMETRIES {
        let weights = weights(geometry);
        let sums = weights.iter().map(|weights| weights.iter().map(|weight| u32::from(*weight)).sum::<u32>());
        // The darkest pixels are in the shadow: 0.4 of 255, less what is lost by rounding down.
        assert!(sums.clone().all(|sum| (98..=255).contains(&sum)), "geometry {geometry}");
        let count = |surface: usize| weights.iter().filter(|weights| weights[surface] > 0).count();
        assert!(count(0) > 1000 && count(1) > 700 && count(2) > 100, "geometry {geometry}");
    }
}

#[test]
fn every_object_is_inside_its_image() {
    for geometry in 0..GEOMETRIES {
        let object = has_object(geometry);
        let is_edge = |place: usize| [0, SIDE - 1].iter().any(|end| place / SIDE == *end || place % SIDE == *end);
        assert!(!(0..PIXELS).any(|place| object[place] && is_edge(place)), "geometry {geometry}");
    }
}

#[test]
fn each_hue_changes_its_surface_only() {
    for (surface, stride) in [(0, 100 * GEOMETRIES), (1, 10 * GEOMETRIES), (2, GEOMETRIES)] {
        for geometry in (0..GEOMETRIES).step_by(31) {
            let [first, other] = [3, 7].map(|hue| image(hue * stride + geometry));
            let pixels = first.as_chunks::<3>().0.iter().zip(other.as_chunks::<3>().0);
            for (place, ((a, b), weights)) in pixels.zip(weights(geometry)).enumerate() {
                // A weight of less than 4 may be too small to change a byte.
                assert!(a == b || weights[surface] > 0, "geometry {geometry}, pixel {place}");
                assert!(a != b || weights[surface] < 4, "geometry {geometry}, pixel {place}");
            }
        }
    }
}

#[test]
fn the_ten_hues_differ() {
    let channels = |color: u64| [color & 0xffff, color >> 16 & 0xffff, color >> 32];
    assert_eq!(channels(color(0, [1.0, 1.0])), [256, 0, 0]);
    assert_eq!(channels(color(5, [1.0, 0.5])), [0, 128, 128]);
    assert_eq!(channels(color(3, [1.0, 1.0])), [51, 256, 0]);
    for [a, b] in (0..HUES).flat_map(|a| (0..a).map(move |b| [a, b])) {
        let [a, b] = [a, b].map(|hue| channels(color(hue, WALL)));
        let distance: u64 = a.iter().zip(b).map(|(a, b)| a.abs_diff(b)).sum();
        assert!(distance > 60, "{a:?} and {b:?}");
    }
}

#[test]
fn scale_and_orientation_are_seen() {
    let area = |scale, shape| has_object(geometry(scale, shape, 7)).iter().filter(|has| **has).count() as f64;
    for shape in 0..scene::SHAPES {
        for scale in 1..scene::SCALES {
            assert!(area(scale, shape) > area(scale - 1, shape));
        }
        // Areas grow with the square of the lengths, and a little more because the object comes nearer.
        let growth = area(scene::SCALES - 1, shape) / area(0, shape);
        assert!((2.3..3.5).contains(&growth), "shape {shape}: {growth}");
        for orientation in 1..scene::ORIENTATIONS {
            let [before, after] = [orientation - 1, orientation].map(|one| image(geometry(4, shape, one)));
            assert!(differ(&before, &after) > 1000);
            // Only the cube turns its edges.
            let [before, after] = [orientation - 1, orientation].map(|one| has_object(geometry(4, shape, one)));
            assert!(shape == 0 || differ(&before, &after) < 4, "shape {shape}, orientation {orientation}");
        }
    }
}

#[test]
fn the_middle_orientation_is_symmetric() {
    for shape in 0..scene::SHAPES {
        let object = has_object(geometry(5, shape, 7));
        let mirrored: Vec<bool> = (0..PIXELS).map(|place| object[place - place % SIDE + 63 - place % SIDE]).collect();
        assert!(differ(&object, &mirrored) < 4, "shape {shape}");
    }
}

#[test]
fn the_definition_has_not_changed() {
    let mut hash = Sha256::new();
    // 1009 and the number of geometries have no common divisor, so nearly all geometries occur.
    (0..ALL).step_by(1009).for_each(|index| hash.update(image(index)));
    let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    // If this fails, images differ from those of earlier versions: then the version of the definition must be raised.
    assert_eq!(hash, "2d94b179c3ea83afa1e451a3a8543b077a7bbea564732c1926225ccd7048edd4");
}
