//! placeholder
pub(crate) fn page(_c: &super::result::Comparison) -> String {
    String::new()
}
