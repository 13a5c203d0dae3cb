//! Values of a scenario file that are written as text, each with one reading.

use crate::text;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Makes a value of the file out of a number and its two functions in [`text`].
macro_rules! written {
    ($(#[$doc:meta])* $name:ident($inner:ty), $read:path, $write:path) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) struct $name(pub(crate) $inner);

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&$write(self.0))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                let text = String::deserialize(deserializer)?;
                $read(&text).map($name).map_err(|problem| de::Error::custom(format!("{text:?}: {problem}")))
            }
        }
    };
}

written!(
    /// A duration or a moment in milliseconds of scenario time: `500ms`, `10s`.
    Span(u64), text::duration_ms, text::duration
);
written!(
    /// A duration in milliseconds, with a minus for behind: `-5s`.
    Offset(i64), text::offset_ms, text::offset
);
written!(
    /// A share in parts per million: `5%`.
    Share(u32), text::share_ppm, text::share
);
written!(
    /// Bytes a second: `64kB/s`.
    Bandwidth(u64), text::bytes_per_s, text::bandwidth
);

/// Some nodes: a number, a list of numbers, `"all"`, or `"primary"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Nodes {
    /// Every node.
    All,
    /// PBFT: whoever leads the view in which most nodes are at that moment.
    Primary,
    /// These, in order, each once.
    Some(Vec<usize>),
}

impl fmt::Display for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Nodes::All => f.write_str("all nodes"),
            Nodes::Primary => f.write_str("the primary"),
            Nodes::Some(nodes) => {
                f.write_str(&nodes.iter().map(|node| format!("node{node}")).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

impl Serialize for Nodes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Nodes::All => serializer.serialize_str("all"),
            Nodes::Primary => serializer.serialize_str("primary"),
            Nodes::Some(nodes) => match &nodes[..] {
                [only] => serializer.serialize_u64(*only as u64),
                several => several.serialize(serializer),
            },
        }
    }
}

impl<'de> Deserialize<'de> for Nodes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Nodes, D::Error> {
        deserializer.deserialize_any(NodesVisitor)
    }
}

struct NodesVisitor;

impl<'de> Visitor<'de> for NodesVisitor {
    type Value = Nodes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a node's number, a list of numbers, \"all\" or \"primary\"")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Nodes, E> {
        let node = usize::try_from(number).map_err(|_| de::Error::invalid_value(de::Unexpected::Signed(number), &self));
        node.map(|node| Nodes::Some(vec![node]))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Nodes, E> {
        let node =
            usize::try_from(number).map_err(|_| de::Error::invalid_value(de::Unexpected::Unsigned(number), &self));
        node.map(|node| Nodes::Some(vec![node]))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Nodes, E> {
        match text {
            "all" => Ok(Nodes::All),
            "primary" => Ok(Nodes::Primary),
            _ => Err(de::Error::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Nodes, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element()? {
            nodes.push(node);
        }
        nodes.sort_unstable();
        nodes.dedup();
        Ok(Nodes::Some(nodes))
    }
}

/// How much is expected of the transfers: so many, or a share of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amount {
    /// So many.
    Count(u64),
    /// Parts per million of all that were due until then.
    Share(u32),
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Count(count) => write!(f, "{count}"),
            Amount::Share(ppm) => f.write_str(&text::share(*ppm)),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Amount::Count(count) => serializer.serialize_u64(*count),
            Amount::Share(ppm) => serializer.serialize_str(&text::share(*ppm)),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Amount, D::Error> {
        deserializer.deserialize_any(AmountVisitor)
    }
}

struct AmountVisitor;

impl Visitor<'_> for AmountVisitor {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of transfers, or a share like \"90%\"")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Amount, E> {
        let count = u64::try_from(number).map_err(|_| de::Error::invalid_value(de::Unexpected::Signed(number), &self));
        count.map(Amount::Count)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Amount, E> {
        Ok(Amount::Count(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
        text::share_ppm(text).map(Amount::Share).map_err(de::Error::custom)
    }
}
