//! All OIDs by name: reading and writing.

use std::collections::BTreeMap;

use super::oid::oids_of;
use super::{Flags, Kind, Oid, Request, SysctlError, VSubs, Value, resolve_v_arg1};
use crate::{Control, ModuleDef, Vnet, VnetRef, VnetState, curvnet};

/// All OIDs by name.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    oids: BTreeMap<&'static str, Oid>,
}

/// Whether a write comes from the configuration of a new vnet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Tuning,
    Running,
}

impl Tree {
    /// All OIDs in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Oid> {
        self.oids.values()
    }

    /// The OIDs that are `prefix` or lie below it, in the order of their names.
    pub fn below(&self, prefix: &str) -> impl Iterator<Item = &Oid> {
        let prefix = prefix.trim_end_matches('.');
        self.iter().filter(move |oid| is_below(oid.name(), prefix))
    }

    /// The OID of that name.
    ///
    /// # Errors
    ///
    /// There is none; the error holds the name that is spelled most like it.
    pub fn find(&self, name: &str) -> Result<&Oid, SysctlError> {
        self.oids.get(name).ok_or_else(|| SysctlError::Unknown {
            name: name.to_owned(),
            nearest: self.nearest(name),
        })
    }

    /// The value of an OID: in `vnet`, or of the process if it is global.
    ///
    /// # Errors
    ///
    /// Unknown; of a vnet and none was given; not attached; refused by its procedure.
    pub fn get(
        &self,
        control: &mut Control,
        vnet: Option<&VnetRef>,
        name: &str,
    ) -> Result<Value, SysctlError> {
        self.get_oid(control, vnet, self.find(name)?)
    }

    /// [`get`](Self::get) of an OID that [`find`](Self::find) has found (FreeBSD: `sysctl(3)` after
    /// `sysctlnametomib(3)`).
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get), but that it is known.
    pub fn get_oid(
        &self,
        control: &mut Control,
        vnet: Option<&VnetRef>,
        oid: &Oid,
    ) -> Result<Value, SysctlError> {
        self.access(control, vnet, oid, None)
    }

    /// Changes the value of an OID: in `vnet`, or of the process if it is global and no vnet is given. Returns the
    /// value that it had.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get), and: read-only; out of range; of another type; global, but a vnet was given.
    pub fn set(
        &self,
        control: &mut Control,
        vnet: Option<&VnetRef>,
        name: &str,
        value: Value,
    ) -> Result<Value, SysctlError> {
        self.set_oid(control, vnet, self.find(name)?, value)
    }

    /// [`set`](Self::set) of an OID that [`find`](Self::find) has found.
    ///
    /// # Errors
    ///
    /// As for [`set`](Self::set), but that it is known.
    pub fn set_oid(
        &self,
        control: &mut Control,
        vnet: Option<&VnetRef>,
        oid: &Oid,
        value: Value,
    ) -> Result<Value, SysctlError> {
        self.write(control, vnet, oid, value, Phase::Running)
    }

    /// Like [`set`](Self::set), for the configuration of a new vnet, which may also set tunables.
    ///
    /// # Errors
    ///
    /// As for [`set`](Self::set).
    pub fn tune(
        &self,
        control: &mut Control,
        vnet: Option<&VnetRef>,
        name: &str,
        value: Value,
    ) -> Result<Value, SysctlError> {
        self.write(control, vnet, self.find(name)?, value, Phase::Tuning)
    }

    /// Whether an OID of that name could take `value` from the configuration; nothing is changed.
    ///
    /// # Errors
    ///
    /// Unknown; read-only; out of range; of another type.
    pub fn check(&self, name: &str, value: Value) -> Result<(), SysctlError> {
        let oid = self.find(name)?;
        writable(oid, Phase::Tuning)?;
        fitting(oid, value).map(drop)
    }

    fn write(
        &self,
        control: &mut Control,
        vnet: Option<&VnetRef>,
        oid: &Oid,
        value: Value,
        phase: Phase,
    ) -> Result<Value, SysctlError> {
        if let (VSubs::Global, Some(vnet)) = (oid.v_subs, vnet) {
            return Err(SysctlError::GlobalOnly { name: oid.name(), vnet: vnet.name().to_owned() });
        }
        writable(oid, phase)?;
        let value = fitting(oid, value)?;
        self.access(control, vnet, oid, Some(value))
    }

    #[allow(clippy::unused_self, reason = "an OID is used by the tree that it is in")]
    fn access(
        &self,
        control: &mut Control,
        vnet: Option<&VnetRef>,
        oid: &Oid,
        new: Option<Value>,
    ) -> Result<Value, SysctlError> {
        let variable = resolve_v_arg1(oid, vnet.map(|vnet| &**vnet))?;
        let vnet = vnet.filter(|_| oid.v_subs == VSubs::Net);
        if let Some(vnet) = vnet.filter(|vnet| !takes_requests(vnet, control)) {
            return Err(SysctlError::Dying { vnet: vnet.name().to_owned() });
        }
        let call = |control: &mut Control| {
            // SAFETY: the address is that of the OID's variable: of a static, or of a vnet that `vnet` keeps.
            unsafe { (oid.def.access)(variable, oid.name(), &mut Request { control, new }) }
        };
        let result = match vnet {
            Some(vnet) => curvnet::with_control(control, vnet, call),
            None => call(control),
        };
        result.map_err(|error| match error {
            SysctlError::Refused { cause, .. } => SysctlError::Refused { name: oid.name(), cause },
            error => error,
        })
    }

    fn nearest(&self, name: &str) -> Option<String> {
        // Further away than a third of the name, a suggestion only misleads.
        let far = name.len().div_ceil(3);
        // To compare takes time and memory by the product of both lengths, and a client may send any name.
        let near = self.oids.keys().filter(|known| known.len().abs_diff(name.len()) <= far);
        let nearest = near.map(|known| (strsim::damerau_levenshtein(name, known), known)).min()?;
        (nearest.0 <= far).then(|| (*nearest.1).to_owned())
    }

    /// Adds the OIDs of a module, or none of them.
    pub(crate) fn add(&mut self, module: &'static ModuleDef) -> Result<(), &'static str> {
        let mut oids = self.oids.clone();
        for oid in oids_of(module) {
            if let Some(taken) = oids.keys().find(|known| conflict(known, oid.name())) {
                return Err(taken);
            }
            let _none = oids.insert(oid.name(), oid);
        }
        self.oids = oids;
        Ok(())
    }
}

fn takes_requests(vnet: &Vnet, control: &Control) -> bool {
    let mine = vnet.domain() == control.reader().domain();
    mine && matches!(vnet.state(), VnetState::Attaching | VnetState::Alive)
}

fn is_below(name: &str, prefix: &str) -> bool {
    prefix.is_empty()
        || name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// A name cannot be there twice, nor be both a node and a leaf.
fn conflict(one: &str, other: &str) -> bool {
    is_below(one, other) || is_below(other, one)
}

fn writable(oid: &Oid, phase: Phase) -> Result<(), SysctlError> {
    let name = oid.name();
    let tunable = oid.flags().contains(Flags::TUN);
    if oid.flags().contains(Flags::WR) || (tunable && phase == Phase::Tuning) {
        Ok(())
    } else if tunable {
        Err(SysctlError::TunableOnly { name })
    } else {
        Err(SysctlError::ReadOnly { name })
    }
}

/// The value in the OID's type, if it is in its range.
fn fitting(oid: &Oid, value: Value) -> Result<Value, SysctlError> {
    let (name, expected) = (oid.name(), oid.kind());
    let Some((min, max)) = oid.range() else {
        let fits = expected == Kind::Proc || expected == value.kind();
        return if fits {
            Ok(value)
        } else {
            Err(SysctlError::WrongType { name, value, expected })
        };
    };
    match value.as_number() {
        None => Err(SysctlError::WrongType { name, value, expected }),
        Some(number) if number < min || number > max => {
            Err(SysctlError::OutOfRange { name, value: number, min, max })
        }
        Some(_) => Ok(value),
    }
}
