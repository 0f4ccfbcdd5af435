//! Verification arithmetic on y² = x³ − 3x + b over 256-bit primes: P-256 and SM2.
//!
//! The general-purpose curve crates compute in constant time, which signing needs and verification
//! does not: key, message and signature are public. In variable time, with a table of the generator
//! and without a final inversion, a verification costs about a quarter. Nothing in this module may
//! touch a secret. Tests compare it with those crates on random, extreme and published inputs.

// Arithmetic on limbs: truncation and wrapping are the operations themselves.
#![allow(clippy::cast_possible_truncation)]

use core::marker::PhantomData;
use std::sync::LazyLock;

/// A 256-bit number, least significant limb first.
pub(crate) type Limbs = [u64; 4];

/// A curve of prime order with a = −3. Numbers are plain, not in Montgomery form.
pub(crate) trait Curve: Copy + 'static {
    /// Prime of the field, above 2^255, congruent 3 modulo 4.
    const PRIME: Limbs;
    /// Order of the group, below the prime.
    const ORDER: Limbs;
    /// The coefficient b.
    const B: Limbs;
    /// The generator (x, y).
    const GENERATOR: (Limbs, Limbs);
    /// Odd multiples of the generator.
    fn generator_table() -> &'static [Affine<Self>];
}

/// NIST P-256 (FIPS 186-5, SP 800-186).
#[derive(Clone, Copy)]
pub(crate) struct P256;

impl Curve for P256 {
    const PRIME: Limbs = [0xffff_ffff_ffff_ffff, 0x0000_0000_ffff_ffff, 0, 0xffff_ffff_0000_0001];
    const ORDER: Limbs = [0xf3b9_cac2_fc63_2551, 0xbce6_faad_a717_9e84, 0xffff_ffff_ffff_ffff, 0xffff_ffff_0000_0000];
    const B: Limbs = [0x3bce_3c3e_27d2_604b, 0x651d_06b0_cc53_b0f6, 0xb3eb_bd55_7698_86bc, 0x5ac6_35d8_aa3a_93e7];
    const GENERATOR: (Limbs, Limbs) = (
        [0xf4a1_3945_d898_c296, 0x7703_7d81_2deb_33a0, 0xf8bc_e6e5_63a4_40f2, 0x6b17_d1f2_e12c_4247],
        [0xcbb6_4068_37bf_51f5, 0x2bce_3357_6b31_5ece, 0x8ee7_eb4a_7c0f_9e16, 0x4fe3_42e2_fe1a_7f9b],
    );

    fn generator_table() -> &'static [Affine<Self>] {
        static TABLE: LazyLock<Vec<Affine<P256>>> = LazyLock::new(build_generator_table);
        &TABLE
    }
}

/// The recommended curve of SM2 (GB/T 32918.5-2017).
#[derive(Clone, Copy)]
pub(crate) struct Sm2;

impl Curve for Sm2 {
    const PRIME: Limbs = [0xffff_ffff_ffff_ffff, 0xffff_ffff_0000_0000, 0xffff_ffff_ffff_ffff, 0xffff_fffe_ffff_ffff];
    const ORDER: Limbs = [0x53bb_f409_39d5_4123, 0x7203_df6b_21c6_052b, 0xffff_ffff_ffff_ffff, 0xffff_fffe_ffff_ffff];
    const B: Limbs = [0xddbc_bd41_4d94_0e93, 0xf397_89f5_15ab_8f92, 0x4d5a_9e4b_cf65_09a7, 0x28e9_fa9e_9d9f_5e34];
    const GENERATOR: (Limbs, Limbs) = (
        [0x715a_4589_334c_74c7, 0x8fe3_0bbf_f266_0be1, 0x5f99_0446_6a39_c994, 0x32c4_ae2c_1f19_8119],
        [0x02df_32e5_2139_f0a0, 0xd0a9_877c_c62a_4740, 0x59bd_cee3_6b69_2153, 0xbc37_36a2_f4f6_779c],
    );

    fn generator_table() -> &'static [Affine<Self>] {
        static TABLE: LazyLock<Vec<Affine<Sm2>>> = LazyLock::new(build_generator_table);
        &TABLE
    }
}

/// Reads 32 big-endian bytes.
pub(crate) fn limbs_from_bytes(bytes: &[u8; 32]) -> Limbs {
    let mut limbs = [0u64; 4];
    for (limb, chunk) in limbs.iter_mut().rev().zip(bytes.chunks(8)) {
        *limb = chunk.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte));
    }
    limbs
}

fn bytes_from_limbs(limbs: &Limbs) -> [u8; 32] {
    let mut bytes = [0u8; 32];
    for (chunk, limb) in bytes.chunks_mut(8).zip(limbs.iter().rev()) {
        chunk.copy_from_slice(&limb.to_be_bytes());
    }
    bytes
}

const fn add_limbs(left: &Limbs, right: &Limbs) -> (Limbs, bool) {
    let mut sum = [0u64; 4];
    let mut carry = 0u128;
    let mut index = 0;
    while index < 4 {
        carry = carry.wrapping_add(left[index] as u128).wrapping_add(right[index] as u128);
        sum[index] = carry as u64;
        carry >>= 64;
        index += 1;
    }
    (sum, carry != 0)
}

const fn subtract_limbs(left: &Limbs, right: &Limbs) -> (Limbs, bool) {
    let mut difference = [0u64; 4];
    let mut borrow = false;
    let mut index = 0;
    while index < 4 {
        let (partial, first) = left[index].overflowing_sub(right[index]);
        let (result, second) = partial.overflowing_sub(borrow as u64);
        difference[index] = result;
        borrow = first || second;
        index += 1;
    }
    (difference, borrow)
}

/// `carry · 2^256 + value`, which is below twice the prime, reduced.
const fn reduce_once(value: &Limbs, carry: bool, prime: &Limbs) -> Limbs {
    let (reduced, borrow) = subtract_limbs(value, prime);
    // Selected by mask: the outcome is a coin toss, which branches predict badly.
    let keep = 0u64.wrapping_sub((borrow && !carry) as u64);
    let mut result = [0u64; 4];
    let mut index = 0;
    while index < 4 {
        result[index] = (value[index] & keep) | (reduced[index] & !keep);
        index += 1;
    }
    result
}

/// 2^(256 + exponent) modulo the prime.
const fn power_of_two(exponent: u32, prime: &Limbs) -> Limbs {
    let (mut value, _) = subtract_limbs(&[0; 4], prime);
    let mut done = 0;
    while done < exponent {
        let (doubled, carry) = add_limbs(&value, &value);
        value = reduce_once(&doubled, carry, prime);
        done += 1;
    }
    value
}

/// −prime⁻¹ modulo 2^64, by Newton's iteration.
const fn negated_inverse(prime: u64) -> u64 {
    let mut inverse = 1u64;
    let mut round = 0;
    while round < 6 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(prime.wrapping_mul(inverse)));
        round += 1;
    }
    inverse.wrapping_neg()
}

/// `sum + left · right + carry` as low and high limb; it always fits.
#[inline]
const fn multiply_add(sum: u64, left: u64, right: u64, carry: u64) -> (u64, u64) {
    let wide = (left as u128).wrapping_mul(right as u128).wrapping_add(sum as u128).wrapping_add(carry as u128);
    (wide as u64, (wide >> 64) as u64)
}

/// A field element in Montgomery form, always below the prime.
struct Element<C>(Limbs, PhantomData<C>);

impl<C> Clone for Element<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Element<C> {}

impl<C> PartialEq for Element<C> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<C: Curve> Element<C> {
    const ZERO: Self = Self([0; 4], PhantomData);
    const ONE: Self = Self(power_of_two(0, &C::PRIME), PhantomData);
    const CONVERSION: Self = Self(power_of_two(256, &C::PRIME), PhantomData);
    const NEGATED_INVERSE: u64 = negated_inverse(C::PRIME[0]);

    /// Takes a plain number; `None` if it is not below the prime.
    fn from_limbs(limbs: &Limbs) -> Option<Self> {
        let (_, below) = subtract_limbs(limbs, &C::PRIME);
        below.then(|| Self(*limbs, PhantomData).multiply(&Self::CONVERSION))
    }

    /// The plain number.
    fn to_limbs(self) -> Limbs {
        self.multiply(&Self([1, 0, 0, 0], PhantomData)).0
    }

    fn add(&self, other: &Self) -> Self {
        let (sum, carry) = add_limbs(&self.0, &other.0);
        Self(reduce_once(&sum, carry, &C::PRIME), PhantomData)
    }

    fn double(&self) -> Self {
        self.add(self)
    }

    fn subtract(&self, other: &Self) -> Self {
        let (difference, borrow) = subtract_limbs(&self.0, &other.0);
        let mask = 0u64.wrapping_sub(u64::from(borrow));
        let correction = C::PRIME.map(|limb| limb & mask);
        Self(add_limbs(&difference, &correction).0, PhantomData)
    }

    fn negate(&self) -> Self {
        Self::ZERO.subtract(self)
    }

    /// Montgomery multiplication, one limb of `other` at a time.
    #[inline]
    fn multiply(&self, other: &Self) -> Self {
        let left = &self.0;
        let mut sum = [0u64; 4];
        let mut top = 0u64;
        for factor in other.0 {
            let mut carry = 0;
            for index in 0..4 {
                (sum[index], carry) = multiply_add(sum[index], left[index], factor, carry);
            }
            let (upper, first) = top.overflowing_add(carry);
            let quotient = sum[0].wrapping_mul(Self::NEGATED_INVERSE);
            let (_, mut carry) = multiply_add(sum[0], quotient, C::PRIME[0], 0);
            for index in 1..4 {
                (sum[index - 1], carry) = multiply_add(sum[index], quotient, C::PRIME[index], carry);
            }
            let (upper, second) = upper.overflowing_add(carry);
            sum[3] = upper;
            top = u64::from(first) | u64::from(second);
        }
        Self(reduce_once(&sum, top != 0, &C::PRIME), PhantomData)
    }

    fn square(&self) -> Self {
        self.multiply(self)
    }

    /// Raises to a plain power, four bits at a time.
    fn power(&self, exponent: &Limbs) -> Self {
        let mut powers = [Self::ONE; 16];
        for index in 1..16 {
            powers[index] = powers[index - 1].multiply(self);
        }
        let mut result = Self::ONE;
        for limb in exponent.iter().rev() {
            for position in (0..16).rev() {
                result = result.square().square().square().square();
                let digit = (limb >> (4 * position)) & 15;
                result = result.multiply(&powers[digit as usize]);
            }
        }
        result
    }

    /// The inverse, by Fermat's little theorem; zero gives zero.
    fn invert(&self) -> Self {
        let (exponent, _) = subtract_limbs(&C::PRIME, &[2, 0, 0, 0]);
        self.power(&exponent)
    }

    /// A square root, if there is one: the power (p + 1) / 4.
    fn square_root(&self) -> Option<Self> {
        let prime = C::PRIME;
        // (p + 1) / 4 = (p − 3) / 4 + 1 and p ends in the bits 11.
        let mut quarter = [0u64; 4];
        for index in 0..4 {
            let above = prime.get(index + 1).copied().unwrap_or(0);
            quarter[index] = (prime[index] >> 2) | (above << 62);
        }
        let (exponent, _) = add_limbs(&quarter, &[1, 0, 0, 0]);
        let root = self.power(&exponent);
        (root.square() == *self).then_some(root)
    }
}

/// A point other than the neutral one.
pub(crate) struct Affine<C> {
    x: Element<C>,
    y: Element<C>,
}

impl<C> Clone for Affine<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Affine<C> {}

impl<C: Curve> Affine<C> {
    /// Decodes a compressed SEC 1 point; `None` for any other form and for what is not a point.
    pub(crate) fn decompress(bytes: &[u8; 33]) -> Option<Self> {
        let (tag, x) = bytes.split_first()?;
        let odd = match tag {
            2 => false,
            3 => true,
            _ => return None,
        };
        let x = Element::from_limbs(&limbs_from_bytes(x.try_into().ok()?))?;
        let three = Element::<C>::ONE.double().add(&Element::ONE);
        let slope = x.square().subtract(&three);
        let y = slope.multiply(&x).add(&Element::from_limbs(&C::B)?).square_root()?;
        // The order is an odd prime, so no point has y = 0 and both parities exist.
        let y_is_odd = y.to_limbs()[0] & 1 == 1;
        Some(Self { x, y: if y_is_odd == odd { y } else { y.negate() } })
    }

    /// x and y, 32 big-endian bytes each.
    pub(crate) fn coordinates(&self) -> ([u8; 32], [u8; 32]) {
        (bytes_from_limbs(&self.x.to_limbs()), bytes_from_limbs(&self.y.to_limbs()))
    }

    fn generator() -> Option<Self> {
        let (x, y) = C::GENERATOR;
        Some(Self { x: Element::from_limbs(&x)?, y: Element::from_limbs(&y)? })
    }
}

/// Whether `u·G + v·key` is a point whose x is congruent to `x` modulo the order. The numbers
/// are plain, 32 big-endian bytes, below the order.
pub(crate) fn combination_has_x<C: Curve>(u: &[u8; 32], v: &[u8; 32], key: &Affine<C>, x: &[u8; 32]) -> bool {
    let point = combine(&limbs_from_bytes(u), &limbs_from_bytes(v), key);
    if point.is_neutral() {
        return false;
    }
    // x of the point lies below the prime, which is less than twice the order: two candidates.
    let x = limbs_from_bytes(x);
    let (second, overflow) = add_limbs(&x, &C::ORDER);
    let z_squared = point.z.square();
    let matches = |candidate: &Limbs| {
        Element::from_limbs(candidate).is_some_and(|element| element.multiply(&z_squared) == point.x)
    };
    matches(&x) || (!overflow && matches(&second))
}

/// A point as (x/z², y/z³); z = 0 is the neutral point.
struct Jacobian<C> {
    x: Element<C>,
    y: Element<C>,
    z: Element<C>,
}

impl<C> Clone for Jacobian<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Jacobian<C> {}

impl<C: Curve> Jacobian<C> {
    const NEUTRAL: Self = Self { x: Element::ONE, y: Element::ONE, z: Element::ZERO };

    fn from_affine(point: &Affine<C>) -> Self {
        Self { x: point.x, y: point.y, z: Element::ONE }
    }

    fn is_neutral(&self) -> bool {
        self.z == Element::ZERO
    }

    fn negate(&self) -> Self {
        Self { x: self.x, y: self.y.negate(), z: self.z }
    }

    /// Doubling for a = −3 ("dbl-2001-b" of the Explicit-Formulas Database). The neutral point
    /// stays neutral; no point has order two.
    fn double(&self) -> Self {
        let delta = self.z.square();
        let gamma = self.y.square();
        let beta = self.x.multiply(&gamma);
        let product = self.x.subtract(&delta).multiply(&self.x.add(&delta));
        let alpha = product.double().add(&product);
        let beta_four = beta.double().double();
        let x = alpha.square().subtract(&beta_four.double());
        let z = self.y.add(&self.z).square().subtract(&gamma).subtract(&delta);
        let gamma_eight = gamma.square().double().double().double();
        let y = alpha.multiply(&beta_four.subtract(&x)).subtract(&gamma_eight);
        Self { x, y, z }
    }

    fn add(&self, other: &Self) -> Self {
        if self.is_neutral() {
            return *other;
        }
        if other.is_neutral() {
            return *self;
        }
        let own_square = self.z.square();
        let other_square = other.z.square();
        let own_x = self.x.multiply(&other_square);
        let own_y = self.y.multiply(&other_square).multiply(&other.z);
        let other_x = other.x.multiply(&own_square);
        let other_y = other.y.multiply(&own_square).multiply(&self.z);
        self.finish_addition(&own_x, &own_y, &other_x, &other_y, &self.z.multiply(&other.z))
    }

    fn add_affine(&self, other: &Affine<C>) -> Self {
        if self.is_neutral() {
            return Self::from_affine(other);
        }
        let square = self.z.square();
        let other_x = other.x.multiply(&square);
        let other_y = other.y.multiply(&square).multiply(&self.z);
        self.finish_addition(&self.x, &self.y, &other_x, &other_y, &self.z)
    }

    /// The sum of two points brought to the common denominator `z`, equal points included.
    fn finish_addition(
        &self,
        left_x: &Element<C>,
        left_y: &Element<C>,
        right_x: &Element<C>,
        right_y: &Element<C>,
        z: &Element<C>,
    ) -> Self {
        let run = right_x.subtract(left_x);
        let rise = right_y.subtract(left_y);
        if run == Element::ZERO {
            return if rise == Element::ZERO { self.double() } else { Self::NEUTRAL };
        }
        let run_square = run.square();
        let run_cube = run_square.multiply(&run);
        let scaled_x = left_x.multiply(&run_square);
        let x = rise.square().subtract(&run_cube).subtract(&scaled_x.double());
        let y = rise.multiply(&scaled_x.subtract(&x)).subtract(&left_y.multiply(&run_cube));
        Self { x, y, z: run.multiply(z) }
    }

    fn to_affine(self) -> Affine<C> {
        let inverse = self.z.invert();
        let square = inverse.square();
        Affine { x: self.x.multiply(&square), y: self.y.multiply(&square).multiply(&inverse) }
    }
}

/// Window widths of the signed digits: the generator's table is made once, a key's each time.
const GENERATOR_WIDTH: u32 = 10;
const KEY_WIDTH: u32 = 5;

fn build_generator_table<C: Curve>() -> Vec<Affine<C>> {
    Affine::generator().map_or_else(Vec::new, |generator| {
        odd_multiples(&Jacobian::from_affine(&generator), 1 << (GENERATOR_WIDTH - 2))
            .into_iter()
            .map(Jacobian::to_affine)
            .collect()
    })
}

/// 1, 3, 5 … times `point`.
fn odd_multiples<C: Curve>(point: &Jacobian<C>, count: usize) -> Vec<Jacobian<C>> {
    let step = point.double();
    core::iter::successors(Some(*point), |last| Some(last.add(&step))).take(count).collect()
}

/// u·G + v·key, both scalars in signed digits that share the doublings.
fn combine<C: Curve>(u: &Limbs, v: &Limbs, key: &Affine<C>) -> Jacobian<C> {
    let generator_table = C::generator_table();
    let key_table = odd_multiples(&Jacobian::from_affine(key), 1 << (KEY_WIDTH - 2));
    let u_digits = signed_digits(u, GENERATOR_WIDTH);
    let v_digits = signed_digits(v, KEY_WIDTH);
    let mut sum = Jacobian::NEUTRAL;
    for (u_digit, v_digit) in u_digits.iter().zip(&v_digits).rev() {
        if !sum.is_neutral() {
            sum = sum.double();
        }
        if let Some(multiple) = generator_table.get(table_index(*u_digit)) {
            let y = if *u_digit < 0 { multiple.y.negate() } else { multiple.y };
            sum = sum.add_affine(&Affine { x: multiple.x, y });
        }
        if let Some(multiple) = key_table.get(table_index(*v_digit)) {
            sum = sum.add(&if *v_digit < 0 { multiple.negate() } else { *multiple });
        }
    }
    sum
}

/// Where the multiple of an odd digit stands in its table; beyond every table for zero.
fn table_index(digit: i16) -> usize {
    if digit == 0 {
        usize::MAX
    } else {
        usize::from(digit.unsigned_abs() >> 1)
    }
}

/// The non-adjacent form of `scalar`: digits are zero or odd, below 2^(width − 1) in size, and
/// at least `width` places apart.
fn signed_digits(scalar: &Limbs, width: u32) -> [i16; 257] {
    let limb = |index: usize| scalar.get(index).copied().unwrap_or(0);
    let mut digits = [0i16; 257];
    let (mut position, mut carry) = (0usize, 0u64);
    while let Some(digit) = digits.get_mut(position) {
        let (index, shift) = (position / 64, position % 64);
        let pair = u128::from(limb(index)) | (u128::from(limb(index + 1)) << 64);
        let window = ((pair >> shift) as u64 & ((1 << width) - 1)).wrapping_add(carry);
        if window & 1 == 0 {
            position += 1;
            continue;
        }
        // A digit above half the window becomes negative and carries one upwards.
        carry = window >> (width - 1);
        let value = (window as i16).wrapping_sub((carry << width) as i16);
        *digit = value;
        position += width as usize;
    }
    digits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sm2::elliptic_curve::point::AffineCoordinates;
    use sm2::elliptic_curve::sec1::ToSec1Point;
    use sm2::elliptic_curve::{Group, PrimeField};

    use super::*;

    /// Compares decoding and combination with a constant-time crate for one pair of scalars and
    /// a key that is a multiple of the generator.
    macro_rules! comparison {
        ($name:ident, $library:ident, $curve:ty) => {
            fn $name(u: [u8; 32], v: [u8; 32], secret: [u8; 32]) {
                use $library::{FieldBytes, ProjectivePoint, Scalar};
                let scalar = |bytes: [u8; 32]| Option::<Scalar>::from(Scalar::from_repr(FieldBytes::from(bytes)));
                let (Some(u), Some(v), Some(secret)) = (scalar(u), scalar(v), scalar(secret)) else {
                    return;
                };
                let key = ProjectivePoint::GENERATOR * secret;
                if key.is_identity().into() {
                    return;
                }
                let encoded = key.to_affine().to_compressed_point();
                let own_key = Affine::<$curve>::decompress(&encoded.into()).unwrap();
                let (x, y) = own_key.coordinates();
                let full = key.to_affine().to_uncompressed_point();
                assert_eq!((&full[1..33], &full[33..]), (&x[..], &y[..]));

                let expected = ProjectivePoint::GENERATOR * u + key * v;
                let limbs = |value: Scalar| limbs_from_bytes(&value.to_repr().into());
                let own = combine(&limbs(u), &limbs(v), &own_key);
                assert_eq!(own.is_neutral(), bool::from(expected.is_identity()));
                let claims = |x: [u8; 32]| combination_has_x(&u.to_repr().into(), &v.to_repr().into(), &own_key, &x);
                if own.is_neutral() {
                    assert!(!claims([0; 32]));
                    return;
                }
                let (own_x, own_y) = own.to_affine().coordinates();
                let expected = expected.to_affine().to_uncompressed_point();
                assert_eq!((&expected[1..33], &expected[33..]), (&own_x[..], &own_y[..]));
                // x modulo the order, as a signature carries it.
                let order = <$curve>::ORDER;
                let (reduced, below) = subtract_limbs(&limbs_from_bytes(&own_x), &order);
                let mut claim = if below { own_x } else { bytes_from_limbs(&reduced) };
                assert!(claims(claim));
                claim[31] ^= 1;
                assert!(!claims(claim));
            }
        };
    }

    comparison!(compare_p256, p256, P256);
    comparison!(compare_sm2, sm2, Sm2);

    /// Small numbers and numbers just below the order, where sums meet equal, opposite and
    /// neutral points.
    fn extremes(order: &Limbs) -> Vec<[u8; 32]> {
        let mut values: Vec<[u8; 32]> = (0..6u64).map(|n| bytes_from_limbs(&[n, 0, 0, 0])).collect();
        for below in 1..5u64 {
            values.push(bytes_from_limbs(&subtract_limbs(order, &[below, 0, 0, 0]).0));
        }
        for bit in [4u32, 5, 9, 10, 63, 64, 127, 128, 254, 255] {
            let mut power = [0u64; 4];
            power[(bit / 64) as usize] = 1 << (bit % 64);
            values.push(bytes_from_limbs(&power));
            values.push(bytes_from_limbs(&subtract_limbs(&power, &[1, 0, 0, 0]).0));
        }
        values
    }

    #[test]
    fn extreme_scalars_agree_with_the_constant_time_crates() {
        for secret in [1u64, 3] {
            let secret = bytes_from_limbs(&[secret, 0, 0, 0]);
            for u in extremes(&P256::ORDER) {
                for v in extremes(&P256::ORDER) {
                    compare_p256(u, v, secret);
                }
            }
            for u in extremes(&Sm2::ORDER) {
                for v in extremes(&Sm2::ORDER) {
                    compare_sm2(u, v, secret);
                }
            }
        }
    }

    #[test]
    fn field_arithmetic_holds_at_the_borders() {
        fn check<C: Curve>() {
            let (largest, _) = subtract_limbs(&C::PRIME, &[1, 0, 0, 0]);
            assert!(Element::<C>::from_limbs(&C::PRIME).is_none());
            assert!(Element::<C>::from_limbs(&[u64::MAX; 4]).is_none());
            let minus_one = Element::<C>::from_limbs(&largest).unwrap();
            assert_eq!(minus_one.to_limbs(), largest);
            assert!(minus_one == Element::ONE.negate());
            assert!(minus_one.square() == Element::ONE);
            assert!(minus_one.add(&Element::ONE) == Element::ZERO);
            assert!(Element::<C>::ZERO.subtract(&Element::ONE) == minus_one);
            assert!(Element::<C>::ZERO.negate() == Element::ZERO);
            assert!(Element::<C>::ZERO.invert() == Element::ZERO);
            // −1 is no square modulo a prime congruent 3 modulo 4.
            assert!(minus_one.square_root().is_none());
            let two = Element::<C>::ONE.double();
            assert!(two.invert().multiply(&two) == Element::ONE);
        }
        check::<P256>();
        check::<Sm2>();
    }

    /// A point whose x is not below the order is found by its remainder, and only by that.
    #[test]
    fn x_beyond_the_order_is_compared_modulo_the_order() {
        fn check<C: Curve>() {
            let (zero, mut one) = ([0; 32], [0; 32]);
            one[31] = 1;
            let found = (0..64u64)
                .filter(|remainder| {
                    let remainder = [*remainder, 0, 0, 0];
                    let mut encoded = [2; 33];
                    let x = add_limbs(&C::ORDER, &remainder).0;
                    encoded[1..].copy_from_slice(&bytes_from_limbs(&x));
                    Affine::<C>::decompress(&encoded).is_some_and(|key| {
                        let claim = bytes_from_limbs(&remainder);
                        assert!(combination_has_x(&zero, &one, &key, &claim));
                        let wrong = bytes_from_limbs(&add_limbs(&remainder, &[1, 0, 0, 0]).0);
                        assert!(!combination_has_x(&zero, &one, &key, &wrong));
                        true
                    })
                })
                .count();
            assert!(found > 10);
        }
        check::<P256>();
        check::<Sm2>();
    }

    /// Every x below a small bound and around the prime: same points, same refusals.
    #[test]
    fn decoding_agrees_with_the_constant_time_crates() {
        let around = |prime: Limbs| {
            (0..200u64)
                .map(|n| [n, 0, 0, 0])
                .chain((0..50).map(move |n| subtract_limbs(&prime, &[n, 0, 0, 0]).0))
                .chain((0..50).map(move |n| add_limbs(&prime, &[n, 0, 0, 0]).0))
        };
        let encoded = |tag: u8, x: &Limbs| {
            let mut bytes = [tag; 33];
            bytes[1..].copy_from_slice(&bytes_from_limbs(x));
            bytes
        };
        for tag in [2u8, 3] {
            for x in around(P256::PRIME) {
                let bytes = encoded(tag, &x);
                let library = p256::PublicKey::from_sec1_bytes(&bytes);
                let own = Affine::<P256>::decompress(&bytes);
                assert_eq!(own.is_some(), library.is_ok());
                if let (Some(own), Ok(library)) = (own, library) {
                    let y = library.as_affine().to_uncompressed_point();
                    assert_eq!(own.coordinates().1[..], y[33..]);
                }
            }
            for x in around(Sm2::PRIME) {
                let bytes = encoded(tag, &x);
                let library = sm2::PublicKey::from_sec1_bytes(&bytes);
                let own = Affine::<Sm2>::decompress(&bytes);
                assert_eq!(own.is_some(), library.is_ok());
                if let (Some(own), Ok(library)) = (own, library) {
                    assert_eq!(own.coordinates().0[..], library.as_affine().x()[..]);
                    let y = library.as_affine().to_uncompressed_point();
                    assert_eq!(own.coordinates().1[..], y[33..]);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn combinations_agree_with_the_constant_time_crates(
            u in any::<[u8; 32]>(),
            v in any::<[u8; 32]>(),
            secret in any::<[u8; 32]>(),
        ) {
            compare_p256(u, v, secret);
            compare_sm2(u, v, secret);
        }

        #[test]
        fn digits_add_up(scalar in any::<[u64; 4]>(), width in 2u32..12) {
            let digits = signed_digits(&scalar, width);
            let (mut positive, mut negative) = ([0u64; 5], [0u64; 5]);
            for (position, digit) in digits.iter().enumerate() {
                prop_assert!(*digit == 0 || digit % 2 != 0);
                prop_assert!(digit.unsigned_abs() < 1 << (width - 1));
                let side = if *digit < 0 { &mut negative } else { &mut positive };
                for bit in (0..12).filter(|bit| digit.unsigned_abs() >> bit & 1 == 1) {
                    let place = position + bit;
                    let mut carry = 1u64 << (place % 64);
                    for limb in side.iter_mut().skip(place / 64) {
                        let (sum, overflow) = limb.overflowing_add(carry);
                        *limb = sum;
                        carry = u64::from(overflow);
                    }
                }
            }
            let mut borrow = false;
            for index in 0..5 {
                let (partial, first) = positive[index].overflowing_sub(negative[index]);
                let (value, second) = partial.overflowing_sub(u64::from(borrow));
                borrow = first || second;
                prop_assert_eq!(value, scalar.get(index).copied().unwrap_or(0));
            }
        }
    }
}
