//! JSON forms (spec/encoding.md, section 7): the same types, other leaves.
//!
//! Each module here is a serde `with` module that writes its canonical bytes for BCS and text for JSON.

use serde::{de::Error, Deserialize, Deserializer, Serialize, Serializer};
use std::cell::Cell;

thread_local! {
    /// Prefix of addresses while JSON is read or written on this thread.
    static PREFIX: Cell<&'static str> = const { Cell::new("bubi") };
}

/// Runs `work` with the address prefix of a network, for [`to_json`] and [`from_json`] inside it.
fn with_prefix<T>(prefix: &'static str, work: impl FnOnce() -> T) -> T {
    struct Restore(&'static str);
    impl Drop for Restore {
        fn drop(&mut self) {
            PREFIX.set(self.0);
        }
    }
    let _restore = Restore(PREFIX.replace(prefix));
    work()
}

/// Prefix of addresses on this thread.
pub(crate) fn prefix() -> &'static str {
    PREFIX.get()
}

/// JSON of a value, with the addresses of the network that uses `prefix`.
///
/// # Errors
/// The value cannot be written as JSON.
pub fn to_json<T: Serialize>(prefix: &'static str, value: &T) -> Result<Vec<u8>, serde_json::Error> {
    with_prefix(prefix, || serde_json::to_vec(value))
}

/// A `serde_json` tree of a value, with the addresses of the network that uses `prefix`.
///
/// # Errors
/// The value cannot be written as JSON.
pub fn to_json_value<T: Serialize>(prefix: &'static str, value: &T) -> Result<serde_json::Value, serde_json::Error> {
    with_prefix(prefix, || serde_json::to_value(value))
}

/// Reads a value from JSON. Unknown and repeated members, other kinds of values and trailing text are refused.
///
/// # Errors
/// The text is not the JSON form of the type.
pub fn from_json<T: for<'de> Deserialize<'de>>(prefix: &'static str, text: &[u8]) -> Result<T, serde_json::Error> {
    with_prefix(prefix, || serde_json::from_slice(text))
}

fn unhex<E: Error>(text: &str) -> Result<Vec<u8>, E> {
    bubi_crypto::from_hex(text).ok_or_else(|| E::custom("expected lower-case hex"))
}

/// Byte strings: hex in JSON.
pub(crate) mod bytes {
    use super::{unhex, Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&bubi_crypto::to_hex(bytes))
        } else {
            serializer.serialize_bytes(bytes)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        if deserializer.is_human_readable() {
            unhex(&String::deserialize(deserializer)?)
        } else {
            serde_bytes::ByteBuf::deserialize(deserializer).map(serde_bytes::ByteBuf::into_vec)
        }
    }
}

/// Optional byte strings.
pub(crate) mod optional_bytes {
    use super::{unhex, Deserialize, Deserializer, Serialize, Serializer};

    #[allow(clippy::ref_option)] // The shape that serde asks for.
    pub(crate) fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            bytes.as_ref().map(|bytes| bubi_crypto::to_hex(bytes)).serialize(serializer)
        } else {
            bytes.as_ref().map(|bytes| serde_bytes::Bytes::new(bytes)).serialize(serializer)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        if deserializer.is_human_readable() {
            Option::<String>::deserialize(deserializer)?.map(|text| unhex(&text)).transpose()
        } else {
            Ok(Option::<serde_bytes::ByteBuf>::deserialize(deserializer)?.map(serde_bytes::ByteBuf::into_vec))
        }
    }
}

/// Sixteen bytes: hex in JSON.
pub(crate) mod bytes16 {
    use super::{unhex, Deserialize, Deserializer, Error, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8; 16], serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&bubi_crypto::to_hex(bytes))
        } else {
            bytes.serialize(serializer)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 16], D::Error> {
        if deserializer.is_human_readable() {
            let bytes: Vec<u8> = unhex(&String::deserialize(deserializer)?)?;
            bytes.try_into().map_err(|_| D::Error::custom("expected 16 bytes"))
        } else {
            <[u8; 16]>::deserialize(deserializer)
        }
    }
}

/// A number that JSON writes as a decimal string.
pub(crate) trait Decimal: Sized + Copy + std::fmt::Display + std::str::FromStr + Serialize + for<'de> Deserialize<'de> {}
impl Decimal for u64 {}
impl Decimal for u128 {}

fn parse<T: Decimal, E: Error>(text: &str) -> Result<T, E> {
    let canonical = text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
    match text.parse() {
        Ok(number) if canonical => Ok(number),
        _ => Err(E::custom("expected a decimal number in a string, without sign or leading zeros, within its range")),
    }
}

/// Integers of 64 and 128 bits: decimal strings in JSON.
pub(crate) mod decimal {
    use super::{parse, Decimal, Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<T: Decimal, S: Serializer>(number: &T, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(number)
        } else {
            number.serialize(serializer)
        }
    }

    pub(crate) fn deserialize<'de, T: Decimal, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        if deserializer.is_human_readable() {
            parse(&String::deserialize(deserializer)?)
        } else {
            T::deserialize(deserializer)
        }
    }
}

/// Optional integers of 64 and 128 bits.
pub(crate) mod optional_decimal {
    use super::{parse, Decimal, Deserialize, Deserializer, Serialize, Serializer};

    #[allow(clippy::ref_option)] // The shape that serde asks for.
    pub(crate) fn serialize<T: Decimal, S: Serializer>(number: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            number.map(|number| number.to_string()).serialize(serializer)
        } else {
            number.serialize(serializer)
        }
    }

    pub(crate) fn deserialize<'de, T: Decimal, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
        if deserializer.is_human_readable() {
            Option::<String>::deserialize(deserializer)?.map(|text| parse(&text)).transpose()
        } else {
            Option::<T>::deserialize(deserializer)
        }
    }
}
