//! Fixed byte arrays: hexadecimal text, and a serde form as a tuple so that BCS writes no length.

use core::fmt;

/// Writes `bytes` as lower-case hexadecimal digits.
pub(crate) fn write_hex(formatter: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
}

/// Lower-case hexadecimal text of `bytes`.
pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// Bytes of lower-case hexadecimal text; none for anything else.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

/// `#[serde(with = "...")]` for byte arrays: a tuple of bytes, without a length; hexadecimal text in JSON.
///
/// BCS writes integers little-endian and without a length, so a tuple of 128-bit numbers and the bytes that are left over has
/// the same encoding as a tuple of bytes, in a sixteenth of the calls.
pub(crate) mod tuple {
    use core::fmt;

    use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
    use serde::ser::{SerializeTuple, Serializer};

    /// Elements of the tuple that stands for `length` bytes.
    const fn elements(length: usize) -> usize {
        length / 16 + length % 16
    }

    pub(crate) fn serialize<S: Serializer, const N: usize>(bytes: &[u8; N], serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.serialize_str(&super::to_hex(bytes));
        }
        let mut tuple = serializer.serialize_tuple(elements(N))?;
        let (words, rest) = bytes.as_chunks::<16>();
        for word in words {
            tuple.serialize_element(&u128::from_le_bytes(*word))?;
        }
        for byte in rest {
            tuple.serialize_element(byte)?;
        }
        tuple.end()
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(deserializer: D) -> Result<[u8; N], D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            let bytes = super::from_hex(&text).and_then(|bytes| bytes.try_into().ok());
            return bytes.ok_or_else(|| D::Error::custom(format_args!("expected {N} bytes as lower-case hex")));
        }
        deserializer.deserialize_tuple(elements(N), ArrayVisitor::<N>)
    }

    struct ArrayVisitor<const N: usize>;

    impl<'de, const N: usize> Visitor<'de> for ArrayVisitor<N> {
        type Value = [u8; N];

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(formatter, "{N} bytes")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<[u8; N], A::Error> {
            let mut bytes = [0u8; N];
            let (words, rest) = bytes.as_chunks_mut::<16>();
            for (position, word) in words.iter_mut().enumerate() {
                let number: Option<u128> = sequence.next_element()?;
                *word = number.ok_or_else(|| A::Error::invalid_length(16 * position, &self))?.to_le_bytes();
            }
            for byte in rest {
                *byte = sequence.next_element()?.ok_or_else(|| A::Error::invalid_length(N, &self))?;
            }
            Ok(bytes)
        }
    }

    #[cfg(test)]
    mod tests {
        use serde::{Deserialize, Serialize};

        #[derive(Serialize, Deserialize, Debug, PartialEq)]
        struct Fixed<const N: usize>(#[serde(with = "super")] [u8; N]);

        fn check<const N: usize>() {
            let mut bytes = [0; N];
            bytes.iter_mut().zip(1_u8..).for_each(|(byte, number)| *byte = number);
            let encoded = bcs::to_bytes(&Fixed(bytes)).unwrap();
            assert_eq!(encoded, bytes);
            assert_eq!(bcs::from_bytes::<Fixed<N>>(&encoded).unwrap(), Fixed(bytes));
            assert!(bcs::from_bytes::<Fixed<N>>(&encoded[..N - 1]).is_err());
            assert!(bcs::from_bytes::<Fixed<N>>(&[&encoded[..], &[0]].concat()).is_err());
        }

        #[test]
        fn arrays_are_their_bytes() {
            check::<1>();
            check::<15>();
            check::<16>();
            check::<32>();
            check::<33>();
            check::<64>();
        }
    }
}
