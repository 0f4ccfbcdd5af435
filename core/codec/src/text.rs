//! JSON forms (spec/encoding.md, section 7): the same types, other leaves.
//!
//! Each module here is a serde `with` module that writes its canonical bytes for BCS and text for JSON.

use serde::{
    de::{Error, MapAccess, SeqAccess, Visitor},
    Deserialize, Deserializer, Serialize, Serializer,
};
use std::{cell::Cell, collections::BTreeMap};

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
pub fn from_json<T: for<'de> Deserialize<'de> + Serialize>(
    prefix: &'static str,
    text: &[u8],
) -> Result<T, serde_json::Error> {
    with_prefix(prefix, || {
        let value: T = serde_json::from_slice(text)?;
        // The parser also takes lists for structures, objects for plain variants and repeated keys of maps. What it read has one
        // written form, so the text must be that form; only an absent option may be left out.
        let given: Form = serde_json::from_slice(text)?;
        if given.is(&serde_json::to_value(&value)?) {
            Ok(value)
        } else {
            Err(serde_json::Error::custom("an object, list or name stands where the type is written otherwise"))
        }
    })
}

/// JSON as it was given, with repeated members refused.
enum Form {
    Null,
    Bool(bool),
    Number(u64),
    Text(String),
    List(Vec<Form>),
    Object(BTreeMap<String, Form>),
}

impl Form {
    /// Whether this is how `value` is written, up to members that are null there and absent here.
    fn is(&self, value: &serde_json::Value) -> bool {
        use serde_json::Value;
        match (self, value) {
            (Self::Null, Value::Null) => true,
            (Self::Bool(given), Value::Bool(written)) => given == written,
            (Self::Number(given), Value::Number(written)) => Some(*given) == written.as_u64(),
            (Self::Text(given), Value::String(written)) => given == written,
            (Self::List(given), Value::Array(written)) => {
                given.len() == written.len() && given.iter().zip(written).all(|(given, written)| given.is(written))
            }
            (Self::Object(given), Value::Object(written)) => {
                given.keys().all(|name| written.contains_key(name))
                    && written
                        .iter()
                        .all(|(name, value)| given.get(name).map_or(value.is_null(), |given| given.is(value)))
            }
            _ => false,
        }
    }
}

impl<'de> Deserialize<'de> for Form {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FormVisitor)
    }
}

struct FormVisitor;

impl<'de> Visitor<'de> for FormVisitor {
    type Value = Form;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("JSON with whole numbers and no member twice")
    }

    fn visit_unit<E: Error>(self) -> Result<Form, E> {
        Ok(Form::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Form, E> {
        Ok(Form::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Form, E> {
        Ok(Form::Number(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Form, E> {
        Ok(Form::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Form, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element()? {
            list.push(entry);
        }
        Ok(Form::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Form, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((name, value)) = members.next_entry::<String, Form>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        Ok(Form::Object(object))
    }
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
            // The same sixteen bytes as a tuple of bytes.
            u128::from_le_bytes(*bytes).serialize(serializer)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 16], D::Error> {
        if deserializer.is_human_readable() {
            let bytes: Vec<u8> = unhex(&String::deserialize(deserializer)?)?;
            bytes.try_into().map_err(|_| D::Error::custom("expected 16 bytes"))
        } else {
            u128::deserialize(deserializer).map(u128::to_le_bytes)
        }
    }
}

/// A number that JSON writes as a decimal string.
pub(crate) trait Decimal:
    Sized + Copy + std::fmt::Display + std::str::FromStr + Serialize + for<'de> Deserialize<'de>
{
}
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
