//! The coordinates of NIST points as a JSON Web Key prints them.
//!
//! No signature is verified with these numbers (that is `p256`'s work); they only make our DID documents equal to those
//! of key-did-resolver, which prints a y even for an x that has none.

use data_encoding::BASE64URL_NOPAD;
use p256::elliptic_curve::bigint::modular::{FixedMontyForm, FixedMontyParams};
use p256::elliptic_curve::bigint::{Odd, U576};
use serde_json::{Value, json};

/// Hexadecimal digits of one number here: room for P-521, in whole 64-bit words.
const HEX_DIGITS: usize = 144;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// Bytes of one coordinate.
    fn size(self) -> usize {
        match self {
            Curve::P256 => 32,
            Curve::P384 => 48,
            Curve::P521 => 66,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Curve::P256 => "P-256",
            Curve::P384 => "P-384",
            Curve::P521 => "P-521",
        }
    }

    /// The prime of the field, and b of y² = x³ − 3x + b (SEC 2, §2.4–2.6).
    fn parameters(self) -> (Odd<U576>, U576) {
        let (prime, b) = match self {
            Curve::P256 => (
                "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
                "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
            ),
            Curve::P384 => (
                "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
                "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
            ),
            Curve::P521 => (
                "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
                "0051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00",
            ),
        };
        (Odd::<U576>::from_be_hex(&padded(prime)), number(b))
    }
}

/// `hex`, at most [`HEX_DIGITS`] of them, at the width the crate wants.
fn padded(hex: &str) -> String {
    format!("{hex:0>HEX_DIGITS$}")
}

fn number(hex: &str) -> U576 {
    U576::from_be_hex(&padded(hex))
}

fn of_bytes(bytes: &[u8]) -> U576 {
    number(&data_encoding::HEXLOWER.encode(bytes))
}

pub(super) struct Coordinates {
    curve: Curve,
    x: U576,
    y: U576,
    /// Written out in the DID, so printed at full width.
    y_given: bool,
}

impl Coordinates {
    /// Reads SEC1 bytes, compressed or uncompressed.
    pub(super) fn read(curve: Curve, sec1: &[u8]) -> Option<Coordinates> {
        let (tag, rest) = sec1.split_first()?;
        match tag {
            2 | 3 if rest.len() == curve.size() => {
                let x = of_bytes(rest);
                Some(Coordinates {
                    curve,
                    x,
                    y: root(curve, &x, *tag == 3),
                    y_given: false,
                })
            }
            4 if rest.len() == curve.size().saturating_mul(2) => {
                let (x, y) = rest.split_at_checked(curve.size())?;
                Some(Coordinates {
                    curve,
                    x: of_bytes(x),
                    y: of_bytes(y),
                    y_given: true,
                })
            }
            _ => None,
        }
    }

    /// Whether the numbers are a point of the curve.
    pub(super) fn on_curve(&self) -> bool {
        let (prime, _) = self.curve.parameters();
        let params = FixedMontyParams::new_vartime(prime);
        let y = FixedMontyForm::new(&self.y, &params);
        self.x < *prime
            && self.y < *prime
            && y.square().retrieve() == square_of_y(self.curve, &self.x, &params).retrieve()
    }
}

fn square_of_y(
    curve: Curve,
    x: &U576,
    params: &FixedMontyParams<{ U576::LIMBS }>,
) -> FixedMontyForm<{ U576::LIMBS }> {
    let (_, b) = curve.parameters();
    let x = FixedMontyForm::new(x, params);
    let b = FixedMontyForm::new(&b, params);
    x.square().mul(&x).sub(&x).sub(&x).sub(&x).add(&b)
}

/// ± (y²)^((p+1)/4): the root where there is one, since each prime is 3 modulo 4; with the wanted parity.
fn root(curve: Curve, x: &U576, odd: bool) -> U576 {
    let (prime, _) = curve.parameters();
    let params = FixedMontyParams::new_vartime(prime);
    let quarter = prime.wrapping_add(&U576::ONE).shr_vartime(2);
    let root = square_of_y(curve, x, &params)
        .pow_vartime(&quarter)
        .retrieve();
    if bool::from(root.is_odd()) == odd {
        root
    } else {
        prime.wrapping_sub(&root)
    }
}

/// The verification method of a NIST key, still without `id` and `controller`.
pub(super) fn jwk(curve: Curve, sec1: &[u8]) -> Value {
    let (x, y) = match Coordinates::read(curve, sec1) {
        Some(point) => (text(&point, &point.x), text(&point, &point.y)),
        None => (String::new(), String::new()),
    };
    json!({ "type": "JsonWebKey2020", "publicKeyJwk": { "kty": "EC", "crv": curve.name(), "x": x, "y": y } })
}

/// js goes through a number, which loses leading zeros, except where it copies P-256 and P-384 bytes from the DID.
fn text(point: &Coordinates, number: &U576) -> String {
    let bytes = number.to_be_bytes();
    let bytes: &[u8] = bytes.as_ref();
    let keep = if point.y_given && point.curve != Curve::P521 {
        point.curve.size()
    } else {
        bytes.iter().skip_while(|b| **b == 0).count().max(1)
    };
    let (_, shown) = bytes
        .split_at_checked(bytes.len().saturating_sub(keep))
        .unwrap_or((&[], bytes));
    BASE64URL_NOPAD.encode(shown)
}
