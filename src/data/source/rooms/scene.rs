//! What the camera of `rooms` sees: how much of each pixel is floor, wall and object, and how bright they are.
//!
//! # Definition, version 1
//! Points are (x, y, z), y up. The floor is y = 0. Walls are x = -3 and z = -3, without end; their corner is behind the object.
//! The camera is 7.4 away from the axis of the object and 3.6 above the floor, in the direction of the diagonal (1, 0, 1)
//! turned by the orientation: -30 + 60 k / 14 degrees for `orientation` k from 0 to 14, towards x if positive. It looks at
//! (0, 0.95, 0). The edges of its image are 0.35 from the middle at distance 1.
//!
//! The object stands on the floor, with the axis x = z = 0. `scale` k multiplies its lengths by 0.75 + 0.5 k / 7, k from 0 to
//! 7. At scale 1:
//! - cube: sides of 1.6, parallel to the walls.
//! - cylinder: radius 0.8, height 1.9.
//! - sphere: radius 1.
//! - capsule: radius 0.6, height 2.4 with its two half spheres.
//!
//! A pixel is the mean of 4x4 rays through the centres of its sixteenths. The brightness of the point that a ray meets is 0.4 +
//! 0.6 c; c is the cosine between the normal and the direction of the light at (0.8, 6, 3.5), and 0 where it is negative or
//! where the object is between point and light. On the object, a part of 0.45 h^32 of the brightness is replaced by white:
//! h is the cosine between the normal and the middle of the directions of the light and of the camera, if c is above 0.
//! The four weights of a pixel are those of floor, wall, object and white, times 255, rounded down.
//!
//! All is computed by `+ - * /` and square roots, which are the same on every machine, and sines and cosines of the crate
//! `libm`.

use std::f64::consts::PI;

/// The height and width of an image.
pub(super) const SIDE: usize = 64;
pub(super) const PIXELS: usize = SIDE * SIDE;
pub(super) const SCALES: usize = 8;
pub(super) const SHAPES: usize = 4;
pub(super) const ORIENTATIONS: usize = 15;

/// The weights of floor, wall, object and white in each pixel, in all at most 255.
pub(super) type Weights = [[u8; 4]; PIXELS];

/// The rays of a pixel in each direction.
const RAYS: usize = 4;
/// The distance of the walls from the axis of the object.
const ROOM: f64 = 3.0;
const CAMERA_DISTANCE: f64 = 7.4;
const CAMERA_HEIGHT: f64 = 3.6;
const TARGET: Vector = [0.0, 0.95, 0.0];
/// Half of the width of the image at distance 1 from the camera.
const VIEW: f64 = 0.35;
const LIGHT: Vector = [0.8, 6.0, 3.5];
/// The brightness of a point without light.
const AMBIENT: f64 = 0.4;
/// The brightest reflection.
const GLOSS: f64 = 0.45;

type Vector = [f64; 3];

fn plus(a: Vector, b: Vector, times: f64) -> Vector {
    std::array::from_fn(|axis| a[axis] + times * b[axis])
}

fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: Vector, b: Vector) -> Vector {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// Of length 1.
fn unit(a: Vector) -> Vector {
    let length = dot(a, a).sqrt();
    a.map(|value| value / length)
}

#[derive(Clone, Copy, Debug)]
struct Ray {
    from: Vector,
    /// Of any length: distances along the ray are in its length.
    along: Vector,
}

/// Where a ray meets a surface.
#[derive(Clone, Copy, Debug)]
struct Hit {
    distance: f64,
    normal: Vector,
}

/// The nearer one.
fn nearer(a: Option<Hit>, b: Option<Hit>) -> Option<Hit> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.distance < a.distance { b } else { a }),
        (a, b) => a.or(b),
    }
}

impl Ray {
    fn at(&self, distance: f64) -> Vector {
        plus(self.from, self.along, distance)
    }

    /// Where it meets a plane across an axis, from its side of higher values.
    fn plane(&self, axis: usize, value: f64) -> Option<Hit> {
        let distance = (value - self.from[axis]) / self.along[axis];
        let mut normal = [0.0; 3];
        normal[axis] = 1.0;
        (self.along[axis] < 0.0 && distance > 0.0).then_some(Hit { distance, normal })
    }

    /// The smaller solution of a t^2 + 2 b t + c = 0, if it is positive: the entry into a round body.
    fn entry([a, b, c]: [f64; 3]) -> Option<f64> {
        let root = b * b - a * c;
        if a <= 0.0 || root < 0.0 {
            return None;
        }
        Some((-b - root.sqrt()) / a).filter(|distance| *distance > 0.0)
    }

    /// Where it enters a sphere around a point of the axis.
    fn sphere(&self, height: f64, radius: f64) -> Option<Hit> {
        let center = [0.0, height, 0.0];
        let from = plus(self.from, center, -1.0);
        let terms = [dot(self.along, self.along), dot(from, self.along), dot(from, from) - radius * radius];
        let distance = Ray::entry(terms)?;
        Some(Hit { distance, normal: unit(plus(self.at(distance), center, -1.0)) })
    }

    /// Where it enters the round side of a cylinder around the axis.
    fn round_side(&self, radius: f64, [low, high]: [f64; 2]) -> Option<Hit> {
        let flat = |[x, _, z]: Vector| [x, 0.0, z];
        let (from, along) = (flat(self.from), flat(self.along));
        let distance = Ray::entry([dot(along, along), dot(from, along), dot(from, from) - radius * radius])?;
        let point = self.at(distance);
        (low..=high).contains(&point[1]).then(|| Hit { distance, normal: unit(flat(point)) })
    }

    /// Where it meets the disk on top of a cylinder.
    fn top(&self, radius: f64, height: f64) -> Option<Hit> {
        self.plane(1, height).filter(|hit| {
            let [x, _, z] = self.at(hit.distance);
            x * x + z * z <= radius * radius
        })
    }

    /// Where it enters a cube on the floor, from above or from a side.
    fn cube(&self, half: f64) -> Option<Hit> {
        let (mut entry, mut exit) = (Hit { distance: 0.0, normal: [0.0; 3] }, f64::INFINITY);
        for (axis, middle) in [0.0, half, 0.0].into_iter().enumerate() {
            let (from, along) = (self.from[axis] - middle, self.along[axis]);
            if along == 0.0 {
                if from.abs() > half {
                    return None;
                }
                continue;
            }
            let side = if along < 0.0 { half } else { -half };
            let distance = (side - from) / along;
            exit = exit.min((-side - from) / along);
            if distance > entry.distance {
                let mut normal = [0.0; 3];
                normal[axis] = if along < 0.0 { 1.0 } else { -1.0 };
                entry = Hit { distance, normal };
            }
        }
        (0.0 < entry.distance && entry.distance <= exit).then_some(entry)
    }
}

/// The object of a geometry.
#[derive(Clone, Copy, Debug)]
struct Object {
    shape: usize,
    scale: f64,
}

impl Object {
    fn hit(self, ray: Ray) -> Option<Hit> {
        let of = |length: f64| length * self.scale;
        match self.shape {
            0 => ray.cube(of(0.8)),
            1 => nearer(ray.round_side(of(0.8), [0.0, of(1.9)]), ray.top(of(0.8), of(1.9))),
            2 => ray.sphere(of(1.0), of(1.0)),
            _ => {
                let (radius, low, high) = (of(0.6), of(0.6), of(1.8));
                let ends = nearer(ray.sphere(low, radius), ray.sphere(high, radius));
                nearer(ends, ray.round_side(radius, [low, high]))
            }
        }
    }

    /// Adds what a ray of the camera sees to the four weights.
    fn add(self, ray: Ray, weights: &mut [f64; 4]) {
        let floor = ray.plane(1, 0.0).map(|hit| (0, hit));
        let walls = nearer(ray.plane(0, -ROOM), ray.plane(2, -ROOM)).map(|hit| (1, hit));
        let object = self.hit(ray).map(|hit| (2, hit));
        let all = [floor, walls, object].into_iter().flatten();
        let Some((surface, hit)) = all.min_by(|(_, a), (_, b)| a.distance.total_cmp(&b.distance)) else { return };
        let point = ray.at(hit.distance);
        let to_light = plus(LIGHT, point, -1.0);
        let mut cosine = dot(hit.normal, unit(to_light)).max(0.0);
        let is_object = surface == 2;
        if !is_object && self.hit(Ray { from: point, along: to_light }).is_some_and(|hit| hit.distance < 1.0) {
            cosine = 0.0;
        }
        let brightness = AMBIENT + (1.0 - AMBIENT) * cosine;
        let gloss = if is_object && cosine > 0.0 { gloss(hit.normal, to_light, ray.along) } else { 0.0 };
        weights[surface] += brightness * (1.0 - gloss);
        weights[3] += brightness * gloss;
    }
}

/// The part of the brightness that is a reflection of the light (Blinn 1977).
fn gloss(normal: Vector, to_light: Vector, along: Vector) -> f64 {
    let middle = unit(plus(unit(to_light), unit(along), -1.0));
    let mut power = dot(normal, middle).max(0.0);
    for _ in 0..5 {
        power *= power;
    }
    GLOSS * power
}

/// The camera of an orientation: where it is, and its directions to the front, to the right and upwards.
fn camera(orientation: usize) -> (Vector, [Vector; 3]) {
    let degrees = -30.0 + 60.0 * orientation as f64 / (ORIENTATIONS - 1) as f64;
    let angle = PI * (45.0 + degrees) / 180.0;
    let eye = [CAMERA_DISTANCE * libm::sin(angle), CAMERA_HEIGHT, CAMERA_DISTANCE * libm::cos(angle)];
    let front = unit(plus(TARGET, eye, -1.0));
    let right = unit(cross(front, [0.0, 1.0, 0.0]));
    (eye, [front, right, cross(right, front)])
}

/// The weights of a geometry: a scale, a shape and an orientation, the last one fastest.
pub(super) fn weights(geometry: usize) -> Box<Weights> {
    let scale = 0.75 + 0.5 * (geometry / (SHAPES * ORIENTATIONS)) as f64 / (SCALES - 1) as f64;
    let object = Object { shape: geometry / ORIENTATIONS % SHAPES, scale };
    let (eye, [front, right, up]) = camera(geometry % ORIENTATIONS);
    // Places are from -1 to 1 across the image.
    let place = |index: usize| ((2 * index + 1) as f64 / (SIDE * RAYS) as f64 - 1.0) * VIEW;
    let mut all = Box::new([[0; 4]; PIXELS]);
    for (pixel, weights) in all.iter_mut().enumerate() {
        let (row, column) = (pixel / SIDE * RAYS, pixel % SIDE * RAYS);
        let mut sums = [0.0; 4];
        for ray in 0..RAYS * RAYS {
            let (x, y) = (place(column + ray % RAYS), -place(row + ray / RAYS));
            let along = plus(plus(front, right, x), up, y);
            object.add(Ray { from: eye, along }, &mut sums);
        }
        *weights = sums.map(|sum| (sum / (RAYS * RAYS) as f64 * 255.0) as u8);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a point is more than a little inside an object of scale 1.
    fn is_inside(shape: usize, [x, y, z]: Vector, margin: f64) -> bool {
        let from_axis = x.hypot(z);
        match shape {
            0 => x.abs().max(z.abs()).max((y - 0.8).abs()) < 0.8 - margin,
            1 => from_axis < 0.8 - margin && (margin..1.9 - margin).contains(&y),
            2 => from_axis.hypot(y - 1.0) < 1.0 - margin,
            _ => from_axis.hypot(y - y.clamp(0.6, 1.8)) < 0.6 - margin,
        }
    }

    #[test]
    fn a_ray_meets_an_object_where_it_enters_it() {
        let (eye, [front, right, up]) = camera(3);
        for (shape, scale) in [(0, 1.0), (1, 1.25), (2, 0.75), (3, 1.1)] {
            let mut hits = 0;
            for place in 0..40 * 40 {
                let (x, y) = (f64::from(place % 40 - 20) * 0.012, f64::from(place / 40 - 20) * 0.012);
                let from_camera = Ray { from: eye, along: plus(plus(front, right, x), up, y) };
                // From the floor to a light above, as for shadows.
                let floor = [20.0 * x, 0.0, 20.0 * y];
                let from_floor = Ray { from: floor, along: plus(LIGHT, floor, -1.0) };
                for ray in [from_camera, from_floor] {
                    let inside =
                        |distance: f64, margin| is_inside(shape, ray.at(distance).map(|value| value / scale), margin);
                    let hit = Object { shape, scale }.hit(ray);
                    let end = hit.map_or(12.0, |hit| hit.distance);
                    let mut before = (0..2000).map(|step| end * f64::from(step) / 2000.0);
                    // Below an object, a ray starts at its surface.
                    if !is_inside(shape, plus(ray.from, [0.0, 1e-6, 0.0], 1.0).map(|value| value / scale), 0.0) {
                        assert!(!before.any(|distance| inside(distance, 1e-6)), "shape {shape}: {ray:?} {hit:?}");
                    }
                    let Some(hit) = hit else { continue };
                    hits += 1;
                    assert!((dot(hit.normal, hit.normal) - 1.0).abs() < 1e-9 && dot(hit.normal, ray.along) <= 0.0);
                    let step = |far| plus(ray.at(hit.distance), hit.normal, far).map(|value| value / scale);
                    assert!(!is_inside(shape, step(1e-6), 0.0), "shape {shape}: {ray:?} {hit:?}");
                    assert!(is_inside(shape, step(-1e-3), 0.0), "shape {shape}: {ray:?} {hit:?}");
                }
            }
            assert!(hits > 200, "{hits}");
        }
    }

    #[test]
    fn the_camera_looks_at_the_object_from_inside_the_room() {
        for orientation in 0..ORIENTATIONS {
            let (eye, [front, right, up]) = camera(orientation);
            assert!(eye[0] > 0.0 && eye[2] > 0.0 && (eye[0].hypot(eye[2]) - CAMERA_DISTANCE).abs() < 1e-12);
            let to_target = plus(TARGET, eye, -1.0);
            assert!(dot(to_target, right).abs() < 1e-12 && dot(to_target, up).abs() < 1e-12);
            assert!(dot(to_target, front) > 7.0 && right[1] == 0.0 && up[1] > 0.8);
        }
        let angle = |orientation| {
            let ([x, _, z], _) = camera(orientation);
            x.atan2(z).to_degrees()
        };
        assert!((angle(0) - 15.0).abs() < 1e-9 && (angle(7) - 45.0).abs() < 1e-9 && (angle(14) - 75.0).abs() < 1e-9);
    }
}
