//! Tests of several files together.

mod frames;
mod ring;
mod settings;
