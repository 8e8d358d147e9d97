//! Counter blocks: a struct of single-writer counters from one declaration.
//!
//! Each worker owns one block, so an increment is a plain add; a reader sums the blocks.

/// Declares a block of [`vnet::Counter`]s with FreeBSD's field names, and the list of names and values that
/// `netstat -s`, the summary and the tests read.
#[macro_export]
macro_rules! counters {
    ($(#[$doc:meta])* $vis:vis struct $name:ident { $($(#[$field_doc:meta])* $field:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        $vis struct $name { $($(#[$field_doc])* pub $field: ::vnet::Counter),* }

        impl $name {
            /// How many counters the block holds.
            pub const LEN: usize = [$(stringify!($field)),*].len();
            /// The counters' names, in the order of declaration.
            pub const NAMES: [&'static str; Self::LEN] = [$(stringify!($field)),*];

            /// The counters' values, in the order of [`Self::NAMES`].
            #[must_use]
            pub fn values(&self) -> [u64; Self::LEN] {
                [$(self.$field.get()),*]
            }

            /// Names and values summed over the blocks of several workers.
            #[must_use]
            pub fn sum<'a>(blocks: impl Iterator<Item = &'a Self>) -> Vec<(&'static str, u64)> {
                let mut total = [0u64; Self::LEN];
                for block in blocks {
                    for (sum, value) in total.iter_mut().zip(block.values()) {
                        *sum = sum.wrapping_add(value);
                    }
                }
                Self::NAMES.into_iter().zip(total).collect()
            }
        }
    };
}
