//! `sysctl.*`

use serde_json::Value as Json;
use vnet::VnetRef;
use vnet::sysctl::{Flags, Oid, SysctlError, VSubs, Value};

use super::{Answered, Service};
use crate::protocol::{Answer, Code, NewSysctl, Page, Refusal, SysctlShown};

impl Service<'_> {
    pub(super) fn sysctl_get(&mut self, vnet: &VnetRef, name: &str) -> Answered {
        let tree = self.stack.vnets().registry().sysctl();
        let oids: Vec<Oid> = tree.below(name).copied().collect();
        if oids.is_empty() {
            let _none: &Oid = tree.find(name).map_err(|error| of(&error))?;
        }
        let values = self.stack.read_sysctls(vnet, &oids).map_err(|error| of(&error))?;
        let list = oids.iter().zip(&values).map(|(oid, value)| shown(oid, value, None));
        Ok(Answer::Sysctls(Page::only(list.collect())))
    }

    pub(super) fn sysctl_set(
        &mut self,
        vnet: &VnetRef,
        name: Option<String>,
        value: Option<Json>,
        values: Vec<NewSysctl>,
    ) -> Answered {
        let one = match (name, value) {
            (Some(name), Some(value)) => Some(NewSysctl { name, value }),
            (None, None) if !values.is_empty() => None,
            _ => {
                let cure = "give name and value, or values, a list of both";
                return Err(Refusal::new(Code::BadRequest, "no sysctl to set", cure));
            }
        };
        let wanted = one.into_iter().chain(values).map(|new| self.writable(&new));
        let wanted: Vec<(Oid, Value)> = wanted.collect::<Result<_, _>>()?;
        let list = self.set_all(vnet, &wanted)?;
        Ok(Answer::Sysctls(Page::only(list)))
    }

    /// The OID of a sysctl that can be set while vnets run, and the value that it shall have.
    fn writable(&self, new: &NewSysctl) -> Result<(Oid, Value), Refusal> {
        let NewSysctl { name, value } = new;
        let value = value_of(value)?;
        let tree = self.stack.vnets().registry().sysctl();
        let oid = *tree.find(name).map_err(|error| of(&error))?;
        if oid.v_subs() == VSubs::Global {
            let text = format!("sysctl {name} belongs to the whole process");
            return Err(Refusal::new(Code::Refused, text, "it cannot be changed while vnets run"));
        }
        Ok((oid, value))
    }

    /// Sets them one after the other. When one is refused, those before it get their values back.
    fn set_all(
        &mut self,
        vnet: &VnetRef,
        wanted: &[(Oid, Value)],
    ) -> Result<Vec<SysctlShown>, Refusal> {
        let mut before: Vec<(&'static str, Value)> = Vec::new();
        let mut list = Vec::new();
        for (oid, value) in wanted {
            let written = self.stack.write_sysctl(vnet, oid.name(), value.clone());
            let read = written
                .and_then(|old| Ok((self.stack.read_sysctl(vnet, oid.name())?, old)))
                .map_err(|error| of(&error));
            let (new, old) = match read {
                Ok(values) => values,
                Err(refusal) => {
                    self.restore(vnet, before);
                    return Err(refusal);
                }
            };
            list.push(shown(oid, &new, Some(&old)));
            before.push((oid.name(), old));
        }
        Ok(list)
    }

    fn restore(&mut self, vnet: &VnetRef, before: Vec<(&'static str, Value)>) {
        for (name, old) in before.into_iter().rev() {
            // The vnet had this value a moment ago.
            let _fits = self.stack.write_sysctl(vnet, name, old);
        }
    }
}

fn shown(oid: &Oid, value: &Value, old: Option<&Value>) -> SysctlShown {
    SysctlShown {
        name: oid.name().to_owned(),
        value: json_of(value),
        old: old.map(json_of),
        description: oid.description().to_owned(),
        writable: oid.flags().contains(Flags::WR),
    }
}

fn json_of(value: &Value) -> Json {
    match value {
        Value::Int(number) => (*number).into(),
        Value::Uint(number) => (*number).into(),
        Value::S64(number) => (*number).into(),
        Value::U64(number) => (*number).into(),
        Value::Str(_) | Value::Opaque(_) => value.to_string().into(),
    }
}

/// Numbers, and texts, which may be numbers: the client's words are not typed.
fn value_of(json: &Json) -> Result<Value, Refusal> {
    let number =
        |json: &Json| json.as_u64().map(Value::from).or_else(|| json.as_i64().map(Value::from));
    match json {
        Json::String(text) => Ok(Value::parse(text)),
        json => number(json).ok_or_else(|| {
            let cure = "give a whole number or a text";
            Refusal::new(Code::BadRequest, format!("{json} is no value of a sysctl"), cure)
        }),
    }
}

fn of(error: &SysctlError) -> Refusal {
    let code = match error {
        SysctlError::Unknown { .. } => Code::NotFound,
        SysctlError::Dying { .. } => Code::Dying,
        _ => Code::Refused,
    };
    Refusal::of(code, error, "`sysctl -a` shows those that there are")
}
