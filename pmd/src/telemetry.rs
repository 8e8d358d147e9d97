//! Commands of our own on DPDK's telemetry socket, which `dpdk-telemetry.py` and other readers connect to. EAL has it if
//! [`crate::EalConfig::telemetry`] says so.
//!
//! DPDK calls a command on a thread of its own, one for each client, at any time until the process ends. So a command may
//! take a while; it must not touch what belongs to another thread.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{PoisonError, RwLock};

use dpdk_sys as ffi;

use crate::Eal;
use crate::eal::strerror;

/// The answer of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A number; as an answer of its own it is a text.
    Number(u64),
    /// A text, cut off after 127 bytes, as an answer of its own after 8191.
    Text(String),
    /// Texts, of which DPDK takes 512, and 16 KiB in all.
    List(Vec<String>),
    /// Values by name, of which DPDK takes 256, and 16 KiB in all. Names are letters, digits, `_` and `/`: others are
    /// left out.
    Dict(Vec<(String, Value)>),
}

/// A command: it gets what stands behind the comma, and answers, or says why not.
pub type Command = Box<dyn Fn(&str) -> Result<Value, String> + Send + Sync>;

/// Why commands could not be registered.
#[derive(Debug, thiserror::Error)]
#[error("telemetry command {name}: {reason}; a name is /curvnet/ and a word, of 55 bytes at most")]
pub struct TelemetryError {
    name: String,
    reason: String,
}

/// Commands that are there as long as this is. DPDK keeps their names until the process ends; then they answer that
/// curvnet is ending.
#[derive(Debug)]
pub struct Telemetry {
    eal: Eal,
}

/// By name. A command runs with the table locked for reading, so that none is under way once they are taken out.
static COMMANDS: RwLock<BTreeMap<String, Command>> = RwLock::new(BTreeMap::new());

impl Telemetry {
    /// Adds commands, each with its name and a line of help.
    ///
    /// # Errors
    /// DPDK does not take a name.
    pub fn register(
        eal: &Eal,
        commands: impl IntoIterator<Item = (&'static str, &'static str, Command)>,
    ) -> Result<Self, TelemetryError> {
        let registered = Self { eal: eal.clone() };
        for (name, help, command) in commands {
            let known = COMMANDS.read().unwrap_or_else(PoisonError::into_inner).contains_key(name);
            let error = |reason: String| TelemetryError { name: name.to_owned(), reason };
            if known {
                return Err(error("it is there already".to_owned()));
            }
            let c_name = CString::new(name).map_err(|nul| error(nul.to_string()))?;
            let help = CString::new(help).map_err(|nul| error(nul.to_string()))?;
            // SAFETY: C strings, which DPDK copies, and a function that lives for ever.
            let result = unsafe {
                ffi::rte_telemetry_register_cmd(c_name.as_ptr(), Some(on_command), help.as_ptr())
            };
            if result != 0 {
                return Err(error(strerror(result)));
            }
            let mut commands = COMMANDS.write().unwrap_or_else(PoisonError::into_inner);
            let _none = commands.insert(name.to_owned(), command);
        }
        Ok(registered)
    }
}

impl Drop for Telemetry {
    /// Waits for commands that are under way. Nobody finds the socket any more, and who is connected learns that this is
    /// the end.
    fn drop(&mut self) {
        self.eal.remove_telemetry_socket();
        COMMANDS.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Called by a thread of DPDK's for each of our commands.
unsafe extern "C" fn on_command(
    name: *const c_char,
    parameters: *const c_char,
    answer: *mut ffi::rte_tel_data,
) -> c_int {
    const EINVAL: c_int = 22;
    let text = |pointer: *const c_char| {
        // SAFETY: DPDK passes C strings that live until this returns; null is no parameter.
        let text = (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) });
        text.map(|text| text.to_string_lossy()).unwrap_or_default()
    };
    // A panic must not unwind into C.
    let value = catch_unwind(AssertUnwindSafe(|| run(&text(name), &text(parameters))));
    let value = value.unwrap_or_else(|_| Err("the command panicked: this is a bug".to_owned()));
    let value =
        value.unwrap_or_else(|error| Value::Dict(vec![("error".to_owned(), Value::Text(error))]));
    // SAFETY: DPDK passes an empty answer for us to fill.
    match unsafe { fill(answer, &value) } {
        Some(()) => 0,
        None => -EINVAL,
    }
}

fn run(name: &str, parameters: &str) -> Result<Value, String> {
    let commands = COMMANDS.read().unwrap_or_else(PoisonError::into_inner);
    let command = commands.get(name).ok_or("curvnet is ending")?;
    command(parameters)
}

/// Writes a value into an answer; `None` if DPDK does not take its beginning.
///
/// # Safety
///
/// `data` is valid and empty.
unsafe fn fill(data: *mut ffi::rte_tel_data, value: &Value) -> Option<()> {
    // SAFETY: as the caller says; C strings live until the calls return, and DPDK copies them.
    let result = unsafe {
        match value {
            Value::Number(number) => {
                let text = CString::new(number.to_string()).ok()?;
                ffi::rte_tel_data_string(data, text.as_ptr())
            }
            Value::Text(text) => {
                let text = CString::new(text.as_str()).ok()?;
                ffi::rte_tel_data_string(data, text.as_ptr())
            }
            Value::List(texts) => {
                let began = ffi::cv_tel_start_texts(data);
                for text in texts {
                    let text = CString::new(text.as_str()).ok()?;
                    let _full = ffi::rte_tel_data_add_array_string(data, text.as_ptr());
                }
                began
            }
            Value::Dict(entries) => {
                let began = ffi::rte_tel_data_start_dict(data);
                entries.iter().for_each(|(name, value)| add(data, name, value));
                began
            }
        }
    };
    (result == 0).then_some(())
}

/// Adds an entry; one that does not fit is left out.
///
/// # Safety
///
/// `data` is a valid dictionary.
unsafe fn add(data: *mut ffi::rte_tel_data, name: &str, value: &Value) {
    let Ok(name) = CString::new(name) else { return };
    // SAFETY: as the caller says; C strings live until the calls return, and DPDK copies them. A container that was added
    // is DPDK's to free, one that was not is ours.
    unsafe {
        match value {
            Value::Number(number) => {
                let _full = ffi::cv_tel_add_number(data, name.as_ptr(), *number);
            }
            Value::Text(text) => {
                let Ok(text) = CString::new(text.as_str()) else { return };
                let _full = ffi::rte_tel_data_add_dict_string(data, name.as_ptr(), text.as_ptr());
            }
            Value::List(_) | Value::Dict(_) => {
                let inner = ffi::rte_tel_data_alloc();
                if inner.is_null() {
                    return;
                }
                let filled = fill(inner, value).is_some();
                if !filled
                    || ffi::rte_tel_data_add_dict_container(data, name.as_ptr(), inner, 0) != 0
                {
                    ffi::rte_tel_data_free(inner);
                }
            }
        }
    }
}
